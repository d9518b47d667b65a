import type { CloudName } from "../src/core/state.ts";
import { LOCAL_CLOUDS, localAccount } from "./dev-clouds.ts";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Settings = Readonly<Record<string, string>>;

/** Settings that begin so are a provider's. */
const PROVIDER_PREFIXES = LOCAL_CLOUDS.map((cloud) => `${cloud.toUpperCase()}_`);
/** The settings of the whole deployment. */
const GLOBAL_SETTINGS = [
	"PROXY_USERNAME",
	"PROXY_PASSWORD",
	"MAX_HOURLY_COST",
	"AGE_LIMIT",
	"ONLY_HOST_IP",
	"HOST_IP",
	"ROLLING_DEPLOYMENT",
	"ROLLING_MIN_AVAILABLE",
	"ROLLING_BATCH_SIZE",
	"INTERVAL",
	"UNKNOWN_TIMEOUT",
	"UNREGISTERED_TIMEOUT",
	"DECOMMISSIONED_TIMEOUT",
	"AUTH_KEY",
	"ALLOW_ANONYMOUS",
	"IMPLICIT_BY_ADDRESS",
	"ENCRYPTION_KEY",
	"PUBLIC_URL",
	"CORS_ORIGINS",
	"PLAN",
];

/** Those variables that are Muster's; an empty one counts as not set. */
export function settingsAmong(environment: Environment): Settings {
	const isSetting = (name: string) => GLOBAL_SETTINGS.includes(name) || PROVIDER_PREFIXES.some((prefix) => name.startsWith(prefix));
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
		...Object.fromEntries(LOCAL_CLOUDS.map((provider) => [`${provider.toUpperCase()}_API_URL`, mount(provider)])),
		AZURE_LOGIN_URL: mount("azure"),
		...(given.AUTH_KEY ? {} : { ALLOW_ANONYMOUS: "True" }),
		// A deployment's default is any: its callers have a key. Here nobody may need one, so other sites' pages get no answer.
		CORS_ORIGINS: `http://localhost:${local.port},http://127.0.0.1:${local.port}`,
		// An address, not localhost: agents call over IPv4 from a loopback address of their own.
		PUBLIC_URL: `http://127.0.0.1:${local.port}`,
		ENCRYPTION_KEY: local.encryptionKey,
		...(given.PROXY_USERNAME || given.PROXY_PASSWORD ? {} : { PROXY_USERNAME: "muster", PROXY_PASSWORD: "for-local-development" }),
		...given,
	};
}

/** The pool `<cloud>/default`: enabled, of two, with an account at the local cloud, as far as nothing else is given. */
async function poolAt(cloud: CloudName, mount: string, given: Settings): Promise<Settings> {
	const start = `${cloud.toUpperCase()}_`;
	// How a setting of it may be spelt.
	const spellings = [start, `${start}DEFAULT_`, `${start}INSTANCE_DEFAULT_`];
	const ofDefault = (name: string) => spellings.map((prefix) => given[prefix + name]).find((text) => text !== undefined);
	const min = ofDefault("MIN_SCALING") ?? String(Math.min(2, Number(ofDefault("MAX_SCALING") ?? 2) || 2));
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
