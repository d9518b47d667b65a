import type { Budget } from "../core/model/state.ts";
import { isEverywhere, normaliseCidr } from "../values/addresses.ts";
import { amountIn, type Env, listOf, readBoolean, readWhole, textOf, trimmedOf } from "../values/settings-text.ts";

export interface Timing {
	/** How often agents report and pools look, at least. */
	readonly intervalSeconds: number;
	/** Consistency window of a provider. */
	readonly unknownTimeoutSeconds: number;
	/** Boot limit, and how long a proxy may be silent. */
	readonly unregisteredTimeoutSeconds: number;
	/** Longest drain. */
	readonly decommissionedTimeoutSeconds: number;
}

/** What holds for the whole deployment. */
export interface Global {
	/** What clients of the proxies present; null: proxies ask for none (then only `hostIps` may use them). */
	readonly proxyCredentials: { readonly username: string; readonly password: string } | null;
	/** Only `hostIps` may use the proxies. */
	readonly onlyHostIp: boolean;
	/** HOST_IP as CIDRs, IPv4 and IPv6, each in its one spelling. */
	readonly hostIps: readonly string[];
	/** HOST_IP as it was given, or null. */
	readonly hostIpGiven: string | null;
	/** The admin key; null where none is set or the one set is too weak to count. */
	readonly authKey: string | null;
	/** True only where no admin key is set in the environment, not even a bad one. One set through the API still closes the deployment. */
	readonly allowAnonymous: boolean;
	/** The address that agents call, as an origin without a slash at the end; null: not given. */
	readonly publicUrl: string | null;
	/** The first encrypts; all decrypt. Texts of any form: the 256-bit key is to be derived from them. */
	readonly encryptionKeys: readonly string[];
	/** `["*"]`: any origin. */
	readonly corsOrigins: readonly string[];
	readonly plan: "free" | "paid";
	/** Requests a day that the plan includes. */
	readonly dailyRequests: number;
	readonly implicitByAddress: boolean;
	/** What all pools together may cost an hour; null: whatever they cost. */
	readonly maxHourlyCost: Budget | null;
	/** 0: proxies are not replaced for their age. */
	readonly ageLimitSeconds: number;
	readonly rolling: { readonly enabled: boolean; readonly minAvailable: number; readonly batchSize: number };
	/** For pools that name none of their own. */
	readonly timing: Timing;
}

/** Worker requests included a day: the free plan's daily limit; the paid plan's 10 million a month, by the day. https://developers.cloudflare.com/workers/platform/pricing/ */
const DAILY_REQUESTS = { free: 100_000, paid: 333_333 } as const;
/** 22 characters of base64url hold 132 bits, 21 only 126: a key must have 128. */
const MIN_KEY_CHARS = 22;
const MAX_KEY_CHARS = 512;
/** RFC 1929 (SOCKS5 user names and passwords) has one byte for each length. */
const MAX_CREDENTIAL_BYTES = 255;
const TEN_YEARS_SECONDS = 315_360_000;
export const MAX_SCALING = 10_000;

/** Names, defaults (seconds) and ranges of the four times; pools have them under the same names. */
export const TIMINGS = {
	intervalSeconds: { name: "INTERVAL", usual: 30, min: 1, max: 3_600 },
	unknownTimeoutSeconds: { name: "UNKNOWN_TIMEOUT", usual: 120, min: 1, max: 86_400 },
	unregisteredTimeoutSeconds: { name: "UNREGISTERED_TIMEOUT", usual: 600, min: 1, max: 86_400 },
	decommissionedTimeoutSeconds: { name: "DECOMMISSIONED_TIMEOUT", usual: 600, min: 1, max: 86_400 },
} as const satisfies Record<keyof Timing, { name: string; usual: number; min: number; max: number }>;

/** The four times, in seconds: `setting` gives a variable's name and its text, `usual` what holds where that has none. */
export function readTiming(
	setting: (name: string) => { readonly variable: string; readonly text: string | undefined },
	usual: (key: keyof Timing) => number,
	problems: string[],
): Timing {
	const read = (key: keyof Timing) => {
		const { variable, text } = setting(TIMINGS[key].name);
		return readWhole(variable, text, usual(key), { ...TIMINGS[key], unit: "seconds" }, problems);
	};
	return {
		intervalSeconds: read("intervalSeconds"),
		unknownTimeoutSeconds: read("unknownTimeoutSeconds"),
		unregisteredTimeoutSeconds: read("unregisteredTimeoutSeconds"),
		decommissionedTimeoutSeconds: read("decommissionedTimeoutSeconds"),
	};
}

