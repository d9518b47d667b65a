import ipaddr from "ipaddr.js";
import { AGENT_PORT } from "../agent/protocol.ts";
import type { Settings } from "../core/model/command.ts";
import { parseRules } from "../core/model/rules.ts";
import type { ProviderName } from "../core/model/state.ts";
import type { ProviderDefinition, Shown } from "../providers/base/provider.ts";
import { CLOUD_NAMES, PROVIDERS } from "../providers/index.ts";
import { amountIn } from "../values/settings-text.ts";
import { definitionOf, type EndpointConfiguration, type Faults } from "./configuration.ts";
import { type Global, MAX_SCALING, TIMINGS } from "./deployment.ts";
import { Reader } from "./reader.ts";

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
	/** Addresses of the clouds' APIs that the deployment names (`<PROVIDER>_API_URL`). */
	readonly apiUrls: Readonly<Partial<Record<ProviderName, string>>>;
}

/** Names of endpoints and aliases: they stand in URLs as they are, and are their pools' names. */
export const ENDPOINT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const ENDPOINT_NAME_RULE = "1 to 63 letters, digits, `.`, `_` and `-`, a letter or digit first";

/** By `auth_algo`: hexadecimal digits of a hash. */
const HASH_DIGITS: Readonly<Record<string, number>> = { md5: 32, sha1: 40, sha224: 56, sha256: 64, sha384: 96, sha512: 128 };
const USUAL_HASH = "sha1";
const USUAL_RAMP_LIMIT = 5;
const USUAL_SCALE_IN_WINDOW_SECONDS = 300;
const MAX_WINDOW_SECONDS = 86_400;
const MAX_WEIGHT = 1_000_000;
const MOST_STATICS = 1_000;

/**
 * Reads an endpoint's configuration with its secrets in clear. Every key that Muster knows is validated; what it does not know is
 * passed over. Faults stand under their section and key; for each there is a safe value in its place.
 */
