import { NEW_SPEC } from "../core/model/pool.ts";
import type { Spec } from "../core/model/state.ts";
import { amount, flag, printable, seconds, textThat, whole, wholeOrNone, word } from "../values/kinds.ts";
import type { Setting, Values } from "../values/setting.ts";
import * as kinds from "./kinds.ts";

/**
 * All settings but those of the clouds' accounts, which stand in `providers/<cloud>/settings.ts`. What reads them (the environment, the
 * configurations of endpoints and managers), the documentation and `.dev.vars.example` come from here: see CONTRIBUTING, "Adding a setting".
 */

/** A variable or secret of the Worker, for the whole deployment. */
export interface DeploymentSetting<Value = unknown> extends Setting<Value> {
	readonly variable: string;
	/** Under which heading it stands in `.dev.vars.example`. */
	readonly group: Group;
	/** What is wrong with it suspends every pool. Otherwise it is told, and the default, which must be the safe reading, holds. */
	readonly suspends?: true;
	/** The white space around it is part of it. */
	readonly isVerbatim?: true;
	/** What a sentence about it begins with, where that is not its name. */
	readonly subject?: string;
}

/** A setting of one pool: of the environment, of an endpoint's configuration, or of both. */
export interface PoolSetting<Value = unknown> extends Setting<Value> {
	/** Its variable, behind `<PROVIDER>_` or `<PROVIDER>_<ACCOUNT>_`. */
	readonly variable?: string;
	/** A further account does not take over the default one's. */
	readonly isNotCopied?: true;
	/** Section and key of an endpoint's configuration. */
	readonly at?: readonly [section: string, key: string];
	/** What holds where an endpoint's configuration does not say, if not the default. */
	readonly endpointDefault?: Value;
	/** A list, or text with commas: the schema gets its items. */
	readonly isList?: true;
	/** The white space around it is part of it. */
	readonly isVerbatim?: true;
}

export const GROUPS = { access: "Who may do what", proxies: "The proxies", deployment: "This deployment" } as const;
export type Group = keyof typeof GROUPS;

const DAY_SECONDS = 86_400;
const TEN_YEARS_SECONDS = 315_360_000;
/** The most proxies of one pool. */
export const MAX_SCALING = 10_000;
const MAX_WEIGHT = 1_000_000;

/** Times and rates that the deployment has, and each pool may have for itself. */
export const TIMES = {
	/** How often agents report and pools look, at least. */
	intervalSeconds: {
		variable: "INTERVAL",
		at: ["manager", "interval"],
		group: "deployment",
		suspends: true,
		schema: seconds(NEW_SPEC.intervalSeconds, 1, 3_600),
		is: "seconds between looks at a pool, and between heartbeats on a small fleet",
	},
	/** Consistency window of a provider. */
	unknownTimeoutSeconds: {
		variable: "UNKNOWN_TIMEOUT",
		at: ["endpoint", "unknown_timeout"],
		group: "deployment",
		suspends: true,
		schema: seconds(NEW_SPEC.unknownTimeoutSeconds, 1, DAY_SECONDS),
		is: "seconds after which a VM that its cloud does not find is believed to be gone",
	},
	/** Boot limit, and how long a proxy may be silent. */
	unregisteredTimeoutSeconds: {
		variable: "UNREGISTERED_TIMEOUT",
		at: ["endpoint", "unregistered_timeout"],
		group: "deployment",
		suspends: true,
		schema: seconds(NEW_SPEC.unregisteredTimeoutSeconds, 1, DAY_SECONDS),
		is: "seconds that a VM may take to become ready, or be silent before it is replaced",
	},
	/** Longest drain. */
	decommissionedTimeoutSeconds: {
		variable: "DECOMMISSIONED_TIMEOUT",
		at: ["endpoint", "decommissioned_timeout"],
		group: "deployment",
		suspends: true,
		schema: seconds(NEW_SPEC.decommissionedTimeoutSeconds, 1, DAY_SECONDS),
		is: "seconds that connections get to end when a proxy is drained",
	},
	/** Null: six, or twice the target. */
	maxReplacementsPerHour: {
		variable: "MAX_REPLACEMENTS_PER_HOUR",
		at: ["scaling", "max_replacements_per_hour"],
		group: "deployment",
		suspends: true,
		schema: wholeOrNone({ min: 0, max: 100_000 }),
		usually: "6, or twice the target",
		is: "how many proxies that are destroyed over the API are replaced in an hour; the successors of more wait. Each may be billed for a whole hour",
	},
	banCoolDownSeconds: {
		variable: "BAN_COOL_DOWN",
		at: ["endpoint", "ban_cool_down"],
		group: "proxies",
		schema: seconds(NEW_SPEC.banCoolDownSeconds, 1, DAY_SECONDS),
		is: "seconds that a proxy cools down for a site that is reported to have banned it; twice as long each time that it is banned again, up to a day",
	},
	/** 0: none is replaced for that. */
	replaceBanned: {
		variable: "REPLACE_BANNED",
		at: ["scaling", "replace_banned"],
		group: "proxies",
		suspends: true,
		schema: whole(NEW_SPEC.replaceBanned, { min: 0, max: 2_000 }),
		is: "a proxy that so many sites have banned is replaced, within `MAX_REPLACEMENTS_PER_HOUR`; 0: never",
	},
	/** Normalised. */
	replaceBannedBy: {
		variable: "REPLACE_BANNED_BY",
		at: ["scaling", "replace_banned_by"],
		group: "proxies",
		suspends: true,
		schema: kinds.siteNames().default([]),
		usually: "none",
		example: "shop.example,maps.example",
		is: "sites, comma-separated, whose ban alone is enough for that",
	},
} satisfies Record<string, PoolSetting & DeploymentSetting>;

