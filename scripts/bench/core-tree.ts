/**
 * Where a revision keeps what `bench --only core` measures, and how it is run there. The one place that knows of the files, names and shapes
 * of both layouts that there have been: a controller with a host (since `src/controller/controller.ts`), and before that a runner with ports.
 * Everything is imported from the revision's own checkout.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Effect } from "../../src/core/effects/index.ts";
import type { Ms, State } from "../../src/core/model/state.ts";
import type { BenchStorage } from "./core-storage.ts";

/** What is outside of a pool: it stands still, and answers at once. */
export interface Surroundings {
	now(): Ms;
	random(): number;
	/** What comes of an effect when it is done. */
	call(effect: Effect, state: State): Promise<unknown>;
}

/** A stored pool in memory, as production carries it. */
export interface Carried {
	state(): State;
	/** Takes in a fact that a request brings: applied, stored, and the alarm armed for what follows from it. */
	take(fact: unknown): void;
	/** Takes in what came of an effect, as a pass does: applied and stored. */
	dispatch(effect: Effect, result: unknown): void;
	/** What the alarm does. Throws where it fails. */
	pass(): Promise<void>;
	plan(): void;
}

export interface Tree {
	/** Loads the pool that these rows hold. */
	carry(storage: BenchStorage, around: Surroundings): Carried;
	readonly Ledger: new () => { changes(state: State): { acknowledge(): void } };
	readonly publish: (db: unknown, publication: unknown) => Promise<boolean>;
	readonly summaryOf: (state: State) => Readonly<Record<string, unknown>>;
}

type Import = <T>(name: string, ...files: readonly string[]) => Promise<T>;
type Plan = (state: State, now: Ms, random: () => number) => unknown;
type Store<Stored> = new (storage: BenchStorage) => { load(): Stored | null } & Readonly<Record<string, unknown>>;

/** Imports a checkout's modules. Throws where it has none of the files in which a name is looked for. */
export async function openTree(root: string): Promise<Tree> {
	const take: Import = async <T>(name: string, ...files: readonly string[]) => {
		for (const file of files.filter((candidate) => existsSync(join(root, candidate)))) {
			const module = (await import(pathToFileURL(join(root, file)).href)) as Readonly<Record<string, T>>;
			if (module[name] !== undefined) return module[name];
		}
		throw new Error(`${root}: none of ${files.join(", ")} exports ${name}; say in scripts/bench/core-tree.ts where it is`);
	};
	const hasController = existsSync(join(root, "src/controller/controller.ts"));
	return {
		carry: await (hasController ? withController(take) : withRunner(take)),
		Ledger: await take("Ledger", "src/read-model/ledger.ts", "src/pool/parts.ts"),
		publish: await take("publish", "src/read-model/publish.ts", "src/db/publish.ts"),
		summaryOf: await take("summaryOf", "src/core/model/projection.ts", "src/core/projection.ts", "src/pool/core/projection.ts"),
	};
}

interface ControllerOfNow {
	readonly state: State;
	alarm(): Promise<void>;
	/** Private there: what a request's own method does but for judging its key and answering. */
	take(fact: unknown): void;
	dispatch(outcome: unknown): void;
}