export function readEndpoint(configuration: EndpointConfiguration, source: EndpointSource): EndpointSettings {
	const { global, suspending, name } = source;
	const reader = new Reader(configuration);
	readKey(reader);
	readStoredOnly(reader);
	const { provider, definition } = readCloud(reader);
	const { account, shown } = readAccount(reader, provider, definition, source);
	const tuning = readTuning(reader, global);
	for (const section of Object.keys(configuration)) checkOtherCloud(reader, section, provider, configuration);

	const { faults } = reader;
	const reasons = [...suspending, ...sentences(faults)];
	const settings: Settings = {
		spec: {
			...tuning,
			ageLimitSeconds: global.ageLimitSeconds,
			rolling: global.rolling,
			canProbe: !global.onlyHostIp,
			twoStepRestart: definition?.twoStepRestart ?? false,
			billedSeconds: definition?.billedSeconds ?? 0,
			maxHourlyCost: readCost(reader),
			finishesCreate: definition?.finishesCreate ?? false,
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

/** The keys of `endpoint`, `scaling` and `manager` that shape the pool; an environment pool's too. */
export function readTuning(
	reader: Reader,
	global: Global,
): Omit<
	Settings["spec"],
	"ageLimitSeconds" | "rolling" | "canProbe" | "twoStepRestart" | "finishesCreate" | "billedSeconds" | "maxHourlyCost"
> {
	const seconds = (section: string, key: string, usual: number, max: number) =>
		reader.whole(section, key, usual, { min: 1, max, unit: "seconds" });
	const timeout = (key: "unknownTimeoutSeconds" | "unregisteredTimeoutSeconds" | "decommissionedTimeoutSeconds") =>
		seconds("endpoint", TIMINGS[key].name.toLowerCase(), global.timing[key], TIMINGS[key].max);
	const min = reader.whole("scaling", "min_instances", 1, { min: 0, max: MAX_SCALING });
	const max = reader.whole("scaling", "max_instances", 1, { min: 0, max: MAX_SCALING });
	if (max < min) {
		reader.fault("scaling", "min_instances", "must not be more than max_instances, which is 1 unless it is given");
		reader.fault("scaling", "max_instances", "must not be less than min_instances");
	}
	return {
		min: Math.min(min, max),
		max,
		intervalSeconds: seconds("manager", "interval", global.timing.intervalSeconds, TIMINGS.intervalSeconds.max),
		unknownTimeoutSeconds: timeout("unknownTimeoutSeconds"),
		unregisteredTimeoutSeconds: timeout("unregisteredTimeoutSeconds"),
		decommissionedTimeoutSeconds: timeout("decommissionedTimeoutSeconds"),
		rules: readRules(reader),
		rampLimit: reader.whole("scaling", "ramp_limit", USUAL_RAMP_LIMIT, { min: 1, max: MAX_SCALING }),
		scaleInWindowSeconds: reader.whole("scaling", "scale_in_window", USUAL_SCALE_IN_WINDOW_SECONDS, {
			min: 0,
			max: MAX_WINDOW_SECONDS,
			unit: "seconds",
		}),
		metricsSource: reader.text("endpoint", "metrics_source", null, `the name of an endpoint: ${ENDPOINT_NAME_RULE}`, (text) =>
			ENDPOINT_NAME.test(text),
		),
		statics: readStatics(reader),
	};
}

/** What the endpoint's VMs may cost an hour, in the currency of its cloud; null: whatever they cost. */
function readCost(reader: Reader): number | null {
	const text = reader.text(
		"scaling",
		"max_hourly_cost",
		null,
		"an amount of money an hour, such as 0.05",
		(given) => amountIn(given) !== null,
	);
	return text === null ? null : amountIn(text);
}

/** An endpoint's own key, as it proves itself by hash; null where it has none. */
export function readKey(reader: Reader): { readonly algorithm: string; readonly salt: string; readonly hash: string } | null {
	const algorithm = reader.text("endpoint", "auth_algo", USUAL_HASH, `one of ${Object.keys(HASH_DIGITS).join(", ")}`, (text) =>
		Object.hasOwn(HASH_DIGITS, text.toLowerCase()),
	);
	const digits = HASH_DIGITS[algorithm.toLowerCase()] ?? 0;
	const isHash = (text: string) => text.length === digits && /^[0-9a-f]+$/i.test(text);
	const hash = reader.text("endpoint", "auth_hash", null, `${digits} hexadecimal digits: the ${algorithm} hash of salt and key`, isHash);
	const salt = reader.value("endpoint", "auth_salt");
	if (typeof salt === "object") reader.fault("endpoint", "auth_salt", "must be text");
	return hash === null ? null : { algorithm: algorithm.toLowerCase(), salt: String(salt ?? ""), hash: hash.toLowerCase() };
}

/** What clients of the other dialect set, and nothing here depends on. */
function readStoredOnly(reader: Reader): void {
	const isUrl = (text: string) => text.length <= 2_048 && /^[a-z][a-z0-9+.-]*:\/\/\S*$/i.test(text);
	reader.text("endpoint", "url", null, "a URL, such as http://example.com", isUrl);
	reader.text("endpoint", "redirect", null, "a URL, such as http://example.com/sorry", isUrl);
	reader.whole("endpoint", "weight", 1, { min: 0, max: MAX_WEIGHT });
	reader.whole("endpoint", "error_marks", 1, { min: 0, max: MAX_WEIGHT });
	const isWord = (text: string) => text.length <= 200 && !/\p{C}/u.test(text);
	for (const key of ["loadbalancer", "instances_source"]) reader.text("endpoint", key, null, "up to 200 printable characters", isWord);
}

function readRules(reader: Reader): readonly string[] {
	const parsed = parseRules(reader.list("scaling", "rules"));
	if (parsed.ok) return parsed.rules.map(({ text }) => text);
	reader.fault("scaling", "rules", parsed.say);
	return [];
}

/** The cloud that the configuration names; `static` where it names none. */
export function cloudIn(reader: Reader): ProviderName | null {
	const value = reader.value("endpoint", "cloud");
	const text = typeof value === "string" ? value.trim().toLowerCase() : undefined;
	if (value === undefined || text === "" || text === "static" || text === "none") return "static";
	return text !== undefined && Object.hasOwn(CLOUD_NAMES, text) ? (text as ProviderName) : null;
}

function readCloud(reader: Reader): { provider: ProviderName; definition: ProviderDefinition | undefined } {
	const provider = cloudIn(reader);
	if (provider === "static") return { provider, definition: undefined };
	const definition = provider === null ? undefined : PROVIDERS[provider];
	if (definition === undefined || provider === null) {
		reader.fault("endpoint", "cloud", `must be one of ${Object.keys(PROVIDERS).join(", ")}, or nothing`);
		return { provider: provider ?? "static", definition: undefined };
	}
	return { provider, definition };
}

/** The provider's own settings. One that is wrong is named and takes its default; where one has none there is no account. */
function readAccount(reader: Reader, provider: ProviderName, definition: ProviderDefinition | undefined, source: EndpointSource) {
	const values: Record<string, unknown> = {};
	const open: Record<string, unknown> = {};
	if (definition === undefined) return { account: null, shown: { size: null, region: null } };
	const section = `cloud:${provider}`;
	let isComplete = true;
	for (const [field, schema] of Object.entries(definition.schema.shape)) {
		const { key, text } = spelling(reader, section, field, definition);
		let result = schema.safeParse(text ?? (field === "api_url" ? source.apiUrls[provider] : undefined));
		if (!result.success) {
			// Schemas' messages say what is allowed and never hold a value.
			const must = result.error.issues[0]?.message ?? "something else";
			reader.fault(section, key, text === undefined ? `is missing: it must be ${must}` : `must be ${must}`);
			result = schema.safeParse(undefined);
		}
		if (!result.success) isComplete = false;
		else {
			values[field] = result.data;
			if (!definition.secrets.includes(field)) open[field] = result.data;
		}
	}
	return { account: isComplete ? values : null, shown: { size: null, region: null, ...definition.shown(open) } };
}

/** The key under which a field is given, its own or another spelling, and its text. */
function spelling(
	reader: Reader,
	section: string,
	field: string,
	definition: ProviderDefinition,
): { key: string; text: string | undefined } {
	const others = Object.entries(definition.aliases ?? {}).flatMap(([from, to]) => (to === field ? [from] : []));
	const key = [field, ...others].find((name) => reader.has(section, name)) ?? field;
	const value = reader.value(section, key);
	if (typeof value === "object") reader.fault(section, key, "must be one value, not a list");
	return { key, text: value === undefined || typeof value === "object" ? undefined : String(value).trim() || undefined };
}

/** A section for a cloud that is not the endpoint's: what it has must be right, what it lacks does not matter. */
function checkOtherCloud(reader: Reader, section: string, provider: ProviderName, configuration: EndpointConfiguration): void {
	const definition = definitionOf(section);
	if (definition === undefined || section === `cloud:${provider}`) return;
	for (const given of Object.keys(configuration[section] ?? {})) {
		const field = definition.aliases?.[given] ?? given;
		const schema = Object.hasOwn(definition.schema.shape, field) ? definition.schema.shape[field] : undefined;
		const value = reader.value(section, given);
		if (schema === undefined || value === undefined) continue;
		const result = schema.safeParse(typeof value === "object" ? undefined : String(value).trim());
		if (!result.success) reader.fault(section, given, `must be ${result.error.issues[0]?.message ?? "something else"}`);
	}
}

function readStatics(reader: Reader): Settings["spec"]["statics"] {
	const usual = reader.whole("endpoint", "port", 0, { min: 0, max: 65_535 }) || AGENT_PORT;
	const backends = reader.list("endpoint", "static_instances").map((text) => backendOf(text, usual));
	const good = backends.filter((backend) => backend !== null);
	const unique = [...new Map(good.map((backend) => [`${backend.address} ${backend.port}`, backend])).values()];
	if (good.length < backends.length || unique.length > MOST_STATICS) {
		reader.fault(
			"endpoint",
			"static_instances",
			`must be at most ${MOST_STATICS} addresses, each with or without a port, such as 192.0.2.1 or 192.0.2.1:3128`,
		);
	}
	return unique.slice(0, MOST_STATICS);
}

/** `ip`, `ip:port`, or `[ip]:port` and `ip` for IPv6; null for anything else. */
function backendOf(text: string, usualPort: number): { address: string; port: number } | null {
	const [, six, four, digits] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
	const host = six ?? four ?? text;
	const port = digits === undefined ? usualPort : Number(digits);
	if (port < 1 || port > 65_535) return null;
	if (ipaddr.IPv4.isValidFourPartDecimal(host)) return { address: host, port };
	return ipaddr.IPv6.isValid(host) && host.includes(":") ? { address: ipaddr.IPv6.parse(host).toString(), port } : null;
}

/** Faults as sentences, for where there is no request to answer. */
export function sentences(faults: Faults): readonly string[] {
	return Object.entries(faults).flatMap(([section, values]) => Object.entries(values).map(([key, say]) => `${section}.${key} ${say}`));
}
