/** Actions in progress: each is shown until the fleet shows its effect, or says why it cannot. */
import { effect, signal } from "@preact/signals";
import { type Pool, type State, sentenceOf } from "./api.ts";
import { duration } from "./format.ts";
import { look, lookedAt, now, pending, state } from "./store.ts";

/** How far it is; `left` empty: it is done. */
export interface Progress {
	/** What is still awaited, a few words each: a proxy and its phase. */
	readonly left: readonly string[];
	readonly done: number;
	readonly of: number;
}

export interface Task {
	readonly id: number;
	readonly title: string;
	readonly startedAt: number;
	readonly endedAt: number | null;
	readonly progress: Progress | null;
	/** How it ended, or what is wrong; null while it goes on. */
	readonly outcome: string | null;
	readonly isFailed: boolean;
	readonly undo: Undo | null;
}

/** How it can be taken back. One that `ends` it can be so only while it goes on. */
export interface Undo {
	readonly act: () => void;
	readonly ends?: boolean;
}

/** After so long without an effect it is said that it takes longer than it should. */
const PATIENCE_MS = 300_000;
const KEPT_MS = 12_000;

export const tasks = signal<readonly Task[]>([]);
const watched = new Map<
	number,
	{
		readonly see: (state: State) => Progress;
		readonly said: (seconds: string) => string;
		readonly since: number;
		readonly patienceMs: number;
	}
>();
let lastId = 0;

interface Order {
	/** What is being done, as it is shown meanwhile: "Scaling aws/default to 12". */
	readonly title: string;
	readonly call: () => Promise<unknown>;
	/** What of it is not so yet. */
	readonly see?: (state: State) => Progress;
	/** How it ended well, after so many seconds. */
	readonly said: (took: string) => string;
	readonly undo?: Undo;
	/** How long it may take; missing: five minutes. */
	readonly patienceMs?: number;
}

/** Does it, and follows it. Resolves with whether the API took it. */
export async function carryOut({ title, call, see, said, undo, patienceMs = PATIENCE_MS }: Order): Promise<boolean> {
	const id = ++lastId;
	const startedAt = Date.now();
	tasks.value = [...tasks.value, { id, title, startedAt, endedAt: null, progress: null, outcome: null, isFailed: false, undo: null }];
	try {
		await call();
	} catch (error) {
		end(id, sentenceOf(error), true);
		return false;
	}
	if (see === undefined) end(id, said(duration((Date.now() - startedAt) / 1_000)), false);
	else {
		watched.set(id, { see, said, since: Date.now(), patienceMs });
		change(id, { undo: undo ?? null });
	}
	void look();
	return true;
}

function change(id: number, changes: Partial<Task>): void {
	tasks.value = tasks.value.map((task) => (task.id === id ? { ...task, ...changes } : task));
}

function end(id: number, outcome: string, isFailed: boolean): void {
	watched.delete(id);
	change(id, { outcome, isFailed, endedAt: Date.now() });
}

export function dismiss(id: number): void {
	watched.delete(id);
	tasks.value = tasks.value.filter((task) => task.id !== id);
}

effect(() => {
	pending.value = tasks.value.filter(({ endedAt }) => endedAt === null).length;
});

// What is shown is what the API said, nothing else.
effect(() => {
	const seen = state.value;
	if (seen === null) return;
	for (const [id, { see, said, since, patienceMs }] of [...watched]) {
		const task = tasks.peek().find((one) => one.id === id);
		// It was dismissed before the API took it.
		if (task === undefined) watched.delete(id);
		// A look that began before the order was taken says nothing of it.
		if (task === undefined || lookedAt.peek() < since) continue;
		const progress = see(seen);
		change(id, { progress });
		if (progress.left.length === 0) end(id, said(duration((Date.now() - task.startedAt) / 1_000)), false);
		else if (Date.now() - task.startedAt > patienceMs)
			end(id, `It is not done after ${duration(patienceMs / 1_000)}: ${progress.left.slice(0, 3).join(", ")}.`, true);
	}
});

// What went well leaves by itself; what failed stays until it is read.
effect(() => {
	const at = now.value;
	const gone = tasks.peek().filter((task) => task.endedAt !== null && !task.isFailed && at - task.endedAt > KEPT_MS);
	if (gone.length > 0) tasks.value = tasks.peek().filter((task) => !gone.includes(task));
});

export function poolIn(seen: State, { provider, instance }: Pick<Pool, "provider" | "instance">): Pool | undefined {
	return seen.pools.find((pool) => pool.provider === provider && pool.instance === instance);
}