/** What holds for the whole deployment. */
export const DEPLOYMENT = {
	/** The admin key; null where none is set or the one set is too weak to count. */
	authKey: {
		variable: "AUTH_KEY",
		group: "access",
		isSecret: true,
		schema: kinds.adminKey().nullable().default(null),
		is: "the admin key, which API calls carry (`X-Auth-Key`, `Authorization: Bearer`, or `?auth_key=` as the last resort): 22 characters or more (`openssl rand -base64 32`). Without one all but a few routes are closed",
	},
	allowAnonymous: {
		variable: "ALLOW_ANONYMOUS",
		group: "access",
		schema: flag(false),
		is: "`True` opens a deployment that has no key; for development only",
	},
	allowShortKey: {
		variable: "ALLOW_SHORT_KEY",
		group: "access",
		schema: flag(false),
		is: "`True`: `POST /v1.1/auth_key` takes keys of fewer than 22 characters, which can be guessed; for development only",
	},
	/** The first encrypts; all decrypt. Texts of any form: the 256-bit key is to be derived from them. */
	encryptionKeys: {
		variable: "ENCRYPTION_KEY",
		group: "access",
		isSecret: true,
		schema: kinds.keys().default([]),
		salvage: kinds.goodKeys,
		subject: "Each key of ENCRYPTION_KEY, comma-separated,",
		is: "encrypts the secrets of pools made over the API, and the proxies' credentials that `PUT /auth` sets; needed for these only. At least 22 characters; a comma-separated list where the first is new: it encrypts, all decrypt. What rests is encrypted anew within a minute, then the old one can go",
	},
	/** `["*"]`: any origin. A list of which nothing is left admits none: a mistake in it must not widen it. */
	corsOrigins: {
		variable: "CORS_ORIGINS",
		group: "access",
		schema: kinds.corsOrigins().default(["*"]),
		salvage: kinds.goodCorsOrigins,
		is: "origins that browsers may call from, comma-separated",
	},
	implicitByAddress: {
		variable: "IMPLICIT_BY_ADDRESS",
		group: "access",
		schema: flag(false),
		is: "`True`: a proxy's address alone opens the reading of its endpoint. Everyone who uses a proxy has its address",
	},
	proxyUsername: {
		variable: "PROXY_USERNAME",
		group: "proxies",
		isSecret: true,
		suspends: true,
		isVerbatim: true,
		schema: kinds.credential().nullable().default(null),
		is: "what proxies ask of their users, unless `PUT /auth` has set others; required unless `ONLY_HOST_IP` is `True`",
	},
	proxyPassword: {
		variable: "PROXY_PASSWORD",
		group: "proxies",
		isSecret: true,
		suspends: true,
		isVerbatim: true,
		schema: kinds.credential().nullable().default(null),
		is: "what proxies ask of their users, unless `PUT /auth` has set others; required unless `ONLY_HOST_IP` is `True`",
	},
	/** Only `hostIps` may use the proxies. */
	onlyHostIp: {
		variable: "ONLY_HOST_IP",
		group: "proxies",
		suspends: true,
		schema: flag(false),
		is: "`True`: only the addresses of `HOST_IP` may use the proxies",
	},
	/** As CIDRs, IPv4 and IPv6, each in its one spelling. */
	hostIps: {
		variable: "HOST_IP",
		group: "proxies",
		isVerbatim: true,
		schema: kinds.cidrs().default([]),
		salvage: kinds.goodCidrs,
		example: "192.0.2.1,2001:db8::/32",
		is: "addresses or CIDRs, comma-separated",
	},
	/** 0: proxies are not replaced for their age. */
	ageLimitSeconds: {
		variable: "AGE_LIMIT",
		group: "proxies",
		suspends: true,
		schema: seconds(NEW_SPEC.ageLimitSeconds, 0, TEN_YEARS_SECONDS),
		is: "seconds after which a proxy is replaced; 0: never",
	},
	rollingEnabled: {
		variable: "ROLLING_DEPLOYMENT",
		group: "proxies",
		suspends: true,
		schema: flag(NEW_SPEC.rolling.enabled),
		is: "`True`: proxies that have reached their age are replaced `ROLLING_BATCH_SIZE` at a time, else as many as the surge has room for; in either way each leaves once its successor is ready",
	},
	rollingMinAvailable: {
		variable: "ROLLING_MIN_AVAILABLE",
		group: "proxies",
		suspends: true,
		schema: whole(NEW_SPEC.rolling.minAvailable, { min: 0, max: MAX_SCALING }),
		is: "how many proxies stay ready meanwhile",
	},
	rollingBatchSize: {
		variable: "ROLLING_BATCH_SIZE",
		group: "proxies",
		suspends: true,
		schema: whole(NEW_SPEC.rolling.batchSize, { min: 1, max: MAX_SCALING }),
		is: "how many are replaced at a time",
	},
	/** As an origin without a slash at the end; null: not given. */
	publicUrl: {
		variable: "PUBLIC_URL",
		group: "deployment",
		suspends: true,
		schema: kinds.origin().nullable().default(null),
		usually: "the first call's origin",
		example: "https://muster.example.workers.dev",
		is: "the address that proxies report to, `https://host[:port]`; plain `http` for a loopback address only",
	},
	/** Null: nobody is told. */
	alertWebhookUrl: {
		variable: "ALERT_WEBHOOK_URL",
		group: "deployment",
		schema: kinds.webhookAddress().nullable().default(null),
		isSecret: true,
		example: "https://hooks.example.com/alerts",
		is: "where alerts are POSTed to: a public `https` address",
	},
	alertWebhookSecret: {
		variable: "ALERT_WEBHOOK_SECRET",
		group: "deployment",
		schema: kinds.webhookSecret().nullable().default(null),
		isSecret: true,
		is: "signs alerts, as [Standard Webhooks](https://www.standardwebhooks.com/) has it: 16 characters or more, or `whsec_` and base64",
	},
	alertWebhookFormat: {
		variable: "ALERT_WEBHOOK_FORMAT",
		group: "deployment",
		schema: word(["json", "slack", "discord"], "json, slack or discord").default("json"),
		is: "`json`, or what the incoming webhooks of `slack` or `discord` take",
	},
	allowInsecureUrl: {
		variable: "ALLOW_INSECURE_URL",
		group: "deployment",
		schema: flag(false),
		is: "`True`: `PUBLIC_URL` and `POST /v1.1/url` take plain `http` for any address, and `ALERT_WEBHOOK_URL` any at all. Every key then travels in clear",
	},
	plan: {
		variable: "PLAN",
		group: "deployment",
		schema: word(["free", "paid"], "free or paid").default("free"),
		is: "the plan of the Cloudflare account, `free` or `paid`: reports stay under half of its daily requests",
	},
	agentLine: {
		variable: "AGENT_LINE",
		group: "deployment",
		schema: flag(true),
		is: "`False`: agents report by calls, and hold no line (a WebSocket) to their pool",
	},
	/** What all pools together may cost an hour; null: whatever they cost. */
	maxHourlyCost: {
		variable: "MAX_HOURLY_COST",
		group: "deployment",
		suspends: true,
		schema: kinds.budget().nullable().default(null),
		example: "0.5",
		is: "what all VMs together may cost an hour: `0.5` in each currency, or `0.5 USD, 0.2 EUR` and nothing in others",
	},
	...TIMES,
} satisfies Record<string, DeploymentSetting>;

