import { z } from "zod";
import { AGENT_PORT } from "../../agent/protocol.ts";
import { PROVIDER_NAMES } from "../../providers/index.ts";
import type { PublishedProxy } from "../../read-model/proxies.ts";
import { readOne, readPage, readReady } from "../../read-model/ready.ts";
import { coolestOf, EVERYTHING, isEverything, pageFrom, pickFrom, type Selection, selectFrom } from "../../read-model/select.ts";
import {
	type CredentialsByVersion,
	homeOf,
	type PublishedPool,
	pickReady,
	placeOfKey,
	type ReadyProxy,
	type Snapshot,
	whereIs,
} from "../../read-model/snapshot.ts";
import { accessOf, type Scheme } from "../../values/access.ts";
import { type AppContext, hasQuery, laterOf, metadata, Operation, textAnswer } from "../base/context.ts";
import { type Format, formatOf, inFormat } from "./formats.ts";
import { nothingReady, requireKnown, selectionOf, selectionQuery } from "./selection.ts";
import { ADMIN_FAULTS, faults, json, PROXY_LIST, type Proxy, ProxyAnswer, ProxyList, wholeNumber } from "./shapes.ts";
import { wakeFor } from "./wake.ts";

// The routes that hand proxies out, which nearly every request is for, and how they and others show a proxy.

const JSON_TYPE = "application/json";

const fallback = z
	.enum(["least"], { error: "must be least" })
	.optional()
	.openapi({ description: "`least`: where each proxy cools down for `host`, the one that has first done so, instead of 404." });

const randomSchema = {
	operationId: "getRandomProxy",
	tags: ["Proxies"],
	summary: "Get one ready proxy at random",
	description:
		"Each ready proxy that is asked for is equally likely; with `session`, always the same one. What is known may be one second old; the Age header says when it is older. A pool that is empty while nobody uses it starts a proxy when it is asked for; 404 with Retry-After meanwhile.",
	request: { query: z.object({ format: formatOf("json"), fallback, ...selectionQuery }) },
	responses: {
		200: {
			description: "One ready proxy.",
			content: { ...json("", ProxyAnswer).content, "text/plain": { schema: z.string().openapi({ description: "In another format." }) } },
		},
		...faults(404, 422),
		...ADMIN_FAULTS,
	},
};

/** `GET /random`. Nothing ready: 404, with Retry-After where proxies are started for this request; 503 while a pool has never yet run. */
export class GetRandomProxy extends Operation {
	override schema = randomSchema;

	async handle(c: AppContext): Promise<Response> {
		// Nothing is asked for mostly, and then there is nothing to check.
		const { wanted, format, takesLeast } = hasQuery(c) ? await this.checked() : NOTHING_ASKED;
		const isAny = wanted === EVERYTHING;
		const [now, later] = [Date.now(), laterOf(c)];
		const one = isAny ? await readOne(c.env.DB, now, later) : null;
		if (one) return oneAnswer(c, one, format, null);
		const { snapshot, ageMs } = await readReady(c.env.DB, now, later);
		if (!isAny) requireKnown(c.get("config"), snapshot, wanted);
		const picked = isAny ? pickReady(snapshot, Math.random) : pickFrom(selectFrom(snapshot, wanted, now), wanted.session, Math.random);
		const coolest = picked === null && takesLeast && wanted.host !== null ? coolestIn(snapshot, wanted, wanted.host, now) : null;
		if (coolest !== null) return oneAnswer(c, coolest, format, ageMs);
		if (!picked) throw (await wakeFor(c, snapshot, wanted)) ?? nothingReady(c.get("config"), snapshot, wanted, now);
		return oneAnswer(c, picked, format, ageMs);
	}

	private async checked(): Promise<Asked> {
		const { query } = await this.getValidatedData<typeof randomSchema>();
		const wanted = selectionOf(query);
		return { wanted: isEverything(wanted) ? EVERYTHING : wanted, format: query.format, takesLeast: query.fallback === "least" };
	}
}

interface Asked {
	readonly wanted: Selection;
	readonly format: Format;
	/** Where all cool down for the site, the one that has first done so is better than none. */
	readonly takesLeast: boolean;
}
const NOTHING_ASKED: Asked = { wanted: EVERYTHING, format: "json", takesLeast: false };

function coolestIn(snapshot: Snapshot, wanted: Selection, host: string, now: number): ReadyProxy | null {
	return coolestOf(selectFrom(snapshot, { ...wanted, host: null }, now), host)?.ready ?? null;
}

