import type { Effect } from "../../src/core/effects/index.ts";
import type { Ms, State } from "../../src/core/model/state.ts";
import { NOW, vmsOf, writeSyntheticPool } from "./core-rows.ts";
import { BenchStorage } from "./core-storage.ts";
import type { Carried, Tree } from "./core-tree.ts";

const MOST_SETTLING_PASSES = 500;

/** A synthetic pool that one revision's own code loads, keeps, publishes and runs passes of; the cloud and D1 answer at once. */
export class BenchPool {
	private readonly tree: Tree;
	private readonly proxies: number;
	private readonly carried: Carried;
	private readonly ledger: InstanceType<Tree["Ledger"]>;
	private effects = 0;
	/** What each publication so far wrote: the bytes of all values bound to its statements. */
	readonly publishedBytes: number[] = [];
	now: Ms = NOW;

	constructor(tree: Tree, proxies: number) {
		this.tree = tree;
		this.proxies = proxies;
		this.ledger = new tree.Ledger();
		const storage = new BenchStorage();
		writeSyntheticPool(storage, proxies);
		this.carried = tree.carry(storage, {
			now: () => this.now,
			// No proxy of the sample is probed: chance would decide what is measured.
			random: () => 0.999,
			call: (effect, state) => {
				this.effects++;
				return this.carryOut(effect, state);
			},
		});
	}

	get state(): State {
		return this.carried.state();
	}

	/** A fact as a request brings it. */
	take(fact: unknown): void {
		this.carried.take(fact);
	}

	/** What came of an effect, as a pass takes it in. */
	dispatch(effect: Effect, result: unknown): void {
		this.carried.dispatch(effect, result);
	}

	plan(): void {
		this.carried.plan();
	}

	/** Answers how many effects it carried out. */
	async pass(): Promise<number> {
		this.effects = 0;
		await this.carried.pass();
		return this.effects;
	}

	/** Passes until one has nothing to do. */
	async settle(): Promise<void> {
		for (let passes = 0; passes < MOST_SETTLING_PASSES; passes++) {
			const before = this.state;
			if ((await this.pass()) === 0 && this.state === before) return;
		}
		throw new Error("the synthetic pool finds no rest");
	}

	/** What is answered to an effect; `sessions` is one that earlier revisions have. */
	private async carryOut(effect: Effect | { readonly call: "sessions" }, state: State): Promise<unknown> {
		switch (effect.call) {
			case "publish":
				await this.publish(state, effect.version);
				return { logSeq: state.logSeq, ended: [], hidden: [] };
			case "list":
				return vmsOf(this.proxies);
			case "price":
				return { hourly: 0.006, currency: "USD", asOf: this.now };
			case "retired":
				return [];
			case "probe":
				return { is: "ok", active: null };
			case "restart":
			case "sessions":
				return null;
			default:
				throw new Error(`the synthetic pool asks for ${effect.call}, which nothing here answers`);
		}
	}

	private async publish(state: State, version: number): Promise<void> {
		const { acknowledge, ...changes } = this.ledger.changes(state);
		const { incarnation } = state.pool;
		let bytes = 0;
		const bind = (...values: readonly unknown[]) => {
			for (const value of values) if (value !== null) bytes += Buffer.byteLength(String(value));
			return {};
		};
		const db = {
			prepare: () => ({ bind }),
			batch: async (statements: readonly unknown[]) => statements.map(() => ({ results: [{ incarnation, version }] })),
		};
		await this.tree.publish(db, {
			object: state.pool.object,
			incarnation,
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