/** What shapes a pool: each is the field of that name of its `Spec`. */
export const TUNING = {
	min: {
		variable: "MIN_SCALING",
		at: ["scaling", "min_instances"],
		endpointDefault: 1,
		schema: whole(2, { min: 0, max: MAX_SCALING }),
		is: "proxies to keep, and the most there may be",
	},
	max: {
		variable: "MAX_SCALING",
		at: ["scaling", "max_instances"],
		endpointDefault: 1,
		schema: whole(2, { min: 0, max: MAX_SCALING }),
		is: "proxies to keep, and the most there may be",
	},
	rules: {
		at: ["scaling", "rules"],
		isList: true,
		schema: kinds.rules().default([]),
		usually: "none",
		is: "a list, or one text with commas: how many proxies the load asks for, within these bounds; without any there are `min_instances`",
	},
	/** How many proxies rules may add, and take away, in one interval. */
	rampLimit: {
		at: ["scaling", "ramp_limit"],
		schema: whole(NEW_SPEC.rampLimit, { min: 1, max: MAX_SCALING }),
		is: "proxies that rules add or take away in one interval",
	},
	scaleInWindowSeconds: {
		at: ["scaling", "scale_in_window"],
		schema: seconds(NEW_SPEC.scaleInWindowSeconds, 0, DAY_SECONDS),
		is: "seconds of which the highest target holds when rules scale in; new",
	},
	/** In the currency of the pool's cloud; null: whatever they cost. */
	maxHourlyCost: {
		variable: "MAX_HOURLY_COST",
		at: ["scaling", "max_hourly_cost"],
		schema: amount(),
		example: "0.1",
		is: "what the pool's VMs may cost an hour, in its cloud's currency; more are not launched",
	},
	spread: {
		variable: "SPREAD",
		at: ["scaling", "spread"],
		schema: word(["pack", "even", "cheapest"], "pack, even or cheapest").default(NEW_SPEC.spread),
		is: "how VMs are spread over the places: `pack`: the first that has room; `even`: as equally as can be; `cheapest`: the one of the lowest price",
	},
	/** Null: as many as there may be at all. */
	maxPerPlace: {
		variable: "MAX_PER_PLACE",
		at: ["scaling", "max_per_place"],
		schema: wholeOrNone({ min: 1, max: MAX_SCALING }),
		usually: "no bound",
		is: "the most VMs in one place",
	},
	fallback: {
		variable: "FALLBACK",
		at: ["scaling", "fallback"],
		isNotCopied: true,
		schema: kinds.poolName().nullable().default(null),
		usually: "none",
		example: "vultr/default",
		is: "the pool, `provider/name` or an endpoint's name, that adds what this one cannot place, within its own bounds, and gives it back",
	},
	fallbackAfterSeconds: {
		variable: "FALLBACK_AFTER",
		at: ["scaling", "fallback_after"],
		schema: seconds(NEW_SPEC.fallbackAfterSeconds, 10, DAY_SECONDS),
		is: "seconds for which proxies cannot be placed before the fallback adds them",
	},
	...TIMES,
	metricsSource: {
		at: ["endpoint", "metrics_source"],
		schema: kinds.endpointName().nullable().default(null),
		usually: "none",
		is: "the endpoint whose metrics this one scales by",
	},
} satisfies { readonly [Field in keyof Spec]?: PoolSetting<Spec[Field]> };
export type Tuning = Values<typeof TUNING>;

