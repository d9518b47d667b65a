import type { Failure } from "../../../src/core/model/failure.ts";
import { type CreateRequest, type ProviderContext, ProviderError } from "../../../src/providers/base/provider.ts";

/** A cloud that answers as a test says, for what the contract suite at the local cloud does not show. */

export const NOW = 1_700_000_000_000;

export interface Call {
	readonly method: string;
	readonly url: URL;
	/** Path and query, as `POST /v1/servers`. */
	readonly line: string;
	readonly body: unknown;
	readonly headers: Headers;
}

export const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
	new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });

/** Answers by `METHOD /path` (with its query, or without); what is not scripted fails the test. */
export function scripted(script: Readonly<Record<string, (call: Call) => Response | Promise<Response>>>) {
	const calls: Call[] = [];
	const fetchScripted = (async (input: string, init: RequestInit) => {
		const url = new URL(input);
		const method = init.method ?? "GET";
		const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
		const call = { method, url, line: `${method} ${url.pathname}${url.search}`, body, headers: new Headers(init.headers) };
		calls.push(call);
		const respond = script[call.line] ?? script[`${method} ${url.pathname}`];
		if (respond === undefined) throw new Error(`the test does not say what ${call.line} answers`);
		return respond(call);
	}) as typeof fetch;
	const context = (more: Partial<ProviderContext> = {}): ProviderContext => ({
		fetch: fetchScripted,
		now: () => NOW,
		countCall: () => undefined,
		observeRate: () => undefined,
		wait: async () => undefined,
		...more,
	});
	return { calls, context };
}

export async function failureOf(doing: Promise<unknown>): Promise<Failure> {
	try {
		await doing;
	} catch (error) {
		if (error instanceof ProviderError) return error.failure;
		throw error;
	}
	throw new Error("it did not fail");
}

export const ASK: CreateRequest = {
	name: "muster-dep1-intent0001",
	tags: { deployment: "dep1", pool: "pool1", intent: "intent0001" },
	userData: "#cloud-config\nwrite_files: [{content: H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTVWqBQ}]\n",
	allow: [],
	port: 8899,
};
