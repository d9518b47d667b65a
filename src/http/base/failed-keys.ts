import ipaddr from "ipaddr.js";

/** Failed keys that one address may send within {@link FAILED_KEYS_WINDOW_MS}. */
export const MAX_FAILED_KEYS = 10;
export const FAILED_KEYS_WINDOW_MS = 60_000;
/** Addresses kept in mind; beyond it the oldest are forgotten, so that a flood from many addresses cannot fill the memory. */
const MAX_ADDRESSES = 10_000;

interface Failures {
	readonly since: number;
	readonly count: number;
}

/** Failed keys by address, in this isolate: it slows guessing down, the length of the key makes it hopeless. */
export class FailedKeys {
	readonly #failures = new Map<string, Failures>();

	/** Seconds until a key from this address is looked at again; 0: now. */
	waitSeconds(address: string, now: number): number {
		const failures = this.#current(address, now);
		if (!failures || failures.count < MAX_FAILED_KEYS) return 0;
		return Math.max(1, Math.ceil((failures.since + FAILED_KEYS_WINDOW_MS - now) / 1_000));
	}

	count(address: string, now: number): void {
		const failures = this.#current(address, now);
		const key = network(address);
		if (!failures) this.#failures.delete(key);
		this.#failures.set(key, failures ? { ...failures, count: failures.count + 1 } : { since: now, count: 1 });
		const oldest = this.#failures.keys().next();
		if (this.#failures.size > MAX_ADDRESSES && !oldest.done) this.#failures.delete(oldest.value);
	}

	#current(address: string, now: number): Failures | null {
		const failures = this.#failures.get(network(address));
		return failures && now - failures.since < FAILED_KEYS_WINDOW_MS && now >= failures.since ? failures : null;
	}
}

/** An IPv6 address stands for its /64: whoever has one of these has them all. */
function network(address: string): string {
	if (!ipaddr.IPv6.isValid(address)) return address;
	return ipaddr.IPv6.parse(address).toNormalizedString().split(":").slice(0, 4).join(":");
}
