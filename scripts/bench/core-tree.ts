/**
 * Where a revision keeps what `bench --only core` measures. The one place that knows of files and names: a revision that has moved them is
 * given here. Everything is imported from the revision's own checkout.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Effect, Event, Plan } from "../../src/core/events.ts";
import type { Ms, State } from "../../src/core/state.ts";

/** What the benched revision's pass needs of the world; as in `src/controller/pass.ts`. */
export interface Ports {
	load(): State;
	commit(before: State, after: State, wakeAt: Ms | null): void;
	call(effect: Effect, state: State): Promise<Event>;
	mintToken(id: string): string;
	callsMade(): number;
	now(): Ms;
	random(): number;
}

interface Store {
	load(): { readonly state: State } | null;
	save(before: State, after: State, now: Ms): void;
}

interface Changes {
	acknowledge(): void;
}

/** What is measured, as the revision exports it. */
export interface Tree {
	readonly apply: (state: State, event: Event, now: Ms) => State;
	readonly plan: (state: State, now: Ms, random: () => number) => Plan;
	readonly take: (ports: Ports, event: Event) => void;
	readonly pass: (ports: Ports) => Promise<void>;
	readonly Store: new (storage: unknown) => Store;
	readonly Ledger: new () => { changes(state: State): Changes };
	readonly publish: (db: unknown, publication: unknown) => Promise<boolean>;
	readonly summaryOf: (state: State) => Readonly<Record<string, unknown>>;
	/** Of the sessions that D1 shows; null where D1 shows none. */
	readonly sessionsHash: ((state: State) => string) | null;
}

/** By name: the files that may export it, the newest layout first. */
const HOMES: Readonly<Record<keyof Tree, readonly string[]>> = {
	apply: ["src/core/apply.ts", "src/pool/core/apply.ts"],
	plan: ["src/core/plan.ts", "src/pool/core/plan.ts"],
	take: ["src/controller/pass.ts", "src/pool/runner.ts"],
	pass: ["src/controller/pass.ts", "src/pool/runner.ts"],
	Store: ["src/pool/store.ts"],
	Ledger: ["src/read-model/ledger.ts", "src/pool/parts.ts"],
	publish: ["src/read-model/publish.ts", "src/db/publish.ts"],
	summaryOf: ["src/core/projection.ts", "src/pool/core/projection.ts"],
	sessionsHash: ["src/core/sessions.ts", "src/pool/core/sessions.ts"],
};
const OPTIONAL: readonly string[] = ["sessionsHash"];

/** Imports a checkout's modules. Throws where it has none of the files in which a name is looked for. */
export async function openTree(root: string): Promise<Tree> {
	const found = await Promise.all(
		Object.entries(HOMES).map(async ([name, files]) => {
			for (const file of files.filter((candidate) => existsSync(join(root, candidate)))) {
				const module = (await import(pathToFileURL(join(root, file)).href)) as Readonly<Record<string, unknown>>;
				if (module[name] !== undefined) return [name, module[name]] as const;
			}
			if (OPTIONAL.includes(name)) return [name, null] as const;
			throw new Error(`${root}: none of ${files.join(", ")} exports ${name}; say in scripts/bench/core-tree.ts where it is`);
		}),
	);
	return Object.fromEntries(found) as unknown as Tree;
}
