import type { Ms } from "../../src/core/model/state.ts";

/** Something that will happen; `run` null: cancelled. */
export interface Timer {
	readonly at: Ms;
	readonly order: number;
	run: (() => void) | null;
}

/** The only time there is: a queue of what happens when. What falls on the same instant happens in the order in which it was asked for. */
export class Clock {
	now: Ms;
	private readonly heap: Timer[] = [];
	private asked = 0;

	constructor(now: Ms) {
		this.now = now;
	}

	at(at: Ms, run: () => void): Timer {
		const timer: Timer = { at: Math.max(at, this.now), order: this.asked++, run };
		const { heap } = this;
		let index = heap.push(timer) - 1;
		while (index > 0) {
			const parent = (index - 1) >> 1;
			const above = heap[parent] as Timer;
			if (!isBefore(timer, above)) break;
			heap[index] = above;
			index = parent;
		}
		heap[index] = timer;
		return timer;
	}

	after(ms: Ms, run: () => void): Timer {
		return this.at(this.now + ms, run);
	}

	/** Takes what comes next and moves the clock there; undefined when nothing happens until `end`. */
	next(end: Ms): Timer | undefined {
		for (;;) {
			const first = this.heap[0];
			if (first === undefined || first.at > end) return undefined;
			this.removeFirst();
			if (first.run === null) continue;
			this.now = first.at;
			return first;
		}
	}

	private removeFirst(): void {
		const { heap } = this;
		const last = heap.pop() as Timer;
		if (heap.length === 0) return;
		let index = 0;
		for (;;) {
			let child = 2 * index + 1;
			if (child >= heap.length) break;
			if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child++;
			const below = heap[child] as Timer;
			if (!isBefore(below, last)) break;
			heap[index] = below;
			index = child;
		}
		heap[index] = last;
	}
}

function isBefore(a: Timer, b: Timer): boolean {
	return a.at < b.at || (a.at === b.at && a.order < b.order);
}
