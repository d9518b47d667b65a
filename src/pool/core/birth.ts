import { NEVER_CHANGED } from "./firewall.ts";
import { OPEN } from "./gates.ts";
import type { Ms, State } from "./state.ts";

/** The state of a pool that has just been made; its settings follow as a `configure` command. */
export function newState(pool: State["pool"], now: Ms): State {
	return {
		pool,
		spec: {
			min: 0,
			max: 0,
			intervalSeconds: 30,
			unknownTimeoutSeconds: 120,
			unregisteredTimeoutSeconds: 600,
			decommissionedTimeoutSeconds: 600,
			ageLimitSeconds: 0,
			rolling: { enabled: false, minAvailable: 3, batchSize: 2 },
			canProbe: true,
			twoStepRestart: false,
			rules: [],
			statics: [],
		},
		run: "running",
		suspended: null,
		environment: null,
		patchedRolling: null,
		agentUrl: null,
		account: "",
		credentials: [],
		allow: [],
		firewall: NEVER_CHANGED,
		proxies: new Map(),
		strays: new Map(),
		failed: [],
		gates: { rate: OPEN, auth: OPEN, launch: OPEN, boots: OPEN, list: OPEN, publish: OPEN },
		scaleInWindow: [],
		target: 0,
		published: { hash: "", version: 0 },
		log: [],
		logSeq: 0,
		bornAt: now,
		emptySince: now,
		looks: 0,
		leaving: false,
		forgotten: false,
		// Without a cloud there is no inventory to wait for.
		reconciledAt: pool.provider === "static" ? now : null,
		breach: null,
		vitals: new Map(),
		listedAt: 0,
		foreign: { pools: 0, deployments: 0 },
		rate: null,
		sampledAt: 0,
		heartbeatSeconds: 30,
	};
}
