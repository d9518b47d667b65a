import { dialects } from "../test/cloud/dialects.ts";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Settings = Readonly<Record<string, string>>;

/** Settings that begin so are a provider's. */
const PROVIDER_PREFIXES = ["DIGITALOCEAN_", "AWS_", "GCP_", "HETZNER_", "VULTR_", "AZURE_", "SCALEWAY_"];
/** The settings of the whole deployment. */
const GLOBAL_SETTINGS = [
	"PROXY_USERNAME",
	"PROXY_PASSWORD",
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
 * The Worker's settings for `npm run dev`: what is given, and for the rest a pool of two on the local cloud.
 * `encryptionKey` must be the same at each start, or what was stored under it is lost.
 */
export function devSettings(
	given: Settings,
	local: { readonly port: number; readonly cloudPort: number; readonly encryptionKey: string },
): Settings {
	const cloud = `http://127.0.0.1:${local.cloudPort}`;
	const ofDefault = (name: string) => SPELLINGS.map((prefix) => given[prefix + name]).find((text) => text !== undefined);
	const min = ofDefault("MIN_SCALING") ?? String(Math.min(2, Number(ofDefault("MAX_SCALING") ?? 2) || 2));
	const pool = { ENABLED: "True", ACCESS_TOKEN: "local-dev", MIN_SCALING: min, MAX_SCALING: min };
	return {
		...Object.fromEntries(
			Object.entries(pool).flatMap(([name, preset]) => (ofDefault(name) === undefined ? [[`DIGITALOCEAN_${name}`, preset]] : [])),
		),
		...localTokens(given),
		...Object.fromEntries(
			dialects({ requestsPerHour: null }).map(({ provider }) => [`${provider.toUpperCase()}_API_URL`, `${cloud}/${provider}`]),
		),
		AZURE_LOGIN_URL: `${cloud}/azure`,
		...(given.AUTH_KEY ? {} : { ALLOW_ANONYMOUS: "True" }),
		// An address, not localhost: agents call over IPv4 from a loopback address of their own.
		PUBLIC_URL: `http://127.0.0.1:${local.port}`,
		ENCRYPTION_KEY: local.encryptionKey,
		...(given.PROXY_USERNAME || given.PROXY_PASSWORD ? {} : { PROXY_USERNAME: "muster", PROXY_PASSWORD: "for-local-development" }),
		...given,
	};
}

/** How a setting of the pool `digitalocean/default` may be spelt. */
const SPELLINGS = ["DIGITALOCEAN_", "DIGITALOCEAN_DEFAULT_", "DIGITALOCEAN_INSTANCE_DEFAULT_"];

/** A token, and so an account at the local cloud, for each further DigitalOcean account that is enabled without one. */
function localTokens(given: Settings): Settings {
	const accounts = Object.keys(given).flatMap((name) => {
		const [, prefix, account] = /^(DIGITALOCEAN_(?:INSTANCE_)?(\w+))_ENABLED$/.exec(name) ?? [];
		return account === undefined || account === "DEFAULT" ? [] : [[`${prefix}_ACCESS_TOKEN`, `local-${account.toLowerCase()}`]];
	});
	return Object.fromEntries(accounts);
}
