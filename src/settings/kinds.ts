import ipaddr from "ipaddr.js";
import { z } from "zod";
import { parseRules } from "../core/model/rules.ts";
import type { Budget, ProviderName } from "../core/model/state.ts";
import { CLOUD_NAMES, PROVIDERS } from "../providers/index.ts";
import { accessText } from "../values/access.ts";
import { normaliseCidr } from "../values/addresses.ts";
import { normaliseHost } from "../values/hosts.ts";
import { amountIn, listOf, textThat, word } from "../values/kinds.ts";

/** Kinds of settings that occur once, beside those of `values/kinds.ts`. A message ends the sentence "NAME must be …". */

/** A value that `read` makes of a text; null: it makes none. */
function made<Value>(must: string, read: (text: string) => Value | null) {
	return z.string(must).transform((text, context): Value => {
		const value = read(text);
		if (value !== null) return value;
		context.addIssue({ code: "custom", message: must });
		return z.NEVER;
	});
}

/** 22 characters of base64url hold 132 bits, 21 only 126: a key must have 128. */
const MIN_KEY_CHARS = 22;
const MAX_KEY_CHARS = 512;
/** Whether a key is too short to hold 128 bits. */
export const isShortKey = (text: string) => text.length < MIN_KEY_CHARS;
export const SHORT_KEY_RULE = `must have ${MIN_KEY_CHARS} characters or more, since fewer can be guessed: openssl rand -base64 32 makes a good one (ALLOW_SHORT_KEY=True takes any)`;
const isKey = (text: string) => text.length >= MIN_KEY_CHARS && text.length <= MAX_KEY_CHARS && /^[\x21-\x7e]+$/.test(text);
const KEY_RULE = `${MIN_KEY_CHARS} to ${MAX_KEY_CHARS} printable ASCII characters without spaces: fewer cannot hold 128 bits (openssl rand -base64 32 makes a good one)`;

export const adminKey = () => textThat(`${KEY_RULE}; until then it opens nothing`, isKey);

export const keys = () => made<readonly string[]>(KEY_RULE, (text) => (listOf(text).every(isKey) ? listOf(text) : null));
export const goodKeys = (text: string): readonly string[] => listOf(text).filter(isKey);

/** RFC 1929 (SOCKS5 user names and passwords) has one byte for each length. */
const MAX_CREDENTIAL_BYTES = 255;

/** A proxy's user name or password: any printable character works in them, a space at either end too. */
export const credential = () => textThat(CREDENTIAL_RULE, isCredential);
export const CREDENTIAL_RULE = `1 to ${MAX_CREDENTIAL_BYTES} bytes of printable characters`;
export const isCredential = (text: string) =>
	text !== "" && !/\p{C}/u.test(text) && new TextEncoder().encode(text).length <= MAX_CREDENTIAL_BYTES;

/** CIDRs, IPv4 and IPv6, each in its one spelling. */
export const cidrs = () =>
	z.string().transform((text, context): readonly string[] => {
		const wrong = listOf(text).flatMap((item, index) => (normaliseCidr(item) === null ? [index + 1] : []));
		if (wrong.length === 0) return goodCidrs(text);
		const must = "IPv4 or IPv6 addresses or CIDRs, comma-separated, such as 192.0.2.1 or 2001:db8::/32";
		context.addIssue({ code: "custom", message: `${must}: number ${wrong.join(", ")} is none` });
		return z.NEVER;
	});

export function goodCidrs(text: string): readonly string[] {
	return [...new Set(listOf(text).flatMap((item) => normaliseCidr(item) ?? []))];
}

const MOST_SITES = 100;

/** Hosts of sites, as they are reported: in a text, or in a list as configurations are shown. */
export const siteNames = () =>
	z.preprocess(
		(given) => (Array.isArray(given) ? given.join() : given),
		made<readonly string[]>(`at most ${MOST_SITES} host names, comma-separated, such as shop.example, maps.example`, (text) => {
			const hosts = listOf(text).map(normaliseHost);
			return hosts.length <= MOST_SITES && hosts.every((host) => host !== null) ? [...new Set(hosts)] : null;
		}),
	);