/** `suspending` holds what every pool rests on and cannot rest on as it is; `problems` what is wrong besides, with a safe default in its place. */
export function readGlobal(env: Env): { global: Global; suspending: string[]; problems: string[] } {
	const suspending: string[] = [];
	const problems: string[] = [];
	const boolean = (name: string, to: string[]) => readBoolean(name, trimmedOf(env, name), false, to);

	const proxyCredentials = readCredentials(env, suspending);
	const onlyHostIp = boolean("ONLY_HOST_IP", suspending);
	const hostIps = readHostIps(env, onlyHostIp ? suspending : problems);
	if (onlyHostIp && trimmedOf(env, "HOST_IP") === undefined) {
		suspending.push("ONLY_HOST_IP needs HOST_IP: one or more addresses or CIDRs, comma-separated");
	}
	const isRestricted = onlyHostIp && hostIps.length > 0 && !hostIps.some(isEverywhere);
	if (proxyCredentials === null && !isRestricted && suspending.length === 0) {
		suspending.push(
			"Anyone could use the proxies: set PROXY_USERNAME and PROXY_PASSWORD, or ONLY_HOST_IP=True with a HOST_IP that does not admit every address",
		);
	}
	const rolling = {
		enabled: boolean("ROLLING_DEPLOYMENT", suspending),
		minAvailable: whole(env, "ROLLING_MIN_AVAILABLE", 3, { min: 0, max: MAX_SCALING }, suspending),
		batchSize: whole(env, "ROLLING_BATCH_SIZE", 2, { min: 1, max: MAX_SCALING }, suspending),
	};
	const timing = readTiming(
		(name) => ({ variable: name, text: trimmedOf(env, name) }),
		(key) => TIMINGS[key].usual,
		suspending,
	);
	const ageLimitSeconds = whole(env, "AGE_LIMIT", 0, { min: 0, max: TEN_YEARS_SECONDS, unit: "seconds" }, suspending);
	const maxHourlyCost = readBudget(env, suspending);
	const publicUrl = readPublicUrl(env, suspending);

	const plan = readPlan(env, problems);
	const global: Global = {
		proxyCredentials,
		onlyHostIp,
		hostIps,
		hostIpGiven: textOf(env, "HOST_IP") ?? null,
		authKey: readAuthKey(env, problems),
		// A key that is set and does not count must not leave the deployment open.
		allowAnonymous: boolean("ALLOW_ANONYMOUS", problems) && trimmedOf(env, "AUTH_KEY") === undefined,
		publicUrl,
		encryptionKeys: readEncryptionKeys(env, problems),
		corsOrigins: readCorsOrigins(env, problems),
		plan,
		dailyRequests: DAILY_REQUESTS[plan],
		implicitByAddress: boolean("IMPLICIT_BY_ADDRESS", problems),
		maxHourlyCost,
		ageLimitSeconds,
		rolling,
		timing,
	};
	return { global, suspending, problems };
}

const whole = (env: Env, name: string, usual: number, range: { min: number; max: number; unit?: string }, problems: string[]) =>
	readWhole(name, trimmedOf(env, name), usual, range, problems);

/** Taken as given, spaces included: any printable character works in them. */
function readCredentials(env: Env, problems: string[]): Global["proxyCredentials"] {
	const read = (name: string) => {
		const text = textOf(env, name);
		if (text === undefined) return undefined;
		if (!/\p{C}/u.test(text) && new TextEncoder().encode(text).length <= MAX_CREDENTIAL_BYTES) return text;
		problems.push(`${name} must be 1 to ${MAX_CREDENTIAL_BYTES} bytes of printable characters`);
		return null;
	};
	const username = read("PROXY_USERNAME");
	const password = read("PROXY_PASSWORD");
	if ((username === undefined) !== (password === undefined)) {
		problems.push(
			`PROXY_USERNAME and PROXY_PASSWORD must be set together: ${username === undefined ? "the first" : "the second"} is missing`,
		);
	}
	return username && password ? { username, password } : null;
}