async function withController(take: Import): Promise<Tree["carry"]> {
	const Controller = await take<new (host: unknown, stored: unknown) => ControllerOfNow>("Controller", "src/controller/controller.ts");
	const decode = await take<(rows: unknown) => State>("decode", "src/controller/codec.ts");
	const plan = await take<Plan>("plan", "src/core/plan.ts");
	const Store = await take<Store<{ rows: unknown; vitalsWrittenAt: Ms }>>("Store", "src/pool/store.ts");
	return (storage, around) => {
		const store = new Store(storage);
		const { rows, vitalsWrittenAt } = required(store.load());
		let failure: unknown = null;
		const host = {
			now: around.now,
			random: around.random,
			timer: (ms: Ms, callback: () => void) => {
				const timer = setTimeout(callback, ms);
				return () => clearTimeout(timer);
			},
			store: (changes: unknown, at: Ms) => (store as unknown as { save(changes: unknown, at: Ms): void }).save(changes, at),
			setAlarm: () => {},
			wipe: async () => {},
			wanted: () => ({ configure: null, isNamed: null }),
			budget: () => null,
			call: async (effect: Effect, state: State) => {
				const startedAt = around.now();
				return { on: "done", effect, result: await around.call(effect, state), startedAt };
			},
			mintToken: () => "0".repeat(64),
			passBegins: () => {},
			callsMade: () => 0,
			passFailed: (error: unknown) => {
				failure = error;
			},
		};
		const controller = new Controller(host, { state: decode(rows), vitalsWrittenAt, armedAt: around.now() });
		return {
			state: () => controller.state,
			take: (fact) => controller.take(fact),
			dispatch: (effect, result) => controller.dispatch({ on: "done", effect, result, startedAt: around.now() }),
			pass: async () => {
				await controller.alarm();
				if (failure !== null) throw failure;
			},
			plan: () => plan(controller.state, around.now(), around.random),
		};
	};
}

interface Ports {
	load(): State;
	commit(before: State, after: State, wakeAt: Ms | null): void;
	call(effect: Effect, state: State): Promise<unknown>;
	mintToken(): string;
	callsMade(): number;
	now(): Ms;
	random(): number;
}

async function withRunner(take: Import): Promise<Tree["carry"]> {
	const RUNNER = ["src/controller/pass.ts", "src/pool/runner.ts"];
	const core = (file: string) => [`src/core/${file}`, `src/pool/core/${file}`];
	const takeFact = await take<(ports: Ports, fact: unknown) => void>("take", ...RUNNER);
	const pass = await take<(ports: Ports) => Promise<void>>("pass", ...RUNNER);
	const apply = await take<(state: State, event: unknown, now: Ms) => State>("apply", ...core("apply.ts"));
	const plan = await take<Plan>("plan", ...core("plan.ts"));
	const sessionsHash = await take<(state: State) => string>("sessionsHash", ...core("sessions.ts"));
	const Store = await take<Store<{ state: State }>>("Store", "src/pool/store.ts");
	return (storage, around) => {
		const store = new Store(storage);
		let { state } = required(store.load());
		const save = store.save as (before: State, after: State, now: Ms) => void;
		const eventOf = (effect: Effect | { readonly call: "sessions" }, result: unknown, of: State): unknown => {
			const startedAt = around.now();
			switch (effect.call) {
				case "publish":
					return { on: "published", hash: effect.hash, version: effect.version, startedAt, ...(result as object) };
				case "sessions":
					return { on: "sessionsShown", hash: sessionsHash(of) };
				case "list":
					return { on: "listed", startedAt, vms: result };
				case "price":
					return { on: "priced", account: effect.account, price: result };
				case "probe":
					return { on: "probed", id: effect.id, verdict: result, startedAt };
				default:
					return { on: "accepted", effect };
			}
		};
		const ports: Ports = {
			load: () => state,
			commit: (before, after) => {
				save.call(store, before, after, around.now());
				state = after;
			},
			call: async (effect, of) => eventOf(effect, await around.call(effect, of), of),
			mintToken: () => "0".repeat(64),
			callsMade: () => 0,
			now: around.now,
			random: around.random,
		};
		return {
			state: () => state,
			take: (fact) => takeFact(ports, fact),
			dispatch: (effect, result) => ports.commit(state, apply(state, eventOf(effect, result, state), around.now()), null),
			pass: () => pass(ports),
			plan: () => plan(state, around.now(), around.random),
		};
	};
}

function required<T>(stored: T | null): T {
	if (stored === null) throw new Error("the synthetic pool cannot be loaded");
	return stored;
}
