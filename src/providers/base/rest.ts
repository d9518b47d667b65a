import { z } from "zod";
import { type Fault, type HttpRequest, type Read, request } from "./http.ts";
import { type ProviderContext, ProviderError } from "./provider.ts";

/**
 * The client for clouds whose API is JSON over HTTPS: what all calls of an account have in common is said once, as data, and a driver
 * only names methods, paths and shapes. What a call owes (counting, deadlines, bounds, errors) is `request`'s, in `http.ts`.
 */
export interface RestApi {
	/** As sentences begin: "DigitalOcean". */
	readonly provider: string;
	/** What paths are put behind: scheme, host and perhaps a path, without a slash at the end. */
	readonly baseUrl: string;
	readonly access: Access;
	/** What the cloud itself says of an error. */
	readonly fault: (answer: { readonly status: number; readonly text: string }) => Fault;
	/** How the cloud's lists go on. */
	readonly pages: Pages;
	/** As for a request. */
	readonly refillMs?: number;
}

/** Makes a call with what proves who asks. */
export type Access = <T>(call: (proof: Proof) => Promise<T>) => Promise<T>;

export interface Proof {
	readonly headers: Readonly<Record<string, string>>;
	/** Values that no error may repeat. */
	readonly secrets: readonly string[];
}

/** Proof that does not change from call to call. */
export const always =
	(headers: Proof["headers"], secrets: Proof["secrets"]): Access =>
	(call) =>
		call({ headers, secrets });

/** A token that the operator gave (RFC 6750, section 2.1). */
export const bearer = (token: string): Access => always({ authorization: `Bearer ${token}` }, [token]);

/** What a page is asked for by: its number, or what the cloud gave. Null: the first page, where that is asked for without. */
export type Cursor = string | number | null;

export interface Pages {
	/** The first page's cursor. */
	readonly first: Cursor;
	/** The path of one page of a list. */
	readonly path: (list: string, cursor: Cursor) => string;
	/** Where the list goes on; null after the last page. Throws where the answer cannot be understood. */
	readonly next: (page: Page) => Cursor;
	/** The cloud leaves out what a page has none of. */
	readonly omitsEmpty?: true;
}

/** A page that was read. */
export interface Page {
	readonly body: unknown;
	readonly headers: Headers;
	readonly cursor: Cursor;
	/** Its items, and all up to its end. */
	readonly count: number;
	readonly soFar: number;
}

/** One account's API. */
export class Rest {
	readonly #context: ProviderContext;
	readonly #api: RestApi;

	constructor(context: ProviderContext, api: RestApi) {
		this.#context = context;
		this.#api = api;
	}

	/** One call, as `request` makes it: resolves with what `read` makes of a 2xx answer, throws a {@link ProviderError} for all else. */
	call<T>(
		method: HttpRequest<T>["method"],
		path: string,
		read: Read<T>,
		{ headers, ...more }: Partial<Pick<HttpRequest<T>, "body" | "headers" | "confidential" | "reads" | "deadlineMs">> = {},
	): Promise<T> {
		const { access, pages: _, ...api } = this.#api;
		return access((proof) =>
			request(this.#context, { ...api, path, method, read, secrets: proof.secrets, headers: { ...headers, ...proof.headers }, ...more }),
		);
	}

	/** Every item of the list at `path`, which answers hold under `key`: all pages, or an error. `headers` go with each call. */
	all<T>(path: string, key: string, item: z.ZodType<T>, headers: Proof["headers"] = {}): Promise<T[]> {
		const { provider, pages } = this.#api;
		const list = z.array(item);
		let soFar = 0;
		return allPages<T>(`${provider}: the pages of ${path.split("?")[0]}`, pages.first, (cursor) =>
			this.call(
				"GET",
				pages.path(path, cursor),
				(text, answer) => {
					const body = z.looseObject({}).parse(JSON.parse(text));
					const items = list.parse(pages.omitsEmpty ? (body[key] ?? []) : body[key]);
					soFar += items.length;
					return { items, next: pages.next({ body, headers: answer.headers, cursor, count: items.length, soFar }) };
				},
				{ headers },
			),
		);
	}
}

/** A path with more of a query. */
export function withQuery(path: string, query: string): string {
	return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

/** Lists in pages of so many items, numbered from 1 on. */
export const numbered = (perPage: number): Pick<Pages, "first" | "path"> => ({
	first: 1,
	path: (list, page) => withQuery(list, `per_page=${perPage}&page=${page}`),
});

/** A list that goes on beyond is going in circles. */
const MAX_PAGES = 100;

/**
 * Every item of a list that comes in pages, or an error: never a part of it.
 * `read` gets the cursor of a page (first `first`) and answers its items and the next page's cursor, null after the last.
 * `what` begins the sentence of a list that does not end: "DigitalOcean: the pages of /v2/droplets".
 */
export async function allPages<T>(
	what: string,
	first: Cursor,
	read: (cursor: Cursor) => Promise<{ readonly items: readonly T[]; readonly next: Cursor }>,
): Promise<T[]> {
	const all: T[] = [];
	const seen = new Set<Cursor>();
	for (let cursor = first; !seen.has(cursor) && seen.size < MAX_PAGES; ) {
		seen.add(cursor);
		const page: { readonly items: readonly T[]; readonly next: Cursor } = await read(cursor);
		all.push(...page.items);
		if (page.next === null) return all;
		cursor = page.next;
	}
	throw new ProviderError({ kind: "transient", message: `${what} do not come to an end` });
}
