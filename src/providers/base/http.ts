import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import type { Rate } from "../../core/model/state.ts";
import { type ProviderContext, ProviderError } from "./provider.ts";

/** Lists and finds answer within this or are asked again. */
const READ_DEADLINE_MS = 10_000;
/** Creates take clouds longer; cutting one short costs a look-up. */
const CHANGE_DEADLINE_MS = 30_000;
/** An object has 128 MB for everything: a page of 200 large VMs is well under 1 MB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** A provider's sentence is quoted up to this length. */
const MAX_SAY_CHARS = 300;
/** Pieces of confidential texts from this length on are not quoted. */
const QUOTE_CHARS = 24;
/** A provider's "not before" beyond this is taken as nonsense (a wrong clock, milliseconds for seconds). */
const MAX_RETRY_MS = 24 * 3_600_000;

/** Reads a 2xx answer: its body, and where it matters the rest of it. */
export type Read<T> = (text: string, answer: Pick<Response, "status" | "headers">) => T;

export interface HttpRequest<T> {
	/** The provider's name, as sentences begin: "DigitalOcean". */
	readonly provider: string;
	/** Scheme, host and perhaps a path, without a slash at the end. */
	readonly baseUrl: string;
	/** With its leading slash and its query, encoded. */
	readonly path: string;
	readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	readonly headers: Readonly<Record<string, string>>;
	/** Text goes as it is (name its content type); anything else goes as JSON. */
	readonly body?: unknown;
	/** True for a POST that only reads (EC2's Describe calls), so that its loss is harmless. Otherwise GET reads, all else changes. */
	readonly reads?: boolean;
	/** Makes a 2xx answer's body into what the caller needs, and throws when it cannot; {@link json} or {@link ignored}. */
	readonly read: Read<T>;
	/** Values that no error may repeat. */
	readonly secrets: readonly string[];
	/** Texts that hold secrets (user data): a sentence that quotes from them is withheld. */
	readonly confidential?: readonly string[];
	/** How long it may take, where that is less than usual: one of several calls that must be over by a time. */
	readonly deadlineMs?: number;
	/** Where a used-up quota is refilled steadily rather than at once at the stated reset: how long until it is worth another look. */
	readonly refillMs?: number;
	/** What the provider itself says of an error: its sentence, and its kind where the status alone does not tell. */
	readonly fault?: (answer: { readonly status: number; readonly text: string }) => Fault;
}

export interface Fault {
	readonly message: string | null;
	readonly kind: FailureKind | null;
	/** See {@link ProviderError}. */
	readonly code?: string;
}

/** Reads an answer as JSON of that shape. */
export const json =
	<T>(shape: z.ZodType<T>) =>
	(text: string): T =>
		shape.parse(JSON.parse(text));

/** What a cloud says of an error where its body is JSON of that shape; of any other (a gateway's page) the status says all. */
export const faultIn =
	<T>(shape: z.ZodType<T>, tell: (body: T, status: number) => Fault) =>
	({ status, text }: { readonly status: number; readonly text: string }): Fault => {
		const body = shape.safeParse(jsonOrNull(text));
		return body.success ? tell(body.data, status) : { message: null, kind: null };
	};

