import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { faultIn, json, quotable } from "../base/http.ts";
import { Tokens } from "../base/oauth.ts";
import { type ProviderContext, ProviderError } from "../base/provider.ts";
import { type Rest, type RestApi, withQuery } from "../base/rest.ts";
import { fetchAccessToken, type ServiceAccountKey } from "./token.ts";

export interface GcpAccess {
	readonly project: string;
	readonly service_account_key: ServiceAccountKey;
	readonly api_url: string;
}

const tokens = new Tokens();

/** Compute Engine's API v1 (https://cloud.google.com/compute/docs/reference/rest/v1). Paths are what follows the project: `/zones/Z/instances`. */
export function gcpApi(context: ProviderContext, { api_url, project, service_account_key: key }: GcpAccess): RestApi {
	const { email, keyId, tokenUri, privateKey } = key;
	return {
		provider: "GCP",
		baseUrl: `${api_url}/compute/v1/projects/${encodeURIComponent(project)}`,
		access: tokens.access(context, [email, keyId, tokenUri, privateKey], [key.text], () => fetchAccessToken(context, key)),
		fault,
		pages: {
			first: null,
			path: (list, cursor) => (cursor === null ? list : withQuery(list, `pageToken=${encodeURIComponent(cursor)}`)),
			next: ({ body }) => Page.parse(body).nextPageToken || null,
			omitsEmpty: true,
		},
	};
}

const Page = z.object({ nextPageToken: z.string().nullish() });

/** Something that goes on after the answer. Its `error` says that it failed, whatever the answer's status was. */
export const Operation = z.object({
	name: z.string(),
	status: z.enum(["PENDING", "RUNNING", "DONE"]),
	error: z.object({ errors: z.array(z.object({ code: z.string().nullish(), message: z.string().nullish() })).nullish() }).nullish(),
});
export type Operation = z.infer<typeof Operation>;

/**
 * The operation once it has ended (`wait` answers then), or as it was accepted, where its end cannot be seen: it goes on,
 * and a later look shows what came of it.
 */
export async function settled(rest: Rest, where: string, operation: Operation): Promise<Operation> {
	if (operation.status === "DONE") return operation;
	const path = `${where}/operations/${encodeURIComponent(operation.name)}/wait`;
	return rest.call("POST", path, json(Operation), { reads: true }).catch(() => operation);
}

/** Throws what an operation failed of. `confidential`: as for a request. */
export function assertSucceeded({ error }: Operation, confidential: readonly string[] = []): void {
	const first = error?.errors?.[0];
	if (first === undefined) return;
	const code = first.code ?? "";
	const message = quotable(`${code}: ${first.message ?? ""}`, { provider: "GCP", secrets: [], confidential });
	throw new ProviderError({ kind: kindOf(code) ?? "invalid", message });
}

/**
 * What a reason or an operation's code means where its status does not tell: rate limits and quotas are both 403.
 * https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation
 */
const KINDS: readonly (readonly [RegExp, FailureKind])[] = [
	[/^(rateLimitExceeded|userRateLimitExceeded|dailyLimitExceeded|RATE_LIMIT_EXCEEDED)$/, "rate"],
	[/^(ZONE_)?RESOURCE_POOL_EXHAUSTED(_WITH_DETAILS)?$|^stockout$/, "capacity"],
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

const fault = faultIn(ErrorBody, ({ error }, status) => {
	const reason = error.errors?.[0]?.reason ?? "";
	// A server's fault is told by its status: whether it may have been done depends on what was asked.
	return { message: error.message ?? (reason || null), kind: status >= 500 && kindOf(reason) === "unknown" ? null : kindOf(reason) };
});