function oneAnswer(c: AppContext, ready: ReadyProxy, format: Format, ageMs: number | null): Response {
	if (format !== "json") {
		const { text, type } = inFormat(format, [ready], readyProxy);
		return textAnswer(c, text, type, ageMs);
	}
	const head = JSON.stringify({ metadata: metadata(c), message: "Random proxy retrieved successfully" });
	return textAnswer(c, `${head.slice(0, -1)},"proxy":${jsonOf(ready)}}`, JSON_TYPE, ageMs);
}

const USUAL_LIMIT = 10;
const MAX_LIMIT = 100;

const ProxyPage = ProxyList.extend({ version: z.literal("1.1") }).openapi("ProxyPage", { example: { ...PROXY_LIST, version: "1.1" } });

const listSchema = {
	operationId: "listProxies",
	tags: ["Proxies"],
	summary: "List the ready proxies",
	description:
		"Those queued for destruction or restart are neither listed nor counted. With `session` they are in the order in which that session would use them: the first is the one that `/random` gives it. What is shown may be one second old.",
	request: {
		query: z.object({
			offset: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0).openapi({ description: "How many to pass over.", example: 0 }),
			limit: wholeNumber(1, MAX_LIMIT).default(USUAL_LIMIT).openapi({ description: "How many to list at most.", example: USUAL_LIMIT }),
			...selectionQuery,
		}),
	},
	responses: {
		200: json("One page of the ready proxies.", ProxyPage),
		...faults(422),
		...ADMIN_FAULTS,
	},
};

interface Page {
	readonly offset: number;
	readonly limit: number;
	readonly wanted: Selection;
}

/** `GET /`: the ready proxies; `version` is what clients of the other dialect look for at the root. */
export class ListProxies extends Operation {
	override schema = listSchema;

	async handle(c: AppContext): Promise<Response> {
		const { offset, limit, wanted } = plainPage(c) ?? (await this.checked());
		const [now, later] = [Date.now(), laterOf(c)];
		const isAny = isEverything(wanted);
		const page = isAny ? await readPage(c.env.DB, { offset, limit }, now, later) : null;
		if (page) return pageAnswer(c, page.total, page.proxies, null);
		const { snapshot, ageMs } = await readReady(c.env.DB, now, later);
		if (!isAny) requireKnown(c.get("config"), snapshot, wanted);
		const selected = selectFrom(snapshot, wanted, now);
		return pageAnswer(c, selected.readyCount, pageFrom(selected, wanted.session, offset, limit), ageMs);
	}

	private async checked(): Promise<Page> {
		const { query } = await this.getValidatedData<typeof listSchema>();
		return { offset: query.offset, limit: query.limit, wanted: selectionOf(query) };
	}
}

/** What a query of nothing but a right `limit` asks for, or none: to check it by the schema takes as long as to answer it. Null: check it. */
function plainPage(c: AppContext): Page | null {
	const limit = hasQuery(c) ? Number(/^[^?]*\?limit=(\d{1,3})$/.exec(c.req.url)?.[1] ?? 0) : USUAL_LIMIT;
	return limit >= 1 && limit <= MAX_LIMIT ? { offset: 0, limit, wanted: EVERYTHING } : null;
}

function pageAnswer(c: AppContext, total: number, proxies: readonly ReadyProxy[], ageMs: number | null): Response {
	const head = JSON.stringify({ metadata: metadata(c), total });
	return textAnswer(c, `${head.slice(0, -1)},"proxies":[${proxies.map(jsonOf).join(",")}],"version":"1.1"}`, JSON_TYPE, ageMs);
}

/** How a proxy stands in an answer, for as long as the list that it is of is kept: to write it takes longer than all else that is done for it. */
const written = new WeakMap<ReadyProxy["entry"], { readonly of: Pick<PublishedPool, "credentials" | "summary">; readonly text: string }>();

function jsonOf(ready: ReadyProxy): string {
	const { credentials, summary } = ready.pool;
	const known = written.get(ready.entry);
	if (known !== undefined && known.of.credentials === credentials && known.of.summary === summary) return known.text;
	const text = JSON.stringify(readyProxy(ready));
	written.set(ready.entry, { of: { credentials, summary }, text });
	return text;
}

