import type { Client } from "openapi-fetch";
import type { Dispatcher, RequestInfo, RequestInit, Response } from "undici";
import type { paths } from "./api.d.ts";

export type { components, operations, paths } from "./api.d.ts";

/** Which proxy, in the words of `GET /random`. */
export type Selection = Omit<NonNullable<paths["/random"]["get"]["parameters"]["query"]>, "format">;

export interface MusterOptions {
	/** Muster's address. */
	readonly url: string;
	/** The admin key. It goes to Muster alone. */
	readonly key: string;
	/** How long a request waits for a proxy to become ready. 60 unless given. */
	readonly waitSeconds?: number;
	/** On how many proxies a request is tried. 4 unless given. */
	readonly tries?: number;
	/** How each proxy is connected to, such as `{ requestTls: { ca } }`; undici's options of a ProxyAgent. */
	readonly proxyOptions?: Readonly<Record<string, unknown>>;
}

/** No proxy of the selection is ready, or each that was tried failed. `cause` is the last failure. */
export class NoProxyError extends Error {}

export interface Muster {
	/** Each operation of the API with its types (https://openapi-ts.dev/openapi-fetch/). */
	readonly api: Client<paths>;
	/** As undici's `fetch`, through a proxy. Rejects with NoProxyError, or as `fetch` where the site cannot be reached. */
	fetch(input: RequestInfo, init?: RequestInit, selection?: Selection): Promise<Response>;
	/** A dispatcher for undici and `fetch` that goes through one proxy of the selection. */
	dispatcher(selection?: Selection): Promise<Dispatcher>;
	/** Closes connections that are kept. */
	close(): Promise<void>;
}

export function createMuster(options: MusterOptions): Muster;
