import { createHash, timingSafeEqual } from "node:crypto";
import type { Settings } from "../core/model/command.ts";
import type { ProviderName, State } from "../core/model/state.ts";
import type { Shown } from "../providers/base/account.ts";
import { PROVIDERS } from "../providers/index.ts";
import {
	type EndpointConfiguration,
	type Faults,
	isSecret,
	joinedFaults,
	MASK,
	mapValues,
	masked,
	openSecrets,
	type Sections,
	type StoredConfiguration,
	sealedIn,
	sealSecrets,
	type Value,
	valueAt,
} from "../settings/configuration.ts";
import { cloudIn, type Hosts, hostNamesIn, readEndpoint, readKey, readTuning } from "../settings/endpoint.ts";
import type { Config, PoolConfig } from "../settings/environment.ts";
import { withKeptSecrets } from "../settings/kept-secrets.ts";
import { environmentSays } from "../settings/pools.ts";
import { Reader } from "../settings/reader.ts";
import { ENDPOINT } from "../settings/table.ts";
import { isSealedWithFirst, seal, unseal } from "../values/secrets.ts";

/** What a pool keeps of its endpoint's configuration: one row of its own storage. */
export interface StoredEndpoint {
	/** As posted, with its secrets encrypted. Of a pool of the environment: what an operator posted beside the environment's own. */
	readonly configuration: StoredConfiguration;
	/** What the environment said of the same keys when they were posted: they hold until it says something else. Null: it is not from there. */
	readonly environment: EndpointConfiguration | null;
	/** The interval that a manager's configuration names for this pool; null: none does. */
	readonly intervalSeconds: number | null;
	/** Addresses of its static backends' host names, as they were found last; missing in what an earlier version stored. */
	readonly hosts?: Hosts;
	/** The list of proxies that was fetched last, encrypted as the configuration's secrets are, and when that was. */
	readonly fetched?: { readonly sealed: string; readonly at: number };
}

/** Where a fetched list is kept among an endpoint's secrets. */
const FETCHED = { section: "static", key: "fetched" } as const;

/** What a pool runs by, wherever it comes from. Holds secrets. */
export interface Derived {
	readonly provider: ProviderName;
	readonly settings: Settings;
	readonly account: unknown;
	readonly shown: Readonly<Record<string, Shown>>;
	readonly displayName: string;
	/** Why it is suspended, or null. */
	readonly problem: string | null;
	readonly faults: Faults;
}

/** What a pool made through the API runs by: its stored configuration, and what holds for the whole deployment. */
export function deriveApi(stored: StoredEndpoint, pool: Pick<State["pool"], "object" | "name">, config: Config, isPosted = false): Derived {
	const { global, suspending, addresses } = config;
	const { configuration, unreadable } = openSecrets(global.encryptionKeys, pool.object, stored.configuration);
	const locked = unreadable.length === 0 ? [] : [`ENCRYPTION_KEY lacks the key that ${unreadable.join(" and ")} was encrypted with`];
	const read = readEndpoint(configuration, {
		name: pool.name,
		global,
		suspending: [...suspending, ...locked],
		addresses,
		hosts: stored.hosts ?? {},
		fetched:
			stored.fetched === undefined ? null : unseal(global.encryptionKeys, { object: pool.object, ...FETCHED }, stored.fetched.sealed),
		isPosted,
	});
	const settings = withInterval(read.settings, stored.intervalSeconds);
	return { ...read, settings, problem: settings.suspended };
}

/** What a pool of the environment runs by: the environment, and what an operator posted and it has not overruled since. */
export function deriveEnvironment(stored: StoredEndpoint | null, pool: PoolConfig): Derived {
	const { provider, account, shown, displayName, problem } = pool;
	const rest = { provider, account, shown, displayName, problem, faults: {} };
	if (stored === null) return { ...rest, settings: pool.settings };
	const { min, max } = pool.settings.spec;
	const reader = new Reader(masked(inForce(stored, pool)));
	// What was right when it was posted may be wrong by now (another version, other limits); then the environment's holds.
	const tuning = readTuning(reader, pool.settings.spec, stored.hosts);
	const settings = { ...pool.settings, spec: { ...pool.settings.spec, ...tuning, min, max } };
	return { ...rest, settings: withInterval(settings, stored.intervalSeconds) };
}

function withInterval(settings: Settings, intervalSeconds: number | null): Settings {
	return intervalSeconds === null ? settings : { ...settings, spec: { ...settings.spec, intervalSeconds } };
}

/** What was posted, without the keys of which the environment says something else now than it said then. */
function inForce(stored: StoredEndpoint, pool: PoolConfig): StoredConfiguration {
	const now = environmentSays(pool);
	return mapValues(stored.configuration, (value, section, name) => {
		const says = valueAt(now, section, name);
		return says === undefined || says === valueAt(stored.environment ?? {}, section, name) ? value : undefined;
	});
}

