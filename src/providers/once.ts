import { type ProviderContext, ProviderError } from "./provider.ts";

/** Someone else's work is waited for this long: it may have died with its isolate's request, and then never ends. */
const WAIT_MS = 60_000;
/** What was seen to this long ago is seen to again, so that an operator's edit is mended. */
const FRESH_MS = 600_000;
/** Accounts remembered in one isolate; the oldest is forgotten first, which costs a look at the cloud. */
const MAX_KEYS = 100;

interface Entry {
	readonly wish: string;
	readonly startedAt: number;
	readonly done: Promise<void>;
	settled: boolean;
}

/**
 * What must be so at a cloud before a VM is made there (a firewall, a network), seen to once per isolate and account
 * however many creates ask at once. A failure is not remembered.
 */
export class Once {
	readonly #entries = new Map<string, Entry>();

	/**
	 * Resolves once `work` was done for this key and wish (by anyone), rejects as it did.
	 * `key` must tell accounts apart; `wish` is what shall be so: another wish for the same key does the work again, after
	 * the work under way has ended.
	 */
	async ensure(context: ProviderContext, key: string, wish: string, work: () => Promise<void>): Promise<void> {
		for (;;) {
			const entry = this.#entries.get(key);
			if (entry === undefined || (entry.settled && (entry.wish !== wish || context.now() - entry.startedAt > FRESH_MS))) {
				return this.#start(context, key, wish, work);
			}
			if (entry.wish === wish) return this.#wait(context, key, entry);
			// The end of the other wish's work is all that matters here; whether it succeeded is its callers' concern.
			await this.#wait(context, key, entry).catch(() => undefined);
		}
	}

	#start(context: ProviderContext, key: string, wish: string, work: () => Promise<void>): Promise<void> {
		const done = work();
		const entry: Entry = { wish, startedAt: context.now(), done, settled: false };
		this.#entries.delete(key);
		this.#entries.set(key, entry);
		for (const oldest of this.#entries.keys()) {
			if (this.#entries.size <= MAX_KEYS) break;
			this.#entries.delete(oldest);
		}
		done.then(
			() => {
				entry.settled = true;
			},
			() => this.#forget(key, entry),
		);
		return done;
	}

	async #wait(context: ProviderContext, key: string, entry: Entry): Promise<void> {
		if (entry.settled) return;
		let timer: ReturnType<typeof setTimeout> | undefined;
		const tooLong = new Promise<never>((_, reject) => {
			const leftMs = Math.max(0, entry.startedAt + WAIT_MS - context.now());
			timer = setTimeout(() => {
				this.#forget(key, entry);
				reject(new ProviderError({ kind: "transient", say: "what must be set up at the cloud before a VM was not done in time" }));
			}, leftMs);
		});
		try {
			await Promise.race([entry.done, tooLong]);
		} finally {
			clearTimeout(timer);
		}
	}

	#forget(key: string, entry: Entry): void {
		if (this.#entries.get(key) === entry) this.#entries.delete(key);
	}
}
