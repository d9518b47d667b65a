import type { Id, Ms, Proxy } from "./state.ts";

/** A proxy as its intent is stored: nothing is known of it yet. */
export function intentOf(id: Id, now: Ms): Proxy {
	return {
		id,
		phase: { at: "launching", sentAt: null },
		since: now,
		createdAt: now,
		why: "",
		isAdopted: false,
		address: null,
		registered: false,
		wasReady: false,
		tokenHash: null,
		keyHash: null,
		claim: null,
		credentials: 0,
		account: "",
		offSince: null,
		suspectAt: null,
		absentAt: null,
		tries: 0,
		retryAt: 0,
		failedProbes: 0,
		posted: {},
	};
}
