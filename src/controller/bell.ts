import type { Ms } from "../core/model/state.ts";

/** Calls back after so many milliseconds, unless the function that it returns is called before. */
export type Timer = (ms: Ms, callback: () => void) => () => void;

/** What a pass waits for: that something happens, or that its time comes. What rang while nobody waited is heard at the next wait. */
export class Bell {
	private readonly timer: Timer;
	private hasRung = false;
	private wake: (() => void) | null = null;

	constructor(timer: Timer) {
		this.timer = timer;
	}

	ring(): void {
		this.hasRung = true;
		this.wake?.();
	}

	/** Resolves at the next ring, or after `ms`. */
	async wait(ms: Ms): Promise<void> {
		if (!this.hasRung) {
			await new Promise<void>((resolve) => {
				const cancel = Number.isFinite(ms) ? this.timer(ms, resolve) : () => undefined;
				this.wake = () => {
					cancel();
					resolve();
				};
			});
		}
		this.wake = null;
		this.hasRung = false;
	}
}
