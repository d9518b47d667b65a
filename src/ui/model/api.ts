/** The API, by its own description: no shape stands here a second time. */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "../generated/api.d.ts";

export type Schemas = components["schemas"];
export type State = Schemas["ConsoleState"];
export type Pool = Schemas["ConsolePool"];
export type Proxy = Schemas["ConsoleProxy"];
export type Unready = Schemas["ConsoleUnreadyProxy"];
export type Phase = Proxy["phase"];
export type LogLine = Schemas["ConsoleLogLine"];

const KEY = "muster-key";

/** Of this tab alone, and gone with it. */
export const keptKey = {
	read: (): string | null => sessionStorage.getItem(KEY),
	write: (key: string | null): void => (key === null ? sessionStorage.removeItem(KEY) : sessionStorage.setItem(KEY, key)),
};

const withKey: Middleware = {
	onRequest({ request }) {
		const key = keptKey.read();
		if (key !== null) request.headers.set("X-Auth-Key", key);
		return request;
	},
};

export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });
api.use(withKey);

/** Why something was not done, in the API's own sentence. */
export class Refused extends Error {
	readonly status: number;
	/** By field, where the API says which one is wrong. */
	readonly fields: Readonly<Record<string, Readonly<Record<string, string>>>>;
	constructor(status: number, sentence: string, fields: Refused["fields"] = {}) {
		super(sentence);
		this.status = status;
		this.fields = fields;
	}
}

/** Nothing came back at all. */
export class Unreachable extends Error {}

/** What a call answered. Throws Refused and Unreachable. */
export async function done<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
	let outcome: Awaited<typeof call>;
	try {
		outcome = await call;
	} catch (error) {
		// An answer that is no JSON is one all the same; what did not arrive is none.
		if (error instanceof SyntaxError) return undefined as T;
		throw new Unreachable("Muster does not answer.", { cause: error });
	}
	const { data, error, response } = outcome;
	if (response.ok) return data as T;
	throw refusalOf(response.status, error);
}

function refusalOf(status: number, error: unknown): Refused {
	if (typeof error === "object" && error !== null) {
		if ("detail" in error && typeof error.detail === "string") return new Refused(status, error.detail);
		const fields = error as Refused["fields"];
		const faults = Object.entries(fields).flatMap(([section, values]) =>
			Object.entries(values).map(([field, message]) => `${section}.${field}: ${message}`),
		);
		if (faults.length > 0) return new Refused(status, faults.join("; "), fields);
	}
	if (typeof error === "string" && error !== "" && error.length < 500 && !error.startsWith("<")) return new Refused(status, error);
	return new Refused(status, `Muster answered ${status}.`);
}

/** The sentence for whatever was thrown. */
export function sentenceOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