/** What else the environment says of an account, whatever its cloud. */
export const ACCOUNT = {
	enabled: { variable: "ENABLED", isNotCopied: true, schema: flag(false), is: "whether there is a pool" },
	displayName: {
		variable: "DISPLAY_NAME",
		isNotCopied: true,
		schema: printable(100).nullable().default(null),
		usually: "the cloud's name",
		is: "as shown",
	},
} satisfies Record<string, PoolSetting>;

const isUrl = (text: string) => text.length <= 2_048 && /^[a-z][a-z0-9+.-]*:\/\/\S*$/i.test(text);
/** Marks what clients of the other dialect set, and nothing here depends on: a fault in it is answered, and suspends nothing. */
export const OF_NO_EFFECT = "checked and kept, and of no effect";

/** What else an endpoint's configuration says. */
export const ENDPOINT = {
	cloud: {
		at: ["endpoint", "cloud"],
		schema: kinds.cloud().default("static"),
		usually: "none",
		is: "the cloud; without one there are only static backends",
	},
	staticInstances: {
		at: ["endpoint", "static_instances"],
		isList: true,
		schema: kinds.backends().default([]),
		salvage: kinds.goodBackends,
		usually: "none",
		is: "proxies of your own, `ip[:port]` or `host.name[:port]`, which is looked up each minute. In `/random` while a probe through them passes; never created or deleted",
	},
	staticList: {
		at: ["static", "list"],
		isList: true,
		isSecret: true,
		schema: kinds.backendList().default([]),
		salvage: kinds.goodList,
		usually: "none",
		is: "bought proxies, one a line, up to 5,000: `http://user:password@ip:port`, `socks5://…`, `ip:port:user:password`, a country behind it or not (`de`). As static instances, with their own credentials",
	},
	staticUrl: {
		at: ["static", "url"],
		isSecret: true,
		schema: textThat("an https address", (text) => text.length <= 2_048 && URL.parse(text)?.protocol === "https:")
			.nullable()
			.default(null),
		usually: "none",
		is: "where such a list is fetched from, over https, at most 1 MB",
	},
	staticMinutes: {
		at: ["static", "minutes"],
		schema: whole(60, { min: 5, max: 1_440 }),
		is: "how often it is fetched, in minutes",
	},
	/** 0: the agent's. */
	port: {
		at: ["endpoint", "port"],
		schema: whole(0, { min: 0, max: 65_535 }),
		is: "the port of static instances that name none; 0: 8899",
	},
	authHash: {
		at: ["endpoint", "auth_hash"],
		schema: textThat("hexadecimal digits: the hash of salt and key", (text) => text !== "")
			.nullable()
			.default(null),
		usually: "none",
		is: "the endpoint's own key: the hash of salt and key, hexadecimal",
	},
	authSalt: {
		at: ["endpoint", "auth_salt"],
		isVerbatim: true,
		schema: textThat("text", () => true).default(""),
		usually: "none",
		is: "the salt",
	},
	authAlgorithm: {
		at: ["endpoint", "auth_algo"],
		schema: kinds.hashAlgorithm("sha1"),
		is: "`md5`, `sha1`, `sha224`, `sha256`, `sha384` or `sha512`",
	},
	url: { at: ["endpoint", "url"], schema: textThat("a URL, such as http://example.com", isUrl).nullable().default(null), is: OF_NO_EFFECT },
	redirect: {
		at: ["endpoint", "redirect"],
		schema: textThat("a URL, such as http://example.com/sorry", isUrl).nullable().default(null),
		is: OF_NO_EFFECT,
	},
	weight: { at: ["endpoint", "weight"], schema: whole(1, { min: 0, max: MAX_WEIGHT }), is: OF_NO_EFFECT },
	loadbalancer: { at: ["endpoint", "loadbalancer"], schema: kinds.loadBalancer(), is: OF_NO_EFFECT },
	errorMarks: { at: ["endpoint", "error_marks"], schema: whole(1, { min: 0, max: MAX_WEIGHT }), is: OF_NO_EFFECT },
	instancesSource: { at: ["endpoint", "instances_source"], schema: printable(200).nullable().default(null), is: OF_NO_EFFECT },
} satisfies Record<string, PoolSetting>;