/** The configuration of a pool of the environment, as `GET` shows it: generated, with what an operator posted, secrets masked. */
export function generated(
	stored: StoredEndpoint | null,
	pool: PoolConfig,
	bounds: { readonly min: number; readonly max: number },
): EndpointConfiguration {
	const cloud = `cloud:${pool.provider}`;
	const account = (pool.account ?? pool.shown) as Readonly<Record<string, Value>>;
	const fields = Object.keys(PROVIDERS[pool.provider]?.settings ?? {});
	const shown = fields.flatMap((field) => {
		const value = account[field];
		return value === undefined || value === null ? [] : [[field, isSecret(cloud, field) ? MASK : value] as const];
	});
	const posted = stored === null ? {} : masked(inForce(stored, pool));
	const says = environmentSays(pool);
	return {
		...posted,
		endpoint: { ...says.endpoint, ...posted.endpoint, cloud: pool.provider },
		scaling: { rules: [], ...says.scaling, ...posted.scaling, min_instances: bounds.min, max_instances: bounds.max },
		manager: { ...says.manager, ...posted.manager },
		[cloud]: Object.fromEntries(shown),
	};
}

/** What comes of a configuration that is posted for a pool: the row to store, or why it is refused. */
export type Reconfigured =
	| { readonly ok: true; readonly endpoint: StoredEndpoint; readonly bounds: { readonly min: number; readonly max: number } }
	| { readonly ok: false; readonly conflict: string }
	| { readonly ok: false; readonly faults: Faults };

/** Host names that have no address, as a fault. */
function unknownHosts(given: StoredConfiguration, hosts: Hosts): Faults {
	const unknown = hostNamesIn(masked(given)).filter((name) => hosts[name]?.length === 0);
	if (unknown.length === 0) return {};
	return { endpoint: { static_instances: `must be names that have an address: ${unknown.join(", ")} has none` } };
}

/** What of it belongs to a configuration's host names: what was found now, else what was known before. */
function hostsOf(given: StoredConfiguration, found: Hosts, known: Hosts = {}): Hosts {
	const names = hostNamesIn(masked(given));
	return Object.fromEntries(names.flatMap((name) => ((found[name] ?? known[name]) ? [[name, found[name] ?? known[name] ?? []]] : [])));
}

/** The same with what was found of its host names; null where nothing changes. A name that has no address any more keeps none. */
export function rehosted(stored: StoredEndpoint, found: Hosts): StoredEndpoint | null {
	const hosts = hostsOf(stored.configuration, found, stored.hosts);
	return JSON.stringify(hosts) === JSON.stringify(stored.hosts ?? {}) ? null : { ...stored, hosts };
}

/** The address that a configuration's list of proxies is fetched from, and how often; null: it names none. */
export function listOf(
	{ configuration }: StoredEndpoint,
	object: string,
	config: Config,
): { readonly url: string; readonly everyMs: number } | null {
	const reader = new Reader(openSecrets(config.global.encryptionKeys, object, configuration).configuration);
	const url = reader.read(ENDPOINT.staticUrl);
	return url === null ? null : { url, everyMs: reader.read(ENDPOINT.staticMinutes) * 60_000 };
}

const listIn = (configuration: StoredConfiguration, object: string, config: Config) =>
	listOf({ configuration, environment: null, intervalSeconds: null }, object, config)?.url ?? null;

/** The same with a list that was fetched. */
export function relisted(stored: StoredEndpoint, object: string, config: Config, text: string, at: number): StoredEndpoint {
	return { ...stored, fetched: { sealed: seal(config.global.encryptionKeys, { object, ...FETCHED }, text), at } };
}

/** Of a pool made through the API. `given` has its secrets encrypted, but for masks; `found` are the addresses of its host names. */
export function reconfiguredApi(
	given: StoredConfiguration,
	stored: StoredEndpoint | null,
	pool: Pick<State["pool"], "object" | "name">,
	config: Config,
	found: Hosts = {},
): Reconfigured {
	const { merged, faults } = withKeptSecrets(given, stored?.configuration ?? {}, config.addresses);
	const hosts = hostsOf(merged, found, stored?.hosts);
	const endpoint: StoredEndpoint = { configuration: merged, environment: null, intervalSeconds: stored?.intervalSeconds ?? null, hosts };
	// What was fetched from an address holds until that address is another.
	const isSameList = listIn(merged, pool.object, config) === (stored === null ? null : listIn(stored.configuration, pool.object, config));
	const derived = deriveApi(endpoint, pool, config, true);
	const all = joinedFaults(unknownHosts(given, found), joinedFaults(derived.faults, faults));
	if (Object.keys(all).length > 0) return { ok: false, faults: all };
	const kept = isSameList && stored?.fetched !== undefined ? { fetched: stored.fetched } : {};
	return { ok: true, endpoint: { ...endpoint, ...kept }, bounds: derived.settings.spec };
}

