import type { FailureKind } from "../../core/model/failure.ts";
import { ProviderError } from "./provider.ts";

/** What drivers do with a call that failed. */

/** Whether it is a provider's failure of that kind. */
export function isFailure(error: unknown, ...kinds: readonly FailureKind[]): error is ProviderError {
	return error instanceof ProviderError && kinds.includes(error.failure.kind);
}

/** The same error, its kind replaced where the table says so: what a status means depends on what was asked. */
export function as(error: unknown, kinds: Partial<Record<FailureKind, FailureKind>>): unknown {
	if (!(error instanceof ProviderError)) return error;
	const kind = kinds[error.failure.kind];
	return kind === undefined ? error : new ProviderError({ ...error.failure, kind }, error.code, { cause: error });
}

/**
 * What went wrong while seeing to what must be there before a VM: none was made, so that it is never `unknown`, and a
 * `conflict` or `notFound` (someone made or removed it meanwhile) is worth another try.
 */
export function asBeforeCreate(error: unknown): unknown {
	return as(error, { unknown: "transient", conflict: "transient", notFound: "transient" });
}

/** Null where the cloud itself says that there is no such thing; every other failure is thrown. */
export async function orNull<T>(call: Promise<T>): Promise<T | null> {
	try {
		return await call;
	} catch (error) {
		if (isFailure(error, "notFound")) return null;
		throw error;
	}
}

/** The one call, and where the cloud refuses that as `kind`, so that it is certainly not done, the other. */
export async function orElse<T>(call: Promise<T>, kind: FailureKind, other: () => Promise<T>): Promise<T> {
	try {
		return await call;
	} catch (error) {
		if (!isFailure(error, kind)) throw error;
		return other();
	}
}
