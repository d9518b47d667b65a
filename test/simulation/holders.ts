import type { Host } from "./host.ts";
import type { Random } from "./random.ts";
import { MINUTE, SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

const SITES = ["a.example", "b.example", "__proto__"] as const;
/** So often what was reported is taken back once the faults are over: a pool may be gone at the moment. */
const LAST_WORDS = 12;

/** Clients that lease proxies, and report what sites make of them. A third of the runs has them. */
export class Holders {
	private readonly world: World;
	private readonly random: Random;
	private isOver = false;
	private asked = 0;
	/** Leases that were asked for and not released. */
	private held: { readonly host: Host; readonly id: string }[] = [];

	constructor(world: World, random: Random) {
		this.world = world;
		this.random = random;
	}

	begin(): void {
		this.world.clock.after(this.random.between(30 * SECOND, 10 * MINUTE), () => {
			if (this.isOver) return;
			const host = this.random.pick(this.world.hosts);
			if (host?.isAlive) this.random.pick([this.lease, this.lease, this.release, this.renew, this.report, this.report]).call(this, host);
			this.begin();
		});
	}

	/** Leases end by themselves; what sites have banned is taken back, so that a pool can come to rest. */
	end(turn = 0): void {
		this.isOver = true;
		for (const host of this.world.hosts) if (host.isAlive) this.takeBack(host);
		if (turn < LAST_WORDS) this.world.clock.after(MINUTE, () => this.end(turn + 1));
	}

	private lease(host: Host): void {
		const { random } = this;
		const ids = Array.from({ length: random.pick([1, 1, 2, 5]) }, () => `lease${this.asked++}`);
		const seconds = random.pick([20, 120, 600, 3_600]);
		const wishes = { regions: null, exclude: [], host: random.pick([null, ...SITES]) };
		// Some clients crash and never come back to release them.
		if (random.next() < 0.7) this.held.push(...ids.map((id) => ({ host, id })));
		host.current()?.use({ do: "lease", ids, seconds, wishes });
	}

	private release(): void {
		const [one] = this.held.splice(Math.floor(this.random.next() * this.held.length), 1);
		if (one === undefined || !one.host.isAlive) return;
		this.world.watch.leases.released(one.id);
		one.host.current()?.use({ do: "endLeases", ids: [one.id] });
	}

	private renew(): void {
		if (this.held.length === 0) return;
		const { host, id } = this.random.pick(this.held);
		if (host.isAlive) host.current()?.use({ do: "renewLease", id, seconds: this.random.pick([60, 3_600]) });
	}

	private report(host: Host): void {
		const { random } = this;
		const ids = [...(host.state?.proxies.keys() ?? [])];
		const reports = ids
			.filter(() => random.next() < 0.5)
			.map((id) => ({ id, host: random.pick(SITES), outcome: random.pick(["ok", "banned", "banned", "captcha", "timeout"] as const) }));
		if (reports.length > 0) host.current()?.use({ do: "report", reports });
	}

	private takeBack(host: Host): void {
		const reports = [...(host.state?.proxies.values() ?? [])].flatMap(({ id, bans }) =>
			bans.map((ban) => ({ id, host: ban.host, outcome: "ok" as const })),
		);
		if (reports.length > 0) host.current()?.use({ do: "report", reports });
	}
}
