import { createHash } from "node:crypto";
import { AGENT_PORT } from "../agent/protocol.ts";
import type { Settings } from "../core/model/command.ts";
import { slipIn } from "../core/model/rules.ts";
import type { ProviderName, StaticBackend } from "../core/model/state.ts";
import { type AccountSetting, type AccountTable, fieldOf, type Shown } from "../providers/base/account.ts";
import { firstOf, isPlaceField, readPlaces, shownPlaces, withPlaces } from "../providers/base/places.ts";
import type { ProviderDefinition } from "../providers/base/provider.ts";
import { PROVIDERS } from "../providers/index.ts";
import { accessOf } from "../values/access.ts";
import { readSetting, readTable } from "../values/setting.ts";
import { definitionOf, type EndpointConfiguration, type Faults, mapValues } from "./configuration.ts";
import type { Global } from "./deployment.ts";
import { type Addresses, refusalOfAddress } from "./destinations.ts";
import { CLOUD_RULE, goodList, HASH_DIGITS, LIST_RULE, MOST_NAMES, MOST_STATICS, MOST_STATICS_CHARS, STATICS_RULE } from "./kinds.ts";
import { type Placed, Reader } from "./reader.ts";
import { ENDPOINT, OF_NO_EFFECT, type PoolSetting, TUNING, type Tuning } from "./table.ts";

/** What an endpoint's configuration comes to, as the pool needs it. */
export interface EndpointSettings {
	/** `static` where it names no cloud. */
	readonly provider: ProviderName;
	readonly settings: Settings;
	/** What the provider's schema made of its section, secrets included. Null where one is missing, or there is no cloud. */
	readonly account: unknown;
	/** Without secrets; always with `size` and `region`. */
	readonly shown: Readonly<Record<string, Shown>>;
	readonly displayName: string;
	/** Empty: nothing is wrong. */
	readonly faults: Faults;
}

/** What holds for all endpoints of a deployment. */
export interface EndpointSource {
	readonly name: string;
	readonly global: Global;
	/** Why no pool of the deployment can run, in sentences. */
	readonly suspending: readonly string[];
	readonly addresses: Addresses;
	/** Addresses of the host names among its static backends, as far as they are known. */
	readonly hosts?: Hosts;
	/** The list of proxies that was fetched last; null: none was. */
	readonly fetched?: string | null;
	/** It is posted just now: what one that is stored is forgiven is refused. */
	readonly isPosted?: boolean;
}

/** Addresses by host name. */
export type Hosts = Readonly<Record<string, readonly string[]>>;

/**
 * Reads an endpoint's configuration with its secrets in clear. Every key that Muster knows is validated; what it does not know is
 * passed over. Faults stand under their section and key; for each there is a safe value in its place.
 */
export function readEndpoint(configuration: EndpointConfiguration, source: EndpointSource): EndpointSettings {
	const { global, suspending, name } = source;
	const reader = new Reader(configuration);
	for (const setting of Object.values<Placed<unknown>>(ENDPOINT)) reader.read(setting);
	readKey(reader);
	const { provider, definition } = readCloud(reader);
	const { account, shown, places } = readAccount(reader, provider, definition, source);
	const tuning = readTuning(reader, global.timing, source.hosts, source.fetched);
	const slip = source.isPosted ? slipIn(tuning.rules) : null;
	if (slip !== null) reader.fault(...TUNING.rules.at, slip);
	for (const section of Object.keys(configuration)) checkOtherCloud(reader, section, provider, configuration, source);

	const { faults } = reader;
	const reasons = [...suspending, ...sentences(ofEffect(faults))];
	const settings: Settings = {
		spec: {
			...tuning,
			places,
			ageLimitSeconds: global.ageLimitSeconds,
			rolling: global.rolling,
			canProbe: !global.onlyHostIp,
			twoStepRestart: definition?.twoStepRestart ?? false,
			billedSeconds: definition?.billedSeconds ?? 0,
			finishesCreate: definition?.finishesCreate ?? false,
			repeatsCreate: definition !== undefined && definition.absence.repeat !== "second",
		},
		suspended: reasons.length === 0 ? null : reasons.join(". "),
		agentUrl: null,
		credentials: global.proxyCredentials,
		allow: global.onlyHostIp ? global.hostIps : [],
		fromEnvironment: false,
	};
	const displayName = definition === undefined ? name : `${definition.displayName} ${name}`;
	return { provider, settings, account, shown, displayName, faults };
}

/** The keys of `endpoint`, `scaling` and `manager` that shape the pool; an environment pool's too. `usual` holds where it says nothing. */
export function readTuning(
	reader: Reader,
	usual: Partial<Tuning>,
	hosts: Hosts = {},
	fetched: string | null = null,
): Tuning & Pick<Settings["spec"], "statics" | "unresolved"> {
	const tuning = readTable<typeof TUNING>(TUNING, (setting: Placed<unknown>, field) =>
		reader.read(setting, usual[field] ?? setting.endpointDefault),
	);
	const { min, max } = tuning;
	if (max < min) {
		const usually = TUNING.max.endpointDefault;
		reader.fault(...TUNING.min.at, `must not be more than max_instances, which is ${usually} unless it is given`);
		reader.fault(...TUNING.max.at, "must not be less than min_instances");
	}
	return { ...tuning, min: Math.min(min, max), ...readStatics(reader, hosts, fetched) };
}

