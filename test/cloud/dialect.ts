import type { CloudName } from "../../src/core/model/state.ts";
import type { Account } from "./account.ts";

/** What a call is about, as faults name it. Looking one VM up, by id or by name, is `get`. */
export const OPERATIONS = ["create", "list", "get", "delete", "restart", "retag", "firewall", "other"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** One request to a cloud, without the mount (`/digitalocean`) of the local cloud. */
export interface Call {
	readonly method: string;
	/** `/v2/droplets/7` */
	readonly path: string;
	readonly query: URLSearchParams;
	readonly headers: Headers;
	readonly body: string;
	/** Where the caller reaches the local cloud: `http://127.0.0.1:8790`. Links in answers begin so. */
	readonly origin: string;
	/** Host and path as the caller sent them, which signatures cover. */
	readonly host: string;
	readonly fullPath: string;
}

/**
 * How one cloud speaks: its paths, its checks of requests, its sentences. The VMs themselves, their boots, and faults
 * are the same for every cloud and live in `cloud.ts`.
 */
export interface Dialect {
	readonly provider: CloudName;
	operation(call: Call): Operation;
	/** The account whose credentials the call carries, or the cloud's refusal. Credentials beginning with `local` are each an account. */
	account(call: Call, nowMs: number): { readonly token: string } | Response;
	/** The region, zone or location that the call is about, as the cloud's creates name it; null: none in particular. */
	region(call: Call, account: Account): string | null;
	/**
	 * How the cloud says that it has no room for what this call asks for; `later`: not in its answer, but in what the call comes to.
	 * Null: such a call needs no room.
	 */
	soldOut(call: Call): Response | "later" | null;
	/** Answers a call as the cloud would; `account` is the caller's. */
	handle(call: Call, account: Account): Promise<Response> | Response;
	/** The body and headers with which this cloud states a failure of this status; 429 as for a burst, to be tried again soon. */
	failure(status: number, nowMs: number): Response;
	/** Headers that every answer to this account carries (its rate limit), and the refusal once that is used up. */
	meter(account: Account, nowMs: number): { readonly headers: Readonly<Record<string, string>>; readonly refusal: Response | null };
	/** The body without secrets, still of the same shape, for the journal. */
	mask(body: string): string;
	/** The same for a query (`?a=b`), where one can hold secrets. */
	maskQuery?(search: string): string;
}

/**
 * The account of `npm run dev`, by setting (`ACCESS_TOKEN`): credentials that open nothing anywhere else. `mount` is where the cloud is
 * (`http://127.0.0.1:8790/gcp`). Each cloud's module (`<cloud>.ts`) exports one as `devAccount`.
 */
export type DevAccount = (mount: string) => Promise<Readonly<Record<string, string>>>;

/** A JSON answer. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
	return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json; charset=utf-8", ...headers } });
}

const broken = new WeakSet<Response>();

/** An answer whose connection breaks: over HTTP the server cuts it, in process reading its body fails. */
export function brokenAnswer(): Response {
	const body = new ReadableStream({
		start: (controller) => controller.error(new Error("the local cloud dropped this answer")),
	});
	const answer = new Response(body);
	broken.add(answer);
	return answer;
}

/** Whether it is one: then its status is nobody's, for a caller that looks at that alone. */
export const isBroken = (answer: Response): boolean => broken.has(answer);