/**
 * Of a pool of the environment: what names its cloud must be what the environment says; all else may be changed. Bounds that are not
 * given are the environment's.
 */
export function reconfiguredEnvironment(
	given: StoredConfiguration,
	stored: StoredEndpoint | null,
	object: string,
	pool: PoolConfig,
	config: Config,
	found: Hosts = {},
): Reconfigured {
	const keys = config.global.encryptionKeys;
	if (isOtherCloud(openSecrets(keys, object, given).configuration, pool)) {
		const message = `The cloud of this endpoint and its settings are the environment's (${pool.enabledVariable} and its like): change them there.`;
		return { ok: false, conflict: message };
	}
	const { merged, faults: masks } = withKeptSecrets(withoutCloud(given), stored?.configuration ?? {}, config.addresses);
	const { min, max } = pool.settings.spec;
	const { configuration: opened } = openSecrets(keys, object, merged);
	const whole = { ...opened, scaling: { min_instances: min, max_instances: max, ...opened.scaling } };
	const global = { ...config.global, timing: pool.settings.spec };
	const { settings, faults } = readEndpoint(whole, { name: pool.endpoint, global, suspending: [], addresses: {}, isPosted: true });
	const all = joinedFaults(unknownHosts(given, found), joinedFaults(faults, masks));
	if (Object.keys(all).length > 0) return { ok: false, faults: all };
	const isBound = (section: string, name: string) => section === "scaling" && (name === "min_instances" || name === "max_instances");
	const configuration = mapValues(merged, (value, section, name) => (isBound(section, name) ? undefined : value));
	const intervalSeconds = stored?.intervalSeconds ?? null;
	const hosts = hostsOf(configuration, found, stored?.hosts);
	return { ok: true, endpoint: { configuration, environment: environmentSays(pool), intervalSeconds, hosts }, bounds: settings.spec };
}

/** Whether a configuration names another cloud than the pool's, or says something else of it than the environment does. */
function isOtherCloud(given: EndpointConfiguration, pool: PoolConfig): boolean {
	const ours = `cloud:${pool.provider}`;
	const account = (pool.account ?? pool.shown) as Readonly<Record<string, Value | undefined>>;
	const isSame = (name: string, value: Value) => {
		const own = Object.hasOwn(account, name) ? account[name] : undefined;
		return String(value ?? "") === String(own ?? "") || (value === MASK && isSecret(ours, name));
	};
	const reader = new Reader(given);
	if (reader.has("endpoint", "cloud") && cloudIn(reader) !== pool.provider) return true;
	return Object.entries(given).some(
		([section, values]) =>
			section.startsWith("cloud:") && Object.entries(values).some(([name, value]) => section !== ours || !isSame(name, value)),
	);
}

function withoutCloud<V>(configuration: Sections<V>): Sections<V> {
	const rest = Object.fromEntries(Object.entries(configuration).filter(([section]) => !section.startsWith("cloud:")));
	return mapValues(rest, (value, section, name) => (section === "endpoint" && name === "cloud" ? undefined : value));
}

/**
 * The same with every secret and the fetched list encrypted with the first key, so that the others can be taken away; null where all are. A list that
 * no key opens is fetched again at once.
 */
export function resealed({ fetched, ...stored }: StoredEndpoint, object: string, keys: readonly string[]): StoredEndpoint | null {
	const sealed = [...sealedIn(stored.configuration), ...(fetched === undefined ? [] : [fetched.sealed])];
	if (keys.length === 0 || sealed.every((one) => isSealedWithFirst(keys, one))) return null;
	const { configuration, unreadable } = openSecrets(keys, object, stored.configuration);
	if (unreadable.length > 0) return null;
	const again = sealSecrets(keys, object, configuration);
	if (again.stored === null) return null;
	const list = fetched === undefined ? null : unseal(keys, { object, ...FETCHED }, fetched.sealed);
	const kept = fetched === undefined || list === null ? {} : { fetched: { ...fetched, sealed: seal(keys, { object, ...FETCHED }, list) } };
	return { ...stored, configuration: again.stored, ...kept };
}

/** Whether `given` is the endpoint's own key: `auth_algo(auth_salt + key)` is `auth_hash`. Compares in constant time. */
export function opens(configuration: StoredConfiguration, given: string): boolean {
	const wanted = readKey(new Reader(masked(configuration)));
	if (wanted === null) return false;
	const digest = createHash(wanted.algorithm)
		.update(wanted.salt + given, "utf8")
		.digest();
	const expected = Buffer.from(wanted.hash, "hex");
	return digest.length === expected.length && timingSafeEqual(digest, expected);
}

/** The same bounds in another configuration: a PATCH changes what the endpoint's configuration says. */
export function withBounds(configuration: StoredConfiguration, min: number, max: number): StoredConfiguration {
	return { ...configuration, scaling: { ...configuration.scaling, min_instances: min, max_instances: max } };
}
