import { type ProviderContext, ProviderError } from "./provider.ts";

/** Someone else's work is waited for this long: it may have died with its isolate's request, and then never ends. */
const WAIT_MS = 60_000;
/** What was seen to this long ago is seen to again, so that an operator's edit is mended. */
const FRESH_MS = 600_000;
/** Accounts remembered in one isolate; the oldest is forgotten first, which costs a look at the cloud. */
const MAX_KEYS = 100;

interface Entry<T> {
	readonly wish: string;
	readonly startedAt: number;
	readonly done: Promise<T>;
	/** What the work gave; null while it is under way. */
	made: { readonly value: T } | null;
}

/**
 * What must be so at a cloud before a VM is made there (a firewall, a network, a token), seen to once per isolate and
 * account however many creates ask at once, and what it gave (the firewall's id). A failure is not remembered.
 */
export class Once<T = void> {
	readonly #entries = new Map<string, Entry<T>>();
	readonly #isFresh: (value: T, ageMs: number, now: number) => boolean;

	/** `isFresh` says whether what was made `ageMs` ago still serves; by default for ten minutes. */
	constructor(isFresh: (value: T, ageMs: number, now: number) => boolean = (_, ageMs) => ageMs <= FRESH_MS) {
		this.#isFresh = isFresh;
	}

	/**
	 * Resolves with what `work` gave for this key and wish (to anyone), rejects as it did.
	 * `key` must tell accounts apart; `wish` is what shall be so: another wish for the same key does the work again, after
	 * the work under way has ended.
	 */
	async ensure(context: ProviderContext, key: string, wish: string, work: () => Promise<T>): Promise<T> {
		for (;;) {
			const entry = this.#entries.get(key);
			if (entry === undefined || (entry.made !== null && !this.#serves(context, entry, entry.made.value, wish))) {
				return this.#start(context, key, wish, work);
			}
			if (entry.wish === wish) return this.#wait(context, key, entry);
			// The end of the other wish's work is all that matters here; whether it succeeded is its callers' concern.
			await this.#wait(context, key, entry).catch(() => undefined);
		}
	}

	/** What was made turned out not to serve: the next one who asks makes it anew. Work under way is left alone. */
	forget(key: string, value: T): void {
		const entry = this.#entries.get(key);
		if (entry?.made?.value === value) this.#entries.delete(key);
	}

	/** As `forget`, whatever was made. */
	drop(key: string): void {
		if (this.#entries.get(key)?.made != null) this.#entries.delete(key);
	}

	#serves(context: ProviderContext, entry: Entry<T>, value: T, wish: string): boolean {
		return entry.wish === wish && this.#isFresh(value, context.now() - entry.startedAt, context.now());
	}

	#start(context: ProviderContext, key: string, wish: string, work: () => Promise<T>): Promise<T> {
		const done = work();
		const entry: Entry<T> = { wish, startedAt: context.now(), done, made: null };
		this.#entries.delete(key);
		this.#entries.set(key, entry);
		for (const oldest of this.#entries.keys()) {
			if (this.#entries.size <= MAX_KEYS) break;
			this.#entries.delete(oldest);
		}
		done.then(
			(value) => {
				entry.made = { value };
			},
			() => this.#drop(key, entry),
		);
		return done;
	}

	async #wait(context: ProviderContext, key: string, entry: Entry<T>): Promise<T> {
		if (entry.made !== null) return entry.made.value;
		let timer: ReturnType<typeof setTimeout> | undefined;
		const tooLong = new Promise<never>((_, reject) => {
			const leftMs = Math.max(0, entry.startedAt + WAIT_MS - context.now());
			timer = setTimeout(() => {
				this.#drop(key, entry);
				reject(new ProviderError({ kind: "transient", message: "what must be set up at the cloud before a VM was not done in time" }));
			}, leftMs);
		});
		try {
			return await Promise.race([entry.done, tooLong]);
		} finally {
			clearTimeout(timer);
		}
	}

	#drop(key: string, entry: Entry<T>): void {
		if (this.#entries.get(key) === entry) this.#entries.delete(key);
	}
}
