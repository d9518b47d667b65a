import type { Effect, Event } from "../../src/core/events.ts";
import type { Ms, State } from "../../src/core/state.ts";
import { NOW, vmsOf, writeSyntheticPool } from "./core-rows.ts";
import { BenchStorage } from "./core-storage.ts";
import type { Ports, Tree } from "./core-tree.ts";

const MOST_SETTLING_PASSES = 500;

/** A synthetic pool that one revision's own code loads, keeps, publishes and runs passes of; the cloud and D1 answer at once. */
export class BenchPool {
	private readonly tree: Tree;
	private readonly proxies: number;
	private readonly store: InstanceType<Tree["Store"]>;
	private readonly ledger: InstanceType<Tree["Ledger"]>;
	private current: State;
	private effects = 0;
	/** What each publication so far wrote: the bytes of all values bound to its statements. */
	readonly publishedBytes: number[] = [];
	now: Ms = NOW;

	constructor(tree: Tree, proxies: number) {
		this.tree = tree;
		this.proxies = proxies;
		const storage = new BenchStorage();
		writeSyntheticPool(storage, proxies);
		this.store = new tree.Store(storage);
		this.ledger = new tree.Ledger();
		const stored = this.store.load();
		if (stored === null) throw new Error("the synthetic pool cannot be loaded");
		this.current = stored.state;
	}

	get state(): State {
		return this.current;
	}

	/** A fact from outside, as a request brings it: folded, stored, and the alarm armed for what follows from it. */
	take(event: Event): void {
		this.tree.take(this.ports, event);
	}

	/** What came of an effect, as a pass takes it in: folded and stored. */
	fold(event: Event): void {
		const before = this.current;
		this.ports.commit(before, this.tree.apply(before, event, this.now), null);
	}

	plan(): void {
		this.tree.plan(this.current, this.now, this.ports.random);
	}

	/** Answers how many effects it carried out. */
	async pass(): Promise<number> {
		this.effects = 0;
		await this.tree.pass(this.ports);
		return this.effects;
	}

	/** Passes until one has nothing to do. */
	async settle(): Promise<void> {
		for (let passes = 0; passes < MOST_SETTLING_PASSES; passes++) {
			const before = this.current;
			if ((await this.pass()) === 0 && this.current === before) return;
		}
		throw new Error("the synthetic pool finds no rest");
	}

	private readonly ports: Ports = {
		load: () => this.current,
		commit: (before, after) => {
			this.store.save(before, after, this.now);
			this.current = after;
		},
		call: async (effect, state) => {
			this.effects++;
			return this.carryOut(effect, state);
		},
		mintToken: () => "0".repeat(64),
		callsMade: () => 0,
		now: () => this.now,
		// No proxy of the sample is probed: chance would decide what is measured.
		random: () => 0.999,
	};

	private async carryOut(effect: Effect, state: State): Promise<Event> {
		const { now } = this;
		switch (effect.call) {
			case "publish":
				await this.publish(state, effect.version);
				return { on: "published", hash: effect.hash, version: effect.version, startedAt: now, logSeq: state.logSeq };
			case "sessions":
				return { on: "sessionsShown", hash: this.tree.sessionsHash?.(state) ?? "" };
			case "list":
				return { on: "listed", startedAt: now, vms: vmsOf(this.proxies) };
			case "price":
				return { on: "priced", account: effect.account, price: { hourly: 0.006, currency: "USD", asOf: now } };
			case "probe":
				return { on: "probed", id: effect.id, verdict: { is: "ok", active: null }, startedAt: now };
			case "restart":
				return { on: "accepted", effect };
			default:
				throw new Error(`the synthetic pool asks for ${effect.call}, which nothing here answers`);
		}
	}

	private async publish(state: State, version: number): Promise<void> {
		const { acknowledge, ...changes } = this.ledger.changes(state);
		let bytes = 0;
		const statement = (values: readonly unknown[]) => {
			for (const value of values) if (value !== null) bytes += Buffer.byteLength(String(value));
			return {};
		};
		const db = {
			prepare: () => ({ bind: (...values: readonly unknown[]) => statement(values) }),
			batch: async (statements: readonly unknown[]) =>
				statements.map(() => ({ results: [{ incarnation: state.pool.incarnation, version }] })),
		};
		await this.tree.publish(db, {
			object: state.pool.object,
			incarnation: state.pool.incarnation,
			version,
			now: this.now,
			summary: { displayName: "DigitalOcean", settings: { size: "s-1vcpu-512mb-10gb", region: "lon1" }, ...this.tree.summaryOf(state) },
			credentials: Object.fromEntries(state.credentials.map(({ version: of, username, password }) => [of, [username, password]])),
			...changes,
			log: state.log,
		});
		this.publishedBytes.push(bytes);
		acknowledge();
	}
}
