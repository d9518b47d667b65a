import type { CloudName } from "../src/core/model/state.ts";
import type { AccountTable } from "../src/providers/base/account.ts";
import { CLOUD_NAMES, PROVIDERS } from "../src/providers/index.ts";
import { DEPLOYMENT, type DeploymentSetting, TUNING } from "../src/settings/table.ts";
import { usualOf } from "../src/values/setting.ts";
import { LOCAL_CLOUDS, localAccount } from "./dev-clouds.ts";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Settings = Readonly<Record<string, string>>;

const VARIABLES: readonly string[] = Object.values<DeploymentSetting>(DEPLOYMENT).map(({ variable }) => variable);
/** Settings that begin so are a cloud's. */
const PREFIXES = Object.keys(CLOUD_NAMES).map((cloud) => `${cloud.toUpperCase()}_`);

/** How many proxies a pool keeps. */
const USUAL = usualOf(TUNING.min);

/** Those variables that are Muster's; an empty one counts as not set. */
export function settingsAmong(environment: Environment): Settings {
	const isSetting = (name: string) => VARIABLES.includes(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
	return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => isSetting(entry[0]) && !!entry[1]));
}

/**
 * The Worker's settings for `npm run dev`: what is given, and for the rest a pool of two at each of these clouds, all of them the local cloud.
 * `encryptionKey` must be the same at each start, or what was stored under it is lost.
 */
export async function devSettings(
	given: Settings,
	local: { readonly port: number; readonly cloudPort: number; readonly encryptionKey: string; readonly clouds: readonly CloudName[] },
): Promise<Settings> {
	const mount = (provider: string) => `http://127.0.0.1:${local.cloudPort}/${provider}`;
	return {
		...Object.assign({}, ...(await Promise.all(local.clouds.map((cloud) => poolAt(cloud, mount(cloud), given))))),
		...localTokens(given),
		...Object.assign({}, ...LOCAL_CLOUDS.map((cloud) => addressesAt(cloud, mount(cloud)))),
		...(given.AUTH_KEY ? {} : { ALLOW_ANONYMOUS: "True" }),
		// A deployment's default is any: its callers have a key. Here nobody may need one, so other sites' pages get no answer.
		CORS_ORIGINS: `http://localhost:${local.port},http://127.0.0.1:${local.port}`,
		// Reactor's own examples set the key "bar".
		ALLOW_SHORT_KEY: "True",
		// An address, not localhost: agents call over IPv4 from a loopback address of their own.
		PUBLIC_URL: `http://127.0.0.1:${local.port}`,
		ENCRYPTION_KEY: local.encryptionKey,
		...(given.PROXY_USERNAME || given.PROXY_PASSWORD ? {} : { PROXY_USERNAME: "muster", PROXY_PASSWORD: "for-local-development" }),
		...given,
	};
}

/** All addresses of a cloud's APIs. */
function addressesAt(cloud: CloudName, mount: string): Settings {
	const table: AccountTable = PROVIDERS[cloud]?.settings ?? {};
	const fields = Object.keys(table).filter((field) => table[field]?.isAddress);
	return Object.fromEntries(fields.map((field) => [`${cloud}_${field}`.toUpperCase(), mount]));
}

/** The pool `<cloud>/default`: enabled, of two, with an account at the local cloud, as far as nothing else is given. */
async function poolAt(cloud: CloudName, mount: string, given: Settings): Promise<Settings> {
	const start = `${cloud.toUpperCase()}_`;
	// How a setting of it may be spelt.
	const spellings = [start, `${start}DEFAULT_`, `${start}INSTANCE_DEFAULT_`];
	const ofDefault = (name: string) => spellings.map((prefix) => given[prefix + name]).find((text) => text !== undefined);
	const min = ofDefault("MIN_SCALING") ?? String(Math.min(USUAL, Number(ofDefault("MAX_SCALING") ?? USUAL) || USUAL));
	const pool = { ENABLED: "True", ...(await localAccount(cloud, mount)), MIN_SCALING: min, MAX_SCALING: min };
	return Object.fromEntries(
		Object.entries(pool).flatMap(([name, preset]) => (ofDefault(name) === undefined ? [[`${start}${name}`, preset]] : [])),
	);
}

/** A token, and so an account at the local cloud, for each further DigitalOcean account that is enabled without one. */
function localTokens(given: Settings): Settings {
	const accounts = Object.keys(given).flatMap((name) => {
		const [, prefix, account] = /^(DIGITALOCEAN_(?:INSTANCE_)?(\w+))_ENABLED$/.exec(name) ?? [];
		return account === undefined || account === "DEFAULT" ? [] : [[`${prefix}_ACCESS_TOKEN`, `local-${account.toLowerCase()}`]];
	});
	return Object.fromEntries(accounts);
}
