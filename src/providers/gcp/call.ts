import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { type Fault, type HttpRequest, json, quotable, request } from "../base/http.ts";
import { type ProviderContext, ProviderError } from "../base/provider.ts";
import { type ServiceAccountKey, withToken } from "./token.ts";

/** Calls of Compute Engine's API v1, and the operations that they begin (https://cloud.google.com/compute/docs/reference/rest/v1). */

export interface GcpAccess {
	readonly project: string;
	readonly service_account_key: ServiceAccountKey;
	readonly api_url: string;
}

/** Something that goes on after the answer. Its `error` says that it failed, whatever the answer's status was. */
export const Operation = z.object({
	name: z.string(),
	status: z.enum(["PENDING", "RUNNING", "DONE"]),
	error: z.object({ errors: z.array(z.object({ code: z.string().nullish(), message: z.string().nullish() })).nullish() }).nullish(),
});
export type Operation = z.infer<typeof Operation>;

/** `path` is what follows the project: `/zones/us-central1-a/instances`. */
export function compute<T>(
	context: ProviderContext,
	access: GcpAccess,
	method: HttpRequest<T>["method"],
	path: string,
	read: (text: string) => T,
	more: Pick<HttpRequest<T>, "body" | "confidential" | "reads"> = {},
): Promise<T> {
	const key = access.service_account_key;
	return withToken(context, key, (token) =>
		request(context, {
			provider: "GCP",
			baseUrl: access.api_url,
			path: `/compute/v1/projects/${encodeURIComponent(access.project)}${path}`,
			method,
			headers: { authorization: `Bearer ${token}` },
			read,
			secrets: [token, key.text],
			fault,
			...more,
		}),
	);
}

/**
 * The operation once it has ended (`wait` answers then), or as it was accepted, where its end cannot be seen: it goes on,
 * and a later look shows what came of it.
 */
export async function settled(context: ProviderContext, access: GcpAccess, where: string, operation: Operation): Promise<Operation> {
	if (operation.status === "DONE") return operation;
	const path = `${where}/operations/${encodeURIComponent(operation.name)}/wait`;
	return compute(context, access, "POST", path, json(Operation), { reads: true }).catch(() => operation);
}

/** Throws what an operation failed of. `confidential`: as for a request. */
export function assertSucceeded({ error }: Operation, confidential: readonly string[] = []): void {
	const first = error?.errors?.[0];
	if (first === undefined) return;
	const code = first.code ?? "";
	const say = quotable(`${code}: ${first.message ?? ""}`, { provider: "GCP", secrets: [], confidential });
	throw new ProviderError({ kind: kindOf(code) ?? "invalid", say });
}

/**
 * What a reason or an operation's code means where its status does not tell: rate limits and quotas are both 403.
 * https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation
 */
const KINDS: readonly (readonly [RegExp, FailureKind])[] = [
	[/^(rateLimitExceeded|userRateLimitExceeded|dailyLimitExceeded|RATE_LIMIT_EXCEEDED)$/, "rate"],
	[/^(ZONE_)?RESOURCE_POOL_EXHAUSTED(_WITH_DETAILS)?$$|^stockout$/, "capacity"],
	[/^(quotaExceeded|limitExceeded|QUOTA_EXCEEDED|LIMIT_EXCEEDED)$/, "quota"],
	[/^(alreadyExists|RESOURCE_ALREADY_EXISTS|resourceNotReady|RESOURCE_NOT_READY|resourceInUseByAnotherResource)$/, "conflict"],
	[/^(notFound|RESOURCE_NOT_FOUND)$/, "notFound"],
	[/^(authError|required|forbidden|accessNotConfigured|PERMISSION\w*|billingNotEnabled)$/, "auth"],
	[/^(backendError|INTERNAL_ERROR|internalError)$/, "unknown"],
];
const kindOf = (code: string) => KINDS.find(([pattern]) => pattern.test(code))?.[1] ?? null;

const ErrorBody = z.object({
	error: z.object({ message: z.string().nullish(), errors: z.array(z.object({ reason: z.string().nullish() })).nullish() }),
});

function fault({ text, status }: { text: string; status: number }): Fault {
	let error: z.infer<typeof ErrorBody>["error"];
	try {
		error = json(ErrorBody)(text).error;
	} catch {
		return { say: null, kind: null }; // a gateway's page: its status is all that it says
	}
	const reason = error.errors?.[0]?.reason ?? "";
	// A server's fault is told by its status: whether it may have been done depends on what was asked.
	return { say: error.message ?? (reason || null), kind: status >= 500 && kindOf(reason) === "unknown" ? null : kindOf(reason) };
}