/**
 * Whether somebody looks at this in a browser, which says so of what it opens as a page (https://www.w3.org/TR/fetch-metadata/). What a client
 * accepts says nothing: Scrapy and Java ask for text/html of whatever they fetch.
 */
export function isNavigation(c: AppContext): boolean {
	// Nearly no caller is one.
	if (c.req.header("Sec-Fetch-Dest") === "document") return true;
	return c.req.header("Sec-Fetch-Mode") === "navigate" && (c.req.header("Accept") ?? "").trimStart().startsWith("text/html");
}

/** A ready proxy; version 0 of the credentials is its word that it asks for none. */
export function readyProxy(proxy: ReadyProxy): Proxy {
	const {
		pool,
		entry: [id, address, version, port, , access],
	} = proxy;
	const own = access === undefined ? null : accessOf(access);
	const credentials = own === null ? (version === 0 ? null : credentialsOf(pool.credentials, version)) : own.login;
	const listener = { address, port: port ?? AGENT_PORT, isStatic: id.includes(":"), ...whereIs(proxy) };
	return proxyObject(own === null ? listener : { ...listener, scheme: own.scheme, country: own.country }, pool, credentials);
}

/** Any proxy; one that has not acknowledged credentials yet will accept the newest. */
export function publishedProxy(
	proxy: Pick<PublishedProxy, "id" | "address" | "place" | "provider" | "name" | "summary" | "credentials" | "credentialsVersion">,
): Proxy {
	const { id, address, credentials, credentialsVersion } = proxy;
	const where = placeOfKey(proxy.place) ?? homeOf(proxy.summary);
	return proxyObject(
		{ address, port: AGENT_PORT, isStatic: id.includes(":"), ...where },
		proxy,
		credentialsOf(credentials, credentialsVersion),
	);
}

interface Listener {
	readonly address: string;
	readonly port: number;
	/** Somebody else's, of which nothing is known but that it is an HTTP proxy. (No id of an own one holds a colon.) */
	readonly isStatic: boolean;
	readonly region: string | null;
	readonly size: string | null;
	/** Where it is somebody else's, as far as it is told. */
	readonly scheme?: Scheme;
	readonly country?: string | null;
}
type Owner = Pick<PublishedPool, "provider" | "name" | "summary">;
type UsernameAndPassword = readonly [username: string, password: string];

function proxyObject(
	{ address, port, isStatic, region, size, scheme = "http", country = null }: Listener,
	owner: Owner,
	credentials: UsernameAndPassword | null,
): Proxy {
	const url = proxyUrl(address, port, credentials, scheme);
	return {
		ip: address,
		port,
		auth_enabled: credentials !== null,
		url,
		provider: owner.provider,
		instance: owner.name,
		display_name: owner.summary?.displayName ?? PROVIDER_NAMES[owner.provider] ?? owner.provider,
		server: credentials === null ? url : proxyUrl(address, port, null, scheme),
		username: credentials === null ? null : credentials[0],
		password: credentials === null ? null : credentials[1],
		socks5: scheme === "socks5" ? url : isStatic ? null : `socks5${url.slice("http".length)}`,
		region: isStatic ? null : region,
		size: isStatic ? null : size,
		country: isStatic ? country : region === null ? null : (owner.summary?.countries?.[region] ?? null),
	};
}

/** The URL that a client gives to its HTTP library. Everything but letters, digits and `-._~` is percent-encoded. */
export function proxyUrl(address: string, port: number, credentials: UsernameAndPassword | null, scheme: Scheme = "http"): string {
	const host = address.includes(":") ? `[${address}]` : address;
	return `${scheme}://${credentials ? userOf(credentials) : ""}${host}:${port}`;
}

/** Of credentials that were read, how they stand in a URL: a page shows the same ones a hundred times. */
const users = new WeakMap<UsernameAndPassword, string>();

function userOf(credentials: UsernameAndPassword): string {
	let user = users.get(credentials);
	if (user === undefined) {
		user = `${credentials.map(encode).join(":")}@`;
		users.set(credentials, user);
	}
	return user;
}

/** The version that the proxy acknowledged, else the newest; null where that has no name, which says that none are asked for. */
function credentialsOf(known: CredentialsByVersion, version: number): UsernameAndPassword | null {
	const credentials = known[version] ?? known[Object.keys(known).reduce((most, key) => Math.max(most, Number(key)), 0)];
	return credentials === undefined || credentials[0] === "" ? null : credentials;
}

function encode(text: string): string {
	return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
