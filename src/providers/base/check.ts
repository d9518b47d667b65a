import type { FailureKind } from "../../core/model/failure.ts";
import type { Vm } from "../../core/model/state.ts";
import { logError } from "../../values/log.ts";
import { type Provider, ProviderError } from "./provider.ts";

/** Calls of one look at an account: a token, and some pages of its list. */
export const CHECK_CALLS = 20;

/** What a cloud answered when an account's VMs were listed. */
export interface AccountCheck {
	readonly ok: boolean;
	/** Why it failed; null: it did not. */
	readonly kind: FailureKind | null;
	/** The cloud's own sentence, or what was found. Without secrets. */
	readonly message: string;
	/** How long it took. */
	readonly ms: number;
	/** VMs that carry the tag `muster`: of the deployment, and of others; null: not listed. */
	readonly vms: { readonly own: number; readonly others: number } | null;
}

/**
 * Whether an account's credentials are good: its VMs are listed, which creates nothing. `isOurs` says which are of this deployment; `now`
 * is in milliseconds. Never throws.
 */
export async function checkAccount(provider: () => Provider, isOurs: (vm: Vm) => boolean, now: () => number): Promise<AccountCheck> {
	const startedAt = now();
	try {
		const vms = await provider().list();
		const own = vms.filter(isOurs).length;
		const message = `the cloud takes the credentials; VMs with the tag muster: ${vms.length}`;
		return { ok: true, kind: null, message, ms: now() - startedAt, vms: { own, others: vms.length - own } };
	} catch (error) {
		if (!(error instanceof ProviderError)) logError("the check of an account", error);
		const { kind, message } =
			error instanceof ProviderError ? error.failure : { kind: "transient" as const, message: "it failed without a reason" };
		return { ok: false, kind, message, ms: now() - startedAt, vms: null };
	}
}