/** Text as JSON; null where it is none: a gateway's page, an operator's slip. */
export function jsonOrNull(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

/** For answers of which the status says all; their bodies are not even read. */
export const ignored = (): void => undefined;

/**
 * One call to a provider: counted, timed, bounded, never repeated, never redirected. Resolves with what `read` makes of a
 * 2xx answer; throws {@link ProviderError} for everything else. Where the answer to a change is lost (time-out, dropped
 * connection, 5xx, unreadable 2xx) that error is `unknown`; for a read it is `transient`.
 */
export async function request<T>(context: ProviderContext, wanted: HttpRequest<T>): Promise<T> {
	const reads = wanted.reads ?? wanted.method === "GET";
	const lost: FailureKind = reads ? "transient" : "unknown";
	const fail = (kind: FailureKind, text: string) => new ProviderError({ kind, message: quotable(text, wanted) });
	const { url, init } = prepare(wanted);
	context.countCall();

	// The clock starts with the call itself: a caller that waited for its turn has its whole deadline.
	const deadlineMs = Math.min(reads ? READ_DEADLINE_MS : CHANGE_DEADLINE_MS, wanted.deadlineMs ?? Number.POSITIVE_INFINITY);
	const stop = new AbortController();
	const timer = setTimeout(() => stop.abort(), deadlineMs);
	let response: Response | undefined;
	let text: string | null;
	try {
		// Called as a bare function: the platform's fetch refuses another `this`.
		const { fetch } = context;
		response = await fetch(url, { ...init, redirect: "manual", signal: stop.signal });
		const rate = readRate(response.headers, context.now(), wanted);
		if (rate !== null) context.observeRate(rate);
		if (response.ok && (wanted.read as unknown) === ignored) {
			response.body?.cancel().catch(() => undefined); // a body that no one reads has nothing to say
			return wanted.read("", response);
		}
		text = await readBounded(response, stop.signal);
	} catch (error) {
		throw fail(lost, stop.signal.aborted ? `no answer within ${deadlineMs / 1000} s` : `the connection failed (${messageOf(error)})`);
	} finally {
		clearTimeout(timer);
		context.observeAnswer?.(response === undefined ? "lost" : String(response.status));
	}

	const { status, headers } = response;
	if (!response.ok) throw failureOf(wanted, lost, status, headers, text ?? "", context.now());
	if (text === null) throw fail(lost, `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
	try {
		return wanted.read(text, response);
	} catch (error) {
		throw fail(lost, `HTTP ${status} with a body that cannot be read${placeOf(error)}`);
	}
}

/** Where an answer is not of the shape that was read: "; servers.3.status: invalid_type". What stands there instead is not repeated: it can be anything. */
function placeOf(error: unknown): string {
	const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
	return issue === undefined ? "" : `; ${issue.path.join(".") || "all of it"}: ${issue.code}`;
}

function failureOf(
	wanted: HttpRequest<unknown>,
	lost: FailureKind,
	status: number,
	headers: Headers,
	text: string,
	now: number,
): ProviderError {
	const fault: Fault = wanted.fault?.({ status, text }) ?? { message: null, kind: null };
	const kind = fault.kind ?? kindOf(status, lost);
	const message = quotable(fault.message === null ? `HTTP ${status}` : `${fault.message} (HTTP ${status})`, wanted);
	const retryAt = kind === "rate" || kind === "transient" ? readRetryAt(headers, kind, now, wanted) : null;
	return new ProviderError(retryAt === null ? { kind, message } : { kind, message, retryAt }, fault.code ?? null);
}

/** What a status means where a provider says nothing else. */
function kindOf(status: number, lost: FailureKind): FailureKind {
	if (status === 401 || status === 403) return "auth";
	if (status === 404) return "notFound";
	if (status === 409) return "conflict";
	if (status === 429) return "rate";
	// 408: the server gave up waiting for the rest of the request, or something before it did.
	if (status >= 500 || status === 408) return lost;
	// A redirect is never followed: it would carry the credentials to wherever the answer says.
	return "invalid";
}

/** Whatever can be wrong with the request itself is found before it goes out, so that it is never taken for a lost answer. */
function prepare(wanted: HttpRequest<unknown>): { url: string; init: RequestInit } {
	try {
		const headers = new Headers(wanted.headers);
		if (!headers.has("accept")) headers.set("accept", "application/json");
		if (!headers.has("user-agent")) headers.set("user-agent", "muster");
		const init: RequestInit = { method: wanted.method, headers };
		if (typeof wanted.body === "string") init.body = wanted.body;
		else if (wanted.body !== undefined) {
			headers.set("content-type", "application/json");
			init.body = JSON.stringify(wanted.body);
		}
		return { url: new URL(wanted.baseUrl + wanted.path).href, init };
	} catch {
		// The platform's own message may quote a header's value, hence the token.
		const message = quotable("the request could not be built: a setting holds a character that HTTP does not carry", wanted);
		throw new ProviderError({ kind: "invalid", message });
	}
}

/** The whole body as text; null when it is longer than {@link MAX_ANSWER_BYTES}. */
async function readBounded(response: Response, signal: AbortSignal): Promise<string | null> {
	if (response.body === null) return "";
	const reader = response.body.getReader();
	const cancel = () => void reader.cancel().catch(() => undefined); // what is cancelled has no one left to tell
	signal.addEventListener("abort", cancel);
	const decoder = new TextDecoder();
	let text = "";
	let bytes = 0;
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (signal.aborted) throw new Error("aborted");
			if (done) return text + decoder.decode();
			bytes += value.byteLength;
			if (bytes > MAX_ANSWER_BYTES) {
				cancel();
				return null;
			}
			text += decoder.decode(value, { stream: true });
		}
	} finally {
		signal.removeEventListener("abort", cancel);
	}
}

/** The provider's words, on one line, bounded, and without what must not be repeated. */
export function quotable(text: string, wanted: Pick<HttpRequest<unknown>, "provider" | "secrets" | "confidential">): string {
	let words = text.replace(/[\p{C}\s]+/gu, " ").trim();
	for (const secret of wanted.secrets) {
		for (const spelling of new Set([secret, encodeURIComponent(secret)])) {
			if (spelling !== "") words = words.replaceAll(spelling, "***");
		}
	}
	// Cut after the secrets are gone: a cut through one would leave its beginning.
	words = words.slice(0, MAX_SAY_CHARS);
	for (const confidential of wanted.confidential ?? []) {
		for (let at = 0; at + QUOTE_CHARS <= words.length; at++) {
			if (confidential.includes(words.slice(at, at + QUOTE_CHARS))) {
				words = "an error whose text quotes the request and is withheld for that";
			}
		}
	}
	return `${wanted.provider}: ${words}`;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : "unknown");

/** The account's rate limit as `RateLimit-Limit`, `-Remaining` and `-Reset` state it (the last in Unix seconds); null without all three. */
function readRate(headers: Headers, now: number, { refillMs }: Pick<HttpRequest<unknown>, "refillMs">): Rate | null {
	const read = (name: string) => wholeNumber(headers.get(`ratelimit-${name}`));
	const [limit, remaining, reset] = [read("limit"), read("remaining"), read("reset")];
	if (limit === null || remaining === null || reset === null) return null;
	return { limit, remaining, resetAt: Math.min(reset * 1000, now + (refillMs ?? MAX_RETRY_MS)) };
}

/** When the provider may be asked again: `Retry-After` (seconds or a date), else for a used-up quota its reset; null where neither is given. */
function readRetryAt(headers: Headers, kind: FailureKind, now: number, wanted: HttpRequest<unknown>): number | null {
	const after = headers.get("retry-after");
	const seconds = wholeNumber(after);
	if (seconds !== null) return now + Math.min(seconds * 1000, MAX_RETRY_MS);
	const date = after === null ? Number.NaN : Date.parse(after);
	const reset = kind === "rate" ? (readRate(headers, now, wanted)?.resetAt ?? Number.NaN) : Number.NaN;
	const at = Number.isNaN(date) ? reset : date;
	return Number.isNaN(at) ? null : Math.min(Math.max(at, now), now + MAX_RETRY_MS);
}

const wholeNumber = (text: string | null) => (text !== null && /^\d{1,15}$/.test(text.trim()) ? Number(text) : null);