/** An endpoint's own key, as it proves itself by hash; null where it has none. */
export function readKey(reader: Reader): { readonly algorithm: string; readonly salt: string; readonly hash: string } | null {
	const algorithm = reader.read(ENDPOINT.authAlgorithm);
	const salt = reader.read(ENDPOINT.authSalt);
	const hash = reader.read(ENDPOINT.authHash);
	if (hash === null) return null;
	const digits = HASH_DIGITS[algorithm];
	if (hash.length === digits && /^[0-9a-f]+$/i.test(hash)) return { algorithm, salt, hash: hash.toLowerCase() };
	reader.fault(...ENDPOINT.authHash.at, `must be ${digits} hexadecimal digits: the ${algorithm} hash of salt and key`);
	return null;
}

/** The cloud that the configuration names, `static` where it names none; null where it names one that there is not. */
export function cloudIn(reader: Reader): ProviderName | null {
	return reader.isRight(ENDPOINT.cloud) ? reader.read(ENDPOINT.cloud) : null;
}

function readCloud(reader: Reader): { provider: ProviderName; definition: ProviderDefinition | undefined } {
	const provider = reader.read(ENDPOINT.cloud);
	if (provider === "static") return { provider, definition: undefined };
	const definition = PROVIDERS[provider];
	if (definition === undefined) reader.fault(...ENDPOINT.cloud.at, `must be ${CLOUD_RULE}`);
	return { provider, definition };
}

/** The provider's own settings. One that is wrong is named and takes its default; where one has none there is no account. */
function readAccount(reader: Reader, provider: ProviderName, definition: ProviderDefinition | undefined, source: EndpointSource) {
	const values: Record<string, unknown> = {};
	const open: Record<string, unknown> = {};
	if (definition === undefined) return { account: null, shown: { size: null, region: null }, places: [] };
	const texts: Record<string, string | undefined> = {};
	const keys: Record<string, string> = {};
	const section = `cloud:${provider}`;
	let isComplete = true;
	for (const [field, setting] of Object.entries(definition.settings)) {
		const { key, text } = spelling(reader, section, field, setting, definition.settings);
		texts[field] = text;
		keys[field] = key;
		// Of a list each item is read below.
		const given = isPlaceField(definition.settings, field) ? firstOf(text) : (text ?? source.addresses[provider]?.[field]);
		const { value, fault, isMissing } = readSetting(setting, given);
		const refusal = fault ?? refusalOfAddress(setting, value, field, provider, definition, source.addresses);
		if (refusal !== null) reader.fault(section, key, text === undefined ? `is missing: it ${refusal}` : refusal);
		if (isMissing) isComplete = false;
		else {
			values[field] = value;
			if (!setting.isSecret) open[field] = value;
		}
	}
	const { places, faults } = readPlaces(definition.settings, { texts, values });
	for (const [field, fault] of faults) reader.fault(section, keys[field] ?? field, fault);
	const shown = { size: null, region: null, ...definition.shown(open), ...shownPlaces(places) };
	return { account: isComplete ? withPlaces(definition.settings, values, places) : null, shown, places };
}

/** The key under which a field is given, its own or another spelling, and its text. */
function spelling(
	reader: Reader,
	section: string,
	field: string,
	{ alsoSpelt = [] }: AccountSetting,
	table: AccountTable,
): { key: string; text: string | undefined } {
	const key = [field, ...alsoSpelt].find((name) => reader.has(section, name)) ?? field;
	const value = reader.value(section, key);
	const mayBeList = field === "places" || isPlaceField(table, field);
	const list = typeof value === "object" && mayBeList ? value?.map(String).join(",") : null;
	if (typeof value === "object" && list === null) reader.fault(section, key, "must be one value, not a list");
	if (typeof list === "string") return { key, text: list.trim() || undefined };
	return { key, text: value === undefined || typeof value === "object" ? undefined : String(value).trim() || undefined };
}

/** A section for a cloud that is not the endpoint's: what it has must be right, what it lacks does not matter. */
function checkOtherCloud(
	reader: Reader,
	section: string,
	provider: ProviderName,
	configuration: EndpointConfiguration,
	{ addresses }: EndpointSource,
): void {
	const definition = definitionOf(section);
	if (definition === undefined || section === `cloud:${provider}`) return;
	for (const given of Object.keys(configuration[section] ?? {})) {
		const field = fieldOf(definition.settings, given) ?? "";
		const setting = definition.settings[field];
		const value = reader.value(section, given);
		if (setting === undefined || value === undefined) continue;
		const { value: read, fault } = readSetting(setting, typeof value === "object" ? undefined : String(value).trim());
		const other = section.slice("cloud:".length) as ProviderName;
		const refusal = fault ?? refusalOfAddress(setting, read, field, other, definition, addresses);
		if (refusal !== null) reader.fault(section, given, refusal);
	}
}

