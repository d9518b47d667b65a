import { z } from "zod";
import { AGENT_PORT } from "../../agent/protocol.ts";
import { PROVIDER_NAMES } from "../../providers/index.ts";
import type { PublishedProxy } from "../../read-model/proxies.ts";
import { readOne, readPage, readReady } from "../../read-model/ready.ts";
import { EVERYTHING, isEverything, pageFrom, pickFrom, type Selection, selectFrom } from "../../read-model/select.ts";
import {
	type CredentialsByVersion,
	homeOf,
	type PublishedPool,
	pickReady,
	placeOf,
	placeOfKey,
	type ReadyProxy,
} from "../../read-model/snapshot.ts";
import { type AppContext, Endpoint, hasQuery, laterOf, metadata, stateAge } from "../base/context.ts";
import { nothingReady, selectionOf, selectionQuery } from "./selection.ts";
import { ADMIN_FAULTS, faults, json, PROXY_LIST, type Proxy, ProxyAnswer, ProxyList, wholeNumber } from "./shapes.ts";
import { wakeFor } from "./wake.ts";

// The routes that hand proxies out, which nearly every request is for, and how they and others show a proxy.

const randomSchema = {
	operationId: "getRandomProxy",
	tags: ["Proxies"],
	summary: "Get one ready proxy at random",
	description:
		"Each ready proxy that is asked for is equally likely; with `session`, always the same one. What is known may be one second old; the Age header says when it is older. A pool that is empty while nobody uses it starts a proxy when it is asked for; 503 with Retry-After meanwhile.",
	request: { query: z.object(selectionQuery) },
	responses: { 200: json("One ready proxy.", ProxyAnswer), ...faults(404, 422), ...ADMIN_FAULTS },
};

/** `GET /random`. Nothing ready: 503 while a pool is starting, or starts a proxy for this request; else 404. */
export class GetRandomProxy extends Endpoint {
	override schema = randomSchema;

	async handle(c: AppContext): Promise<Response> {
		// Nothing is asked for mostly, and then there is nothing to check.
		const wanted = hasQuery(c) ? selectionOf((await this.getValidatedData<typeof randomSchema>()).query) : EVERYTHING;
		const isAny = wanted === EVERYTHING;
		const [now, later] = [Date.now(), laterOf(c)];
		const one = isAny ? await readOne(c.env.DB, now, later) : null;
		if (one) return oneAnswer(c, one);
		const { snapshot, ageMs } = await readReady(c.env.DB, now, later);
		stateAge(c, ageMs);
		const picked = isAny ? pickReady(snapshot, Math.random) : pickFrom(selectFrom(snapshot, wanted), wanted.session, Math.random);
		if (!picked) throw (await wakeFor(c, snapshot, wanted)) ?? nothingReady(c.get("config"), snapshot, wanted);
		return oneAnswer(c, picked);
	}
}

function oneAnswer(c: AppContext, proxy: ReadyProxy): Response {
	return c.json({ metadata: metadata(c), message: "Random proxy retrieved successfully", proxy: readyProxy(proxy) });
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
export class ListProxies extends Endpoint {
	override schema = listSchema;

	async handle(c: AppContext): Promise<Response> {
		const { offset, limit, wanted } = plainPage(c) ?? (await this.checked());
		const [now, later] = [Date.now(), laterOf(c)];
		const page = isEverything(wanted) ? await readPage(c.env.DB, { offset, limit }, now, later) : null;
		if (page) return pageAnswer(c, page.total, page.proxies);
		const { snapshot, ageMs } = await readReady(c.env.DB, now, later);
		stateAge(c, ageMs);
		const selected = selectFrom(snapshot, wanted);
		return pageAnswer(c, selected.readyCount, pageFrom(selected, wanted.session, offset, limit));
	}

	private async checked(): Promise<Page> {
		const { query } = await this.getValidatedData<typeof listSchema>();
		return { offset: query.offset, limit: query.limit, wanted: selectionOf(query) };
	}
}

/** What a query of nothing but a right `limit` asks for, or none: to check it by the schema takes as long as to answer it. Null: check it. */
function plainPage(c: AppContext): Page | null {
	const limit = hasQuery(c) ? Number(/\?limit=(\d{1,3})$/.exec(c.req.url)?.[1] ?? 0) : USUAL_LIMIT;
	return limit >= 1 && limit <= MAX_LIMIT ? { offset: 0, limit, wanted: EVERYTHING } : null;
}

function pageAnswer(c: AppContext, total: number, proxies: readonly ReadyProxy[]): Response {
	return c.json({ metadata: metadata(c), total, proxies: proxies.map(readyProxy), version: "1.1" });
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
function readyProxy(proxy: ReadyProxy): Proxy {
	const {
		pool,
		entry: [, address, version, port],
	} = proxy;
	return proxyObject(address, port ?? AGENT_PORT, pool, version === 0 ? null : credentialsOf(pool.credentials, version), placeOf(proxy));
}

/** Any proxy; one that has not acknowledged credentials yet will accept the newest. */
export function publishedProxy(proxy: PublishedProxy): Proxy {
	const place = placeOfKey(proxy.place) ?? homeOf(proxy.summary);
	return proxyObject(proxy.address, AGENT_PORT, proxy, credentialsOf(proxy.credentials, proxy.credentialsVersion), place);
}

type Owner = Pick<PublishedPool, "provider" | "name" | "summary">;
type UsernameAndPassword = readonly [username: string, password: string];

function proxyObject(
	address: string,
	port: number,
	owner: Owner,
	credentials: UsernameAndPassword | null,
	{ region, size }: ReturnType<typeof placeOf>,
): Proxy {
	return {
		ip: address,
		port,
		auth_enabled: credentials !== null,
		url: proxyUrl(address, port, credentials),
		provider: owner.provider,
		instance: owner.name,
		display_name: owner.summary?.displayName ?? PROVIDER_NAMES[owner.provider] ?? owner.provider,
		region,
		size,
	};
}

/** The URL that a client gives to its HTTP library. Everything but letters, digits and `-._~` is percent-encoded. */
export function proxyUrl(address: string, port: number, credentials: UsernameAndPassword | null): string {
	const host = address.includes(":") ? `[${address}]` : address;
	return `http://${credentials ? userOf(credentials) : ""}${host}:${port}`;
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
