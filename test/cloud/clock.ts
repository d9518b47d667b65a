/** The local cloud's time: real in `npm run dev`, turned by hand in tests. */
export interface Clock {
	/** Milliseconds since the Unix epoch. */
	now(): number;
	/** Runs `task` once, `delayMs` from now; the answer takes it back. */
	after(delayMs: number, task: () => void): () => void;
}

export const systemClock: Clock = {
	now: () => Date.now(),
	after(delayMs, task) {
		const timer = setTimeout(task, delayMs);
		return () => clearTimeout(timer);
	},
};

/** A clock that only moves when told to; tasks run in the order of their times. */
export class ManualClock implements Clock {
	#now: number;
	#tasks: { at: number; task: () => void }[] = [];

	constructor(startMs = Date.UTC(2026, 0, 1)) {
		this.#now = startMs;
	}

	now(): number {
		return this.#now;
	}

	after(delayMs: number, task: () => void): () => void {
		const entry = { at: this.#now + delayMs, task };
		this.#tasks.push(entry);
		return () => {
			this.#tasks = this.#tasks.filter((other) => other !== entry);
		};
	}

	/** Moves on by `byMs`; what a task starts within that time runs as well. */
	advance(byMs: number): void {
		const end = this.#now + byMs;
		for (;;) {
			const due = this.#tasks.filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)[0];
			if (!due) break;
			this.#tasks = this.#tasks.filter((entry) => entry !== due);
			this.#now = Math.max(this.#now, due.at);
			due.task();
		}
		this.#now = end;
	}
}
