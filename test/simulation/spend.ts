import type { Id, Ms, State } from "../../src/core/model/state.ts";
import type { Machine } from "./cloud.ts";
import type { Host } from "./host.ts";
import { accountAt } from "./outside.ts";
import { PROFILES } from "./profiles.ts";
import { MINUTE } from "./scenario.ts";
import type { World } from "./world.ts";

/** Pools' clocks are off by seconds, or by as much as they were set wrong, and by as much a unit of time ends earlier or later for them. */
const CLOCK_MS = 2 * MINUTE;
const EPSILON = 1e-6;

/**
 * What is spent, kept apart from what pools believe: by the VMs that the cloud bills and the prices that it told. Promise 11 is about creates:
 * none goes out that the bounds have no room for. What a price's rise, a lowered bound or a cloud's own second VM cost is no pool's doing.
 */
export class Spend {
	private readonly world: World;
	/** The last price that each pool was told, by object and settings. */
	private readonly quotes = new Map<string, number>();
	/** What each intent's VM cost when its create went out. */
	private readonly launched = new Map<Id, { readonly host: Host; readonly hourly: number }>();

	constructor(world: World) {
		this.world = world;
	}

	/** A pool is told what a VM costs with these settings. */
	quoted(host: Host, account: string, hourly: number): void {
		this.quotes.set(`${host.object} ${account}`, hourly);
	}

	/** What is wrong with the create that goes out for this intent, or null. `isTotalHeld`: D1 never lost what pools hold of the budget. */
	creating(host: Host, state: State, id: Id, isTotalHeld: boolean): string | null {
		const hourly = this.quotes.get(`${host.object} ${accountAt(state.account, state.proxies.get(id)?.place ?? null)}`);
		const own = state.spec.maxHourlyCost;
		const total = this.world.budgets.get(host.deployment) ?? null;
		if (hourly !== undefined) this.launched.set(id, { host, hourly });
		// What costs nothing fits whatever is spent.
		if ((own === null && total === null) || hourly === 0) return null;
		if (hourly === undefined) return `the create of ${id} goes out though nobody knows what it costs`;
		const ownSpent = hourly + this.spent((tags) => tags.pool === host.tag, id);
		if (own !== null && ownSpent > own + EPSILON) return `a create brings ${host.object} to ${ownSpent} an hour, its bound is ${own}`;
		const totalSpent = hourly + this.spent((tags) => tags.deployment === host.deployment, id);
		if (typeof total !== "number" || !isTotalHeld || totalSpent <= total + EPSILON) return null;
		return `a create of ${host.object} brings its deployment to ${totalSpent} an hour, its bound is ${total}`;
	}

	private spent(isMeant: (tags: { pool: string | null; deployment: string | null }) => boolean, but: Id): number {
		const { cloud, clock, hosts } = this.world;
		const skewMs = Math.max(...hosts.map((host) => Math.abs(host.skewMs)));
		let hourly = 0;
		for (const machine of cloud.machines.values()) {
			if (!isMeant(machine.tags) || machine.isTwin || machine.isBait || machine.tags.intent === but) continue;
			if (this.billedUntil(machine) - CLOCK_MS - skewMs > clock.now) hourly += this.hourlyOf(machine.tags.intent);
		}
		for (const intent of cloud.underway.keys()) {
			const host = this.launched.get(intent)?.host;
			if (host === undefined || intent === but || (cloud.byIntent.get(intent) ?? []).length > 0) continue;
			if (isMeant({ pool: host.tag, deployment: host.deployment })) hourly += this.hourlyOf(intent);
		}
		return hourly;
	}

	/** By started units, for all clouds that bill a least time. */
	private billedUntil({ madeAt, goneAt }: Machine): Ms {
		if (goneAt === null) return Number.POSITIVE_INFINITY;
		const unitMs = PROFILES[this.world.scenario.provider].minimumBilledMs;
		return unitMs === 0 ? goneAt : madeAt + Math.ceil((goneAt - madeAt) / unitMs) * unitMs;
	}

	/** A price that rose since is not held against the pool, nor that it makes use of one that fell. */
	private hourlyOf(intent: Id | null): number {
		const launch = intent === null ? undefined : this.launched.get(intent);
		if (launch === undefined || intent === null) return 0;
		const account = this.world.cloud.byIntent.get(intent)?.[0]?.account;
		return Math.min(launch.hourly, this.quotes.get(`${launch.host.object} ${account}`) ?? launch.hourly);
	}
}
