import { MultiException } from "chanfana";
import { DatabaseUnavailable } from "../../d1/database.ts";

/**
 * What a handler throws when it cannot do what it was asked: `detail` is one sentence for the caller, without any secret,
 * that says what was wrong and what is allowed. `app.onError` turns it into the answer; no handler builds one.
 */
export class ApiError extends Error {
	readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 422 | 426 | 429 | 500 | 503;
	readonly headers: Readonly<Record<string, string>>;
	constructor(status: ApiError["status"], name: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
		super(detail);
		this.name = name;
		this.status = status;
		this.headers = headers;
	}
}

/** The request cannot be read: not JSON, or of a content type that is not taken. */
export class BadRequest extends ApiError {
	constructor(detail: string) {
		super(400, "BadRequest", detail);
	}
}

export class Unauthorized extends ApiError {
	constructor(detail: string) {
		super(401, "Unauthorized", detail, { "WWW-Authenticate": 'Bearer realm="muster"' });
	}
}

/** A request that names no endpoint, from an address that is no proxy's: whatever key it carries. */
export class NotFromEndpoint extends Unauthorized {
	constructor() {
		super("Must query from endpoint ip.");
	}
}

/** The key is right, and opens something else. */
export class Forbidden extends ApiError {
	constructor(detail: string) {
		super(403, "Forbidden", detail);
	}
}

export class NotFound extends ApiError {
	/** `retryAfterSeconds`: where it is known when there will be one. */
	constructor(detail: string, retryAfterSeconds?: number) {
		super(404, "NotFound", detail, retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) });
	}
}

export class MethodNotAllowed extends ApiError {
	constructor(method: string, path: string, allowed: readonly string[]) {
		super(405, "MethodNotAllowed", `${method} is not allowed on ${path}; allowed are ${allowed.join(", ")}.`, {
			Allow: allowed.join(", "),
		});
	}
}

export class UpgradeRequired extends ApiError {
	constructor() {
		super(426, "UpgradeRequired", "This is a WebSocket: ask for it with Upgrade: websocket.", { Upgrade: "websocket" });
	}
}

export class Conflict extends ApiError {
	constructor(detail: string) {
		super(409, "Conflict", detail);
	}
}

export class PayloadTooLarge extends ApiError {
	constructor(maxBytes: number) {
		super(413, "PayloadTooLarge", `The request's body is larger than ${maxBytes / 1024} KiB.`);
	}
}

/** One value or several are not what they may be; `issues` holds each by section (`body`, `query`, `params`) and field. */
export class ValidationError extends ApiError {
	readonly issues: readonly Issue[];
	constructor(detail: string, issues: readonly Issue[] = []) {
		super(422, "ValidationError", detail);
		this.issues = issues;
	}
}

/** A query parameter is not what it may be; `message` goes on after its name, without a full stop. */
export function invalidQuery(field: string, message: string): ValidationError {
	return new ValidationError(`${field} ${message}.`, [{ section: "query", field, message }]);
}

/** What a pool's refusal of an order is answered with. */
export function refused({ error, message }: { readonly error: "notFound" | "conflict"; readonly message: string }): NotFound | Conflict {
	return error === "notFound" ? new NotFound(message) : new Conflict(message);
}

export interface Issue {
	readonly section: string;
	readonly field: string;
	readonly message: string;
}

export class TooManyRequests extends ApiError {
	constructor(detail: string, retryAfterSeconds: number) {
		super(429, "TooManyRequests", detail, { "Retry-After": String(retryAfterSeconds) });
	}
}

export class ServiceUnavailable extends ApiError {
	constructor(detail: string, retryAfterSeconds: number) {
		super(503, "ServiceUnavailable", detail, { "Retry-After": String(retryAfterSeconds) });
	}
}

export class InternalServerError extends ApiError {
	constructor() {
		super(500, "InternalServerError", "Something went wrong here; the log has the request's id.");
	}
}

const DATABASE_RETRY_SECONDS = 5;

/** Whatever was thrown as an ApiError; what nobody foresaw becomes a 500 that reveals nothing. */
export function asApiError(thrown: unknown): ApiError {
	if (thrown instanceof ApiError) return thrown;
	if (thrown instanceof DatabaseUnavailable) return new ServiceUnavailable(`${thrown.message} Try again.`, DATABASE_RETRY_SECONDS);
	if (thrown instanceof MultiException) return invalid(thrown);
	return new InternalServerError();
}

/** chanfana's collected faults of one request as one sentence. */
function invalid(exception: MultiException): ValidationError {
	const issues = exception.errors.map((error): Issue => {
		const path = "path" in error && Array.isArray(error.path) ? error.path.map(String) : [];
		return { section: path[0] ?? "request", field: path.slice(1).join("."), message: error.message };
	});
	// A value can be wrong in two ways that have one message.
	return new ValidationError([...new Set(issues.map(sentence))].join(" "), issues);
}

/** "max_scaling must be …." where the message continues the field's name, else "field: message." */
function sentence({ section, field, message }: Issue): string {
	const subject = field === "" ? `The ${section}` : field;
	const text = /^[a-z]/.test(message) ? `${subject} ${message}` : `${subject}: ${message}`;
	return text.endsWith(".") ? text : `${text}.`;
}
