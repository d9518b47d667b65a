import type { Exit } from "./exits.ts";
import type { Choice } from "./user.ts";

const FLUSH_MS = 10_000;
const MAX_BATCH = 500;
const CALL_MS = 15_000;

/** What came of using an exit for a host. */
export interface Outcome {
	readonly exit: Exit;
	/** `host` or `host:port`. */
	readonly authority: string;
	readonly outcome: "ok" | "banned" | "error" | "timeout";
	readonly choice: Choice;
	readonly status?: number;
	readonly ms?: number;
}

/** Outcomes on their way to Muster, in batches. The last one of each exit, host and kind is told; beyond 500 in a batch the oldest are left out. */
export class Reports {
	readonly #url: string;
	readonly #key: string;
	#waiting = new Map<string, Record<string, unknown>>();
	#timer: NodeJS.Timeout | undefined;
	#sending: Promise<void> = Promise.resolve();
	/** Outcomes told, and lost: left out, or not taken by Muster. */
	sent = 0;
	lost = 0;

	constructor(url: string, key: string) {
		this.#url = url;
		this.#key = key;
	}

	add({ exit, authority, outcome, choice, status, ms }: Outcome): void {
		const host = hostOf(authority);
		if (host === "") return;
		const key = `${exit.ip} ${host} ${outcome}`;
		this.#waiting.delete(key);
		this.#waiting.set(key, {
			ip: exit.ip,
			host,
			outcome,
			...(choice.session === null ? {} : { session: choice.session }),
			...(status === undefined ? {} : { status }),
			...(ms === undefined ? {} : { ms: Math.round(ms) }),
		});
		if (this.#waiting.size > MAX_BATCH) {
			const [oldest = ""] = this.#waiting.keys();
			this.#waiting.delete(oldest);
			this.lost++;
		}
		this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
	}

	/** Sends what waits; never rejects. */
	flush(): Promise<void> {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		const batch = [...this.#waiting.values()];
		this.#waiting = new Map();
		if (batch.length > 0) this.#sending = this.#sending.then(() => this.#send(batch));
		return this.#sending;
	}

	async #send(batch: readonly unknown[]): Promise<void> {
		try {
			const response = await fetch(`${this.#url}/report`, {
				method: "POST",
				headers: { "X-Auth-Key": this.#key, "Content-Type": "application/json" },
				body: JSON.stringify(batch),
				signal: AbortSignal.timeout(CALL_MS),
				redirect: "error",
			});
			const answer: unknown = response.ok ? await response.json() : await response.body?.cancel();
			const taken = takenIn(answer, batch.length);
			this.sent += taken;
			this.lost += batch.length - taken;
		} catch {
			this.lost += batch.length;
		}
	}
}

/** How many of so many reports Muster says it took in; none where it answers anything else. */
function takenIn(answer: unknown, most: number): number {
	const accepted = typeof answer === "object" && answer !== null && "accepted" in answer ? Number(answer.accepted) : 0;
	return accepted >= 0 ? Math.min(accepted, most) : 0;
}

function hostOf(authority: string): string {
	return authority.replace(/:\d*$/, "").replace(/^\[|\]$/g, "");
}