function readHostIps(env: Env, problems: string[]): string[] {
	const cidrs = listOf(textOf(env, "HOST_IP")).map(normaliseCidr);
	const good = cidrs.filter((cidr) => cidr !== null);
	if (good.length < cidrs.length) {
		const positions = cidrs.flatMap((cidr, index) => (cidr === null ? [index + 1] : []));
		problems.push(
			`HOST_IP must be IPv4 or IPv6 addresses or CIDRs, comma-separated, such as 192.0.2.1 or 2001:db8::/32: number ${positions.join(", ")} is none`,
		);
	}
	return [...new Set(good)];
}

function readPublicUrl(env: Env, problems: string[]): string | null {
	const text = trimmedOf(env, "PUBLIC_URL");
	if (text === undefined) return null;
	const origin = publicOrigin(text);
	if (origin !== null) return origin;
	problems.push("PUBLIC_URL must be http(s)://host[:port], without a path, such as https://muster.example.com");
	return null;
}

/** The origin that `http(s)://host[:port]` names, with or without a slash at its end; null for anything else. */
export function publicOrigin(text: string): string | null {
	const url = URL.parse(text);
	return url !== null && /^https?:\/\/[^/?#@\\]+\/?$/i.test(text) ? url.origin : null;
}

const isKey = (text: string) => text.length >= MIN_KEY_CHARS && text.length <= MAX_KEY_CHARS && /^[\x21-\x7e]+$/.test(text);
const KEY_RULE = `${MIN_KEY_CHARS} to ${MAX_KEY_CHARS} printable ASCII characters without spaces: fewer cannot hold 128 bits (openssl rand -base64 32 makes a good one)`;

function readAuthKey(env: Env, problems: string[]): string | null {
	const text = trimmedOf(env, "AUTH_KEY");
	if (text === undefined || isKey(text)) return text ?? null;
	problems.push(`AUTH_KEY must be ${KEY_RULE}; until then it opens nothing`);
	return null;
}

function readEncryptionKeys(env: Env, problems: string[]): string[] {
	const keys = listOf(textOf(env, "ENCRYPTION_KEY"));
	if (!keys.every(isKey)) problems.push(`Each key of ENCRYPTION_KEY, comma-separated, must be ${KEY_RULE}`);
	return keys.filter(isKey);
}

/** A list of which nothing is left admits no origin: a mistake in it must not widen it. */
function readCorsOrigins(env: Env, problems: string[]): string[] {
	const text = trimmedOf(env, "CORS_ORIGINS");
	if (text === undefined) return ["*"];
	const origins = listOf(text).map((origin) => (origin === "*" ? "*" : originOf(origin)));
	if (origins.includes(null)) {
		problems.push("CORS_ORIGINS must be *, or origins such as https://app.example.com, comma-separated; the others are ignored");
	}
	return origins.filter((origin) => origin !== null);
}

function originOf(text: string): string | null {
	const url = URL.parse(text);
	if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return null;
	return text.replace(/\/$/, "").toLowerCase() === url.origin ? url.origin : null;
}

/** `0.5`: so much in each currency; `0.5 USD, 0.2 EUR`: so much in these, and nothing in any other. */
function readBudget(env: Env, problems: string[]): Budget | null {
	const name = "MAX_HOURLY_COST";
	const text = trimmedOf(env, name);
	if (text === undefined) return null;
	const amount = amountIn(text);
	if (amount !== null) return amount;
	const amounts = listOf(text).map((item) => /^([\d.]+)\s*([A-Za-z]{3})$/.exec(item));
	const budget = Object.fromEntries(amounts.map((match) => [(match?.[2] ?? "").toUpperCase(), amountIn(match?.[1] ?? "")]));
	const isWhole = amounts.length > 0 && Object.keys(budget).length === amounts.length;
	if (isWhole && Object.values(budget).every((each) => each !== null)) return budget as Readonly<Record<string, number>>;
	problems.push(`${name} must be an amount of money an hour, such as 0.5, or one for each currency, such as 0.5 USD, 0.2 EUR`);
	return null;
}

function readPlan(env: Env, problems: string[]): Global["plan"] {
	const text = trimmedOf(env, "PLAN")?.toLowerCase() ?? "free";
	if (text === "free" || text === "paid") return text;
	problems.push("PLAN must be free or paid");
	return "free";
}
