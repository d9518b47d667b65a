import type { Controller } from "../controller/controller.ts";
import { leasesOf } from "../core/model/leases.ts";
import type { LeaseOutcome, LeaseRequest } from "../rpc/pool.ts";

/** Leases proxies of a pool, as many as there are free; fewer, or none, are no fault. */
export async function leaseOf(controller: Controller, { ids, seconds, wishes }: LeaseRequest): Promise<LeaseOutcome> {
	const refusal = controller.refusalOf({ do: "lease", ids, seconds, wishes });
	if (refusal !== null) return { ok: false, ...refusal };
	await controller.command({ do: "lease", ids, seconds, wishes });
	const leases = leasesOf(controller.state).filter(({ id }) => ids.includes(id));
	const none = leases.filter(({ proxy }) => proxy === null).map(({ id }) => id);
	// Nobody waits for these, and the proxy that is free next is not theirs.
	if (none.length > 0) await controller.command({ do: "endLeases", ids: none });
	return { ok: true, leases: leases.filter(({ proxy }) => proxy !== null) };
}
