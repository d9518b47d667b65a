/** What somebody waits for, and may stop waiting for. */
export class Want {
	isOver = false;
	#stop: (() => void) | null = null;

	/** How what is being done now is stopped. */
	onEnd(stop: () => void): void {
		this.#stop = stop;
	}

	end(): void {
		this.isOver = true;
		const stop = this.#stop;
		this.#stop = null;
		stop?.();
	}
}