/**
 * The proxies that others run; one that stands twice counts once. At one address and port there may be several, told apart by their users: gateways choose by these
 * where a request leaves. A host name stands for its addresses; it is told apart while none is known.
 */
function readStatics(reader: Reader, hosts: Hosts, fetched: string | null): Pick<Settings["spec"], "statics" | "unresolved"> {
	const usual = reader.read(ENDPOINT.port) || AGENT_PORT;
	const given = reader.read(ENDPOINT.staticInstances);
	const bought = [...reader.read(ENDPOINT.staticList), ...goodList(fetched === null ? [] : [fetched])];
	const addressesOf = ({ host, isName }: { readonly host: string; readonly isName: boolean }) =>
		isName ? (Object.hasOwn(hosts, host) ? (hosts[host] ?? []) : []) : [host];
	const nowhere = given.filter((one) => addressesOf(one).length === 0);
	const unresolved = [...new Set(nowhere.map(({ host, port }) => `${host}:${port ?? usual}`))].slice(0, MOST_NAMES);
	const all = [...given, ...bought].flatMap((one) => {
		const { port, access } = one;
		return addressesOf(one).map((address) => ({ address, port: port ?? usual, access }));
	});
	const unique = marked([...new Map(all.map((backend) => [`${placeOf(backend)} ${userOf(backend)}`, backend])).values()]);
	const names = new Set(given.flatMap(({ host, isName }) => (isName ? [host] : [])));
	if (unique.length > MOST_STATICS || names.size > MOST_NAMES) reader.fault(...ENDPOINT.staticInstances.at, `must be ${STATICS_RULE}`);
	let chars = 0;
	const fitting = unique.slice(0, MOST_STATICS).filter(({ address, access, mark }) => {
		chars += address.length + access.length + mark.length;
		return chars <= MOST_STATICS_CHARS;
	});
	if (chars > MOST_STATICS_CHARS) reader.fault(...ENDPOINT.staticList.at, `must be ${LIST_RULE}`);
	return { statics: fitting, unresolved };
}

type Given = Omit<StaticBackend, "mark">;
const placeOf = ({ address, port }: Given) => `${address} ${port}`;
const userOf = ({ access }: Given) => accessOf(access)?.login?.[0] ?? "";

/** Of those that share a place each gets a digest of its user: what stands in lists and logs shall not be the user itself. */
function marked(backends: readonly Given[]): readonly StaticBackend[] {
	const there = Map.groupBy(backends, placeOf);
	const markOf = (backend: Given) => createHash("sha256").update(userOf(backend)).digest("hex").slice(0, 8);
	return backends.map((backend) => ({ ...backend, mark: (there.get(placeOf(backend))?.length ?? 0) > 1 ? markOf(backend) : "" }));
}

/** The host names among a configuration's static backends; of what is wrong with them, as many as may be there. */
export function hostNamesIn(configuration: EndpointConfiguration): readonly string[] {
	const given = new Reader(configuration).read(ENDPOINT.staticInstances);
	return [...new Set(given.flatMap(({ host, isName }) => (isName ? [host] : [])))].slice(0, MOST_NAMES);
}

/** Without those in what nothing depends on. */
function ofEffect(faults: Faults): Faults {
	const idle = Object.values<Placed<unknown>>(ENDPOINT).filter(({ is }) => is === OF_NO_EFFECT);
	return mapValues(faults, (message, section, key) => (idle.some(({ at }) => at[0] === section && at[1] === key) ? undefined : message));
}

const KNOWN_PLACES = new Set(
	[ENDPOINT, TUNING].flatMap((table) => Object.values<PoolSetting>(table).flatMap(({ at }) => at?.join(".") ?? [])),
);

/** The keys of a configuration that nobody reads, as `section.key`. They are kept, and of no effect. */
export function unknownKeys(configuration: EndpointConfiguration): readonly string[] {
	return Object.entries(configuration).flatMap(([section, values]) => {
		const settings = definitionOf(section)?.settings;
		const isKnown = (key: string) =>
			settings === undefined ? KNOWN_PLACES.has(`${section}.${key}`) : fieldOf(settings, key) !== undefined;
		return Object.keys(values)
			.filter((key) => !isKnown(key))
			.map((key) => `${section}.${key}`);
	});
}

/** Faults as sentences, for where there is no request to answer. */
export function sentences(faults: Faults): readonly string[] {
	return Object.entries(faults).flatMap(([section, values]) =>
		Object.entries(values).map(([key, message]) => `${section}.${key} ${message}`),
	);
}