/** An address as an origin, without a slash at its end. */
export const origin = () => made("http(s)://host[:port], without a path, such as https://muster.example.com", publicOrigin);

/** A host name has at most 253. */
const MOST_ORIGIN_CHARS = 300;

/** The origin that `http(s)://host[:port]` names, with or without a slash at its end; null for anything else. */
export function publicOrigin(text: string): string | null {
	const url = URL.parse(text);
	return url !== null && text.length <= MOST_ORIGIN_CHARS && /^https?:\/\/[^/?#@\\\s\p{Cc}]+\/?$/iu.test(text) ? url.origin : null;
}

export const INSECURE_URL_RULE =
	"must be https: over plain http every key would travel in clear (http is taken for a loopback address, and with ALLOW_INSECURE_URL=True for any)";

/** Whether what is sent to this origin can be read on its way: it is plain http, and leaves the machine. */
export function isInsecureOrigin(origin: string): boolean {
	const url = URL.parse(origin);
	if (url === null || url.protocol !== "http:") return false;
	const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
	if (ipaddr.isValid(host)) return ipaddr.process(host).range() !== "loopback";
	return host !== "localhost" && !host.endsWith(".localhost");
}

/** `*`, or origins. */
export const corsOrigins = () =>
	made<readonly string[]>("*, or origins such as https://app.example.com, comma-separated; the others are ignored", (text) =>
		listOf(text).every((item) => corsOrigin(item) !== null) ? goodCorsOrigins(text) : null,
	);
export const goodCorsOrigins = (text: string): readonly string[] => listOf(text).flatMap((item) => corsOrigin(item) ?? []);

function corsOrigin(text: string): string | null {
	if (text === "*") return text;
	const url = URL.parse(text);
	if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return null;
	return text.replace(/\/$/, "").toLowerCase() === url.origin ? url.origin : null;
}

/** `0.5`: so much in each currency; `0.5 USD, 0.2 EUR`: so much in these, and nothing in any other. */
export const budget = () =>
	made<Budget>("an amount of money an hour, such as 0.5, or one for each currency, such as 0.5 USD, 0.2 EUR", (text) => {
		const amount = amountIn(text);
		if (amount !== null) return amount;
		const amounts = listOf(text).map((item) => /^([\d.]+)\s*([A-Za-z]{3})$/.exec(item));
		const budgets = Object.fromEntries(amounts.map((match) => [(match?.[2] ?? "").toUpperCase(), amountIn(match?.[1] ?? "")]));
		const isWhole = amounts.length > 0 && Object.keys(budgets).length === amounts.length;
		return isWhole && Object.values(budgets).every((each) => each !== null) ? (budgets as Readonly<Record<string, number>>) : null;
	});

/** Names of endpoints and aliases: they stand in URLs as they are, and are their pools' names. */
export const ENDPOINT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const ENDPOINT_NAME_RULE = "1 to 63 letters, digits, `.`, `_` and `-`, a letter or digit first";

export const endpointName = () => textThat(`the name of an endpoint: ${ENDPOINT_NAME_RULE}`, (text) => ENDPOINT_NAME.test(text));

const POOL_NAME = /^([a-z]+\/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export const poolName = () =>
	textThat("a pool as provider/name, such as vultr/default, or the name of an endpoint", (text) => POOL_NAME.test(text));

/** By `auth_algo`: hexadecimal digits of a hash. */
export const HASH_DIGITS = { md5: 32, sha1: 40, sha224: 56, sha256: 64, sha384: 96, sha512: 128 } as const;

export const hashAlgorithm = (usual: keyof typeof HASH_DIGITS) => {
	const names = Object.keys(HASH_DIGITS) as (keyof typeof HASH_DIGITS)[];
	return word(names, `one of ${names.join(", ")}`).default(usual);
};

/** Those of Reactor, whose names its configurations hold; here there is none. */
const LOAD_BALANCERS = ["dnsmasq", "haproxy", "nginx", "none", "rdp", "tcp"] as const;

export const loadBalancer = () =>
	word(LOAD_BALANCERS, `one of ${LOAD_BALANCERS.join(", ")}`)
		.nullable()
		.default(null);

export const CLOUD_RULE = `one of ${Object.keys(PROVIDERS).join(", ")}, or nothing`;

/** A cloud that Muster knows; `static`, `none` and nothing: no cloud. */
export const cloud = () =>
	made<ProviderName>(CLOUD_RULE, (text) => {
		const name = text.toLowerCase();
		if (name === "" || name === "static" || name === "none") return "static";
		return Object.hasOwn(CLOUD_NAMES, name) ? (name as ProviderName) : null;
	});

/** Rules as they were written (`core/model/rules.ts`), of a list. */
export const rules = () =>
	z.array(z.string()).transform((texts, context): readonly string[] => {
		const parsed = parseRules(texts);
		if (parsed.ok) return parsed.rules.map(({ text }) => text);
		context.addIssue({ code: "custom", message: parsed.message });
		return z.NEVER;
	});

/** A proxy that others run; `port` null: where the endpoint says. A host name may stand for several addresses, which change. */
export interface GivenBackend {
	readonly host: string;
	readonly isName: boolean;
	readonly port: number | null;
	/** As in the core (`StaticBackend`). */
	readonly access: string;
}
export const MOST_STATICS = 5_000;
/** Each costs a question a minute. */
export const MOST_NAMES = 20;
export const STATICS_RULE = `at most ${MOST_STATICS} addresses or ${MOST_NAMES} host names, each with or without a port, such as 192.0.2.1, 192.0.2.1:3128, socks5://192.0.2.1:1080 or proxy.example.com:3128; credentials belong into static.list`;

export const backends = () =>
	z.array(z.string()).transform((texts, context): readonly GivenBackend[] => {
		const good = goodBackends(texts);
		if (good.length < texts.length) context.addIssue({ code: "custom", message: STATICS_RULE });
		return good;
	});
export const goodBackends = (texts: readonly string[]): readonly GivenBackend[] => texts.flatMap((text) => backendOf(text) ?? []);

/** RFC 1123 names with a dot; what ends in digits alone is a mistyped address. */
const HOST_NAME = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** `ip`, `ip:port`, or `[ip]:port` and `ip` for IPv6, or `name` and `name:port`, with `socks5://` before it or not; null for anything else. */
function backendOf(text: string): GivenBackend | null {
	const [, scheme, rest = ""] = /^(?:(http|socks5h?):\/\/)?(.*)$/i.exec(text) ?? [];
	const place = placeIn(rest.replace(/\/$/, ""));
	if (place === null) return null;
	const isSocks = scheme?.toLowerCase().startsWith("socks5") ?? false;
	// With the deployment's credentials as well, which this kind has nothing of its own for.
	return { ...place, access: isSocks ? accessText({ scheme: "socks5", login: null, country: null }) : "" };
}

function placeIn(text: string): Omit<GivenBackend, "access"> | null {
	const [, six, four, digits] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
	const host = six ?? four ?? text;
	const port = digits === undefined ? null : Number(digits);
	if (port !== null && (port < 1 || port > 65_535)) return null;
	if (ipaddr.IPv4.isValidFourPartDecimal(host)) return { host, isName: false, port };
	if (ipaddr.IPv6.isValid(host) && host.includes(":")) return { host: ipaddr.IPv6.parse(host).toString(), isName: false, port };
	const name = host.toLowerCase();
	return HOST_NAME.test(name) ? { host: name, isName: true, port } : null;
}

const MOST_ACCESS_CHARS = 512;
/** Their addresses and credentials together: a pool keeps them in one row beside other things, and a row has 2 MB. */
export const MOST_STATICS_CHARS = 280_000;

export const LIST_RULE = `at most ${MOST_STATICS} proxies by address and port, one a line, such as http://user:password@192.0.2.1:3128, socks5://192.0.2.1:1080 or 192.0.2.1:3128:user:password, each with a country behind it or not (de); 280 KB together`;

/** Bought proxies: a list as it is pasted, lines or items. What is wrong is told by its number, never by its text. */
export const backendList = () =>
	z.array(z.string()).transform((texts, context): readonly GivenBackend[] => {
		const lines = linesOf(texts);
		const wrong = lines.flatMap((line, index) => (boughtBackend(line) === null ? [index + 1] : []));
		const few = wrong.slice(0, 5).join(", ");
		if (lines.length > MOST_STATICS) context.addIssue({ code: "custom", message: LIST_RULE });
		else if (wrong.length > 0) context.addIssue({ code: "custom", message: `${LIST_RULE}: number ${few} is none` });
		return goodList(texts);
	});
export const goodList = (texts: readonly string[]): readonly GivenBackend[] =>
	linesOf(texts)
		.slice(0, MOST_STATICS)
		.flatMap((line) => boughtBackend(line) ?? []);

const linesOf = (texts: readonly string[]) =>
	texts
		.flatMap((text) => text.split(/[\r\n,]+/))
		.map((line) => line.trim())
		.filter((line) => line !== "" && !line.startsWith("#"));

/** Names have addresses that change, and are looked up: there is no room for thousands. */
function boughtBackend(line: string): GivenBackend | null {
	const [, text = "", country = ""] = /^(\S+)(?:\s+([A-Za-z]{2}))?$/.exec(line) ?? [];
	const [, scheme = "http", user, rest = ""] = /^(?:(http|socks5h?):\/\/)?(?:([^@/]*)@)?(.*)$/i.exec(text) ?? [];
	const [, plain = rest, name, password] = /^((?:\[[^\]]+\]|[^:]+):\d{1,5}):([^:]+):(.+)$/.exec(rest) ?? [];
	const place = placeIn(plain.replace(/\/$/, ""));
	if (place === null || place.isName || place.port === null) return null;
	const login = name !== undefined && password !== undefined ? ([name, password] as const) : loginIn(user);
	if (login === undefined || login?.some((part) => new TextEncoder().encode(part).length > MAX_CREDENTIAL_BYTES)) return null;
	const isSocks = scheme.toLowerCase().startsWith("socks5");
	const access = accessText({ scheme: isSocks ? "socks5" : "http", login, country: country.toLowerCase() || null });
	return access.length > MOST_ACCESS_CHARS ? null : { ...place, access };
}

/** `user:password` of a URL; null: none is given; undefined: it cannot be read. */
function loginIn(user: string | undefined): readonly [string, string] | null | undefined {
	if (user === undefined || user === "") return null;
	const at = user.indexOf(":");
	try {
		return at < 0 ? [decodeURIComponent(user), ""] : [decodeURIComponent(user.slice(0, at)), decodeURIComponent(user.slice(at + 1))];
	} catch {
		return undefined;
	}
}

/** Longer ones are a mistake. */
const MOST_WEBHOOK_CHARS = 2_000;
const MIN_WEBHOOK_SECRET_CHARS = 16;

/** A whole address that alerts are sent to. */
export const webhookAddress = () =>
	made("an http(s) address, such as https://hooks.example.com/alerts", (text) => {
		const url = URL.parse(text);
		const isMeant =
			url !== null && text.length <= MOST_WEBHOOK_CHARS && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
		return isMeant ? url.href : null;
	});

/** What alerts are signed with. */
export const webhookSecret = () =>
	textThat(
		`${MIN_WEBHOOK_SECRET_CHARS} to ${MAX_KEY_CHARS} printable ASCII characters without spaces`,
		(text) => text.length >= MIN_WEBHOOK_SECRET_CHARS && text.length <= MAX_KEY_CHARS && /^[\x21-\x7e]+$/.test(text),
	);
