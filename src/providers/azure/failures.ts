import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { type Fault, jsonOrNull, quotable } from "../base/http.ts";
import { ProviderError } from "../base/provider.ts";

/**
 * What Azure's error codes mean where the status does not tell: 409 is anything from a full quota to a missing registration.
 * https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
 * https://learn.microsoft.com/azure/virtual-machines/error-codes
 */
const KINDS: readonly (readonly [RegExp, FailureKind])[] = [
	[/^(InvalidAuthenticationToken\w*|ExpiredAuthenticationToken|AuthenticationFailed\w*)$/, "auth"],
	[/^(AuthorizationFailed|LinkedAuthorizationFailed|SubscriptionNotFound|InvalidSubscriptionId|ReadOnlyDisabledSubscription)$/, "auth"],
	[/^(SkuNotAvailable|(Zonal)?AllocationFailed|Overconstrained(Zonal)?AllocationRequest\w*)$/, "capacity"],
	[/Quota|CountLimit|LimitReached|LimitExceeded/, "quota"],
	[/^(ResourceNotFound|ResourceGroupNotFound|NotFound|ParentResourceNotFound|InvalidResourceReference)$/, "notFound"],
	[/^(Conflict|PreconditionFailed|PropertyChangeNotAllowed|OperationPreempted|AnotherOperationInProgress)$/, "conflict"],
	[/^(NicInUse|NicReservedForAnotherVm|(InUse)?PublicIPAddressCannotBeDeleted)$/, "conflict"],
	[/^(Retryable\w*|ReferencedResourceNotProvisioned|ResourceGroupBeingDeleted|Internal\w*|NetworkingInternalOperationError)$/, "transient"],
	[/^(RequestDisallowedByPolicy|MissingSubscriptionRegistration|InvalidResourceLocation|\w*ImageNotFound)$/, "invalid"],
];

function kindOf(code: string, message: string): FailureKind | null {
	// One code for what the account may not have more of and for what cannot be done at all.
	if (code === "OperationNotAllowed") return /quota|limit/i.test(message) ? "quota" : "invalid";
	return KINDS.find(([pattern]) => pattern.test(code))?.[1] ?? null;
}

const ErrorBody = z.object({ error: z.object({ code: z.string().nullish(), message: z.string().nullish() }) });

/** What an answer that is no success says. */
export function faultOf({ status, text }: { readonly status: number; readonly text: string }): Fault {
	const body = ErrorBody.safeParse(jsonOrNull(text));
	if (!body.success) return { say: null, kind: null };
	const code = body.data.error.code ?? "";
	const message = body.data.error.message ?? "";
	const kind = kindOf(code, message);
	// Too many calls have many names. And whether a server's fault has done something depends on what was asked.
	const isTold = status === 429 ? kind === "conflict" || kind === "transient" : status < 500;
	return { say: message || code || null, kind: isTold ? kind : null, code };
}

/** What an operation failed of that was accepted before. */
export function operationFailure(
	error: { readonly code?: string | null | undefined; readonly message?: string | null | undefined },
	confidential: readonly string[],
): ProviderError {
	const code = error.code ?? "";
	const message = error.message ?? "";
	const say = quotable(`${code}: ${message}`, { provider: "Azure", secrets: [], confidential });
	return new ProviderError({ kind: kindOf(code, message) ?? "invalid", say }, code);
}
