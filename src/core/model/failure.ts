import type { Ms } from "./basics.ts";

/**
 * Why a call failed.
 * - `auth`: credentials refused. `quota`, `capacity`: nothing was made, back off. `rate`: nothing was done, honour `retryAt`.
 * - `notFound`. `conflict`: exists already, or is busy. `invalid`: the request is wrong, retrying cannot help.
 * - `transient`: certainly not done, may be retried. `unknown`: may or may not have been done; look before acting again.
 */
export type FailureKind = "auth" | "quota" | "capacity" | "rate" | "notFound" | "conflict" | "transient" | "invalid" | "unknown";
export interface Failure {
	readonly kind: FailureKind;
	/** The provider's own sentence, without secrets. */
	readonly message: string;
	readonly retryAt?: Ms;
}

/** Whether trying again cannot help. */
export function isFinal({ kind }: Failure): boolean {
	return kind === "notFound" || kind === "conflict" || kind === "invalid";
}
