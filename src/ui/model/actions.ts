/** What an operator may do to a pool and to a proxy, each with what it will come to and how its effect is seen. */
import { api, done, type Pool, type Proxy, type State } from "./api.ts";
import { count, money } from "./format.ts";
import { carryOut, type Progress, poolIn } from "./tasks.ts";

export const nameOf = ({ provider, instance }: Pick<Pool, "provider" | "instance">): string => `${provider}/${instance}`;

/** What one of its VMs costs an hour; null: not known. */
export function priceOf(pool: Pool): { readonly hourly: number; readonly currency: string } | null {
	const { cost, vms } = pool;
	return cost && vms > 0 ? { hourly: cost.hourly / vms, currency: cost.currency } : null;
}

/** "2 more VMs, about $0.012/h more, ready in about 40 s." */
export function consequence(pool: Pool, min: number, max: number): string {
	if (pool.state === "stopped" || pool.state === "paused") return `It is ${pool.state}: this holds once it is started.`;
	const wanted = Math.min(Math.max(pool.wanted, min), max);
	const target = pool.scaling.min_scaling === pool.scaling.max_scaling || min === max ? min : wanted;
	const more = target - pool.wanted;
	if (more === 0) return max === pool.scaling.max_scaling ? "Nothing changes now." : "No VM is made or deleted now.";
	const price = priceOf(pool);
	const costs = price === null ? "" : `, about ${money(Math.abs(more) * price.hourly, price.currency)}/h ${more > 0 ? "more" : "less"}`;
	if (more > 0) return `${count(more, "more VM")}${costs}.`;
	return `${count(-more, "proxy", "proxies")} fewer${costs}: ${more === -1 ? "it leaves" : "they leave"} the list, and ${more === -1 ? "its VM is" : "their VMs are"} deleted once idle.`;
}

/** The proxies of a pool that are not where they shall be. */
function filling(pool: Pool, target: number): Progress {
	const coming = pool.unready.filter(({ phase }) => phase !== "draining" && phase !== "releasing" && phase !== "deleting");
	const going = pool.unready.filter((proxy) => !coming.includes(proxy));
	const missing = Math.max(0, target - pool.ready);
	const left =
		missing > 0
			? [
					...coming.slice(0, missing).map((proxy) => `${proxy.address ?? proxy.id} ${proxy.phase}`),
					...(coming.length === 0 ? ["not launched yet"] : []),
				]
			: [
					...going.map((proxy) => `${proxy.address ?? proxy.id} ${proxy.phase}`),
					...(pool.ready > target ? [`${pool.ready - target} too many`] : []),
				];
	return { left, done: Math.min(pool.ready, target), of: target };
}

export function scale(pool: Pool, min: number, max: number, isUndo = false): Promise<boolean> {
	const { provider, instance, scaling } = pool;
	const target = min === max ? String(min) : `${min} to ${max}`;
	return carryOut({
		title: `Scaling ${nameOf(pool)} ${isUndo ? "back " : ""}to ${target}`,
		call: () =>
			done(
				api.PATCH("/providers/{provider}/{instance}", {
					params: { path: { provider, instance } },
					body: { min_scaling: min, max_scaling: max },
				}),
			),
		see: (state) => {
			const seen = poolIn(state, pool);
			if (seen === undefined) return { left: ["the pool is gone"], done: 0, of: min };
			if (seen.scaling.min_scaling !== min || seen.scaling.max_scaling !== max) return { left: ["not taken yet"], done: 0, of: min };
			if (seen.state === "stopped" || seen.state === "paused") return { left: [], done: 0, of: 0 };
			return filling(seen, Math.min(Math.max(seen.wanted, min), max));
		},
		said: (took) => `${nameOf(pool)}: ${min === max ? `${min} ready` : `between ${min} and ${max}`} after ${took}.`,
		...(isUndo ? {} : { undo: { act: () => void scale(pool, scaling.min_scaling, scaling.max_scaling, true) } }),
	});
}

const RUNS = { start: "running", pause: "paused", stop: "stopped" } as const;
const DOING = { start: "Starting", pause: "Pausing", stop: "Stopping" } as const;
const DONE = { start: "runs", pause: "is paused", stop: "is stopped, and nothing of it is billed" } as const;
export type RunAction = keyof typeof RUNS;

/** What it will come to, for a question. */
export function runConsequence(pool: Pool, action: RunAction): string {
	if (action === "pause") return "It neither launches nor scales in until it is started. Its proxies go on serving, and being billed.";
	if (action === "start")
		return `It keeps ${pool.scaling.min_scaling} proxies again, and tries at once whatever a circuit breaker held back.`;
	return `All its ${count(pool.billed ?? pool.ready, "VM")} are drained and deleted: clients that are connected get their time to end. Its settings stay.`;
}

export function run(pool: Pool, action: RunAction, isUndo = false): Promise<boolean> {
	const undo = action === "pause" ? "start" : action === "start" && pool.state === "paused" ? "pause" : null;
	return carryOut({
		title: `${DOING[action]} ${nameOf(pool)}`,
		call: () => done(api.POST("/v1.1/endpoints/{endpoint}/state", { params: { path: { endpoint: pool.endpoint } }, body: { action } })),
		see: (state) => {
			const seen = poolIn(state, pool);
			if (seen === undefined) return { left: [], done: 1, of: 1 };
			if (action === "start") {
				const runs = seen.state === "running" || seen.state === "starting" || seen.state === "suspended";
				return runs ? filling(seen, seen.wanted) : { left: ["not started yet"], done: 0, of: 1 };
			}
			if (seen.state !== RUNS[action]) return { left: [`still ${seen.state}`], done: 0, of: 1 };
			return action === "stop" ? filling(seen, 0) : { left: [], done: 1, of: 1 };
		},
		said: (took) => `${nameOf(pool)} ${DONE[action]}, after ${took}.`,
		...(isUndo || undo === null ? {} : { undo: { act: () => void run(pool, undo, true) } }),
	});
}

type Target = Pick<Proxy, "id" | "address" | "phase" | "since">;

function shownOf(state: State, pool: Pool, id: string): Target | undefined {
	const isSelected = state.selected?.provider === pool.provider && state.selected.instance === pool.instance;
	if (isSelected) return state.selected?.proxies.find((one) => one.id === id);
	return poolIn(state, pool)?.unready.find((one) => one.id === id);
}

export function destroy(pool: Pool, { id, address }: Target): Promise<boolean> {
	return carryOut({
		title: `Destroying ${address ?? id}`,
		call: () => done(api.DELETE("/destroy", { params: { query: { ip_address: address ?? "" } } })),
		see: (state) => {
			const left = shownOf(state, pool, id);
			const seen = poolIn(state, pool);
			const isHeld = seen?.problems.some((problem) => problem.includes("replace")) ?? false;
			if (left !== undefined) return { left: [`${left.address ?? left.id} ${left.phase}`], done: 0, of: 1 };
			return seen && !isHeld ? filling(seen, seen.wanted) : { left: [], done: 1, of: 1 };
		},
		said: (took) => `${address ?? id} is gone and replaced, after ${took}.`,
	});
}

export function restart(pool: Pool, { id, address, since }: Target): Promise<boolean> {
	return carryOut({
		title: `Restarting ${address ?? id}`,
		call: () => done(api.DELETE("/restart", { params: { query: { ip_address: address ?? "" } } })),
		see: (state) => {
			const seen = shownOf(state, pool, id);
			// Gone from those that are not ready: it is ready, or was replaced.
			if (seen === undefined) return { left: [], done: 1, of: 1 };
			const isBack = seen.phase === "ready" && seen.since !== since;
			return isBack ? { left: [], done: 1, of: 1 } : { left: [`${seen.address ?? seen.id} ${seen.phase}`], done: 0, of: 1 };
		},
		said: (took) => `${address ?? id} is back, after ${took}.`,
	});
}

export function drop(pool: Pool, session: string): Promise<boolean> {
	return carryOut({
		title: `Closing the connection of ${session}`,
		call: () =>
			done(api.DELETE("/v1.1/endpoints/{endpoint}/sessions/{session}", { params: { path: { endpoint: pool.endpoint, session } } })),
		said: () => `${session} is closed when its proxy reports next.`,
	});
}

/** "All 3 proxies are replaced …": what a roll comes to. */
export function rollConsequence(pool: Pool): string {
	const all =
		pool.ready + pool.unready.filter(({ phase }) => phase !== "launching" && phase !== "deleting" && phase !== "releasing").length;
	const price = priceOf(pool);
	const costs = price === null ? "" : ` (${money(price.hourly, price.currency)}/h each)`;
	return `${all === 1 ? "Its one proxy is replaced by a new VM" : `All its ${all} proxies are replaced by new VMs`}${costs}, a few at a time: an old one leaves the list only once enough others are ready, and its connections get their time to end. For a while both are billed.`;
}

/** A roll goes at the pace of boots and drains: so long for each proxy before it is said that it takes too long. */
const ROLL_PATIENCE_MS = 900_000;

/** Replaces every proxy that there is, whatever its age. */
export function roll(pool: Pool, former: readonly Proxy[]): Promise<boolean> {
	const { provider, instance } = pool;
	const ids = new Set(former.map(({ id }) => id));
	const params = { path: { provider, instance } };
	return carryOut({
		title: `Replacing all of ${nameOf(pool)}`,
		call: () => done(api.POST("/rolling/{provider}/{instance}", { params })),
		see: (state) => {
			const seen = poolIn(state, pool);
			const isSelected = state.selected?.provider === provider && state.selected.instance === instance;
			if (seen === undefined) return { left: [], done: 1, of: 1 };
			// Of another pool's view only those are seen that are on their way.
			if (!isSelected) return { left: ["open the pool to see how far it is"], done: 0, of: ids.size };
			const old = (state.selected?.proxies ?? []).filter(({ id }) => ids.has(id));
			if (old.length === 0) return filling(seen, seen.wanted);
			return { left: old.map((proxy) => `${proxy.address ?? proxy.id} ${proxy.phase}`), done: ids.size - old.length, of: ids.size };
		},
		patienceMs: ROLL_PATIENCE_MS * Math.max(1, ids.size),
		said: (took) => `${nameOf(pool)}: all are new, after ${took}.`,
		undo: { act: () => void endRoll(pool), ends: true },
	});
}

/** Those that have not begun to go stay. */
export function endRoll(pool: Pool): Promise<boolean> {
	const { provider, instance } = pool;
	return carryOut({
		title: `Ending the replacement in ${nameOf(pool)}`,
		call: () => done(api.DELETE("/rolling/{provider}/{instance}", { params: { path: { provider, instance } } })),
		said: () => `${nameOf(pool)}: those that are on their way out go, the others stay.`,
	});
}

/** Replaces all that are old enough: what a rolling deployment does, at its own pace. */
export function setRolling(body: { enabled: boolean; min_available: number; batch_size: number }): Promise<boolean> {
	return carryOut({
		title: "Changing the rolling deployment",
		call: () => done(api.PATCH("/rolling", { body })),
		said: () => `Rolling replacement is ${body.enabled ? `on: ${body.batch_size} at a time, ${body.min_available} stay ready` : "off"}.`,
	});
}

/** Gives all proxies a password that is generated. */
export function newPassword(): Promise<boolean> {
	return carryOut({
		title: "Giving all proxies a new password",
		call: () => done(api.PUT("/auth", { body: {} })),
		said: () => "The proxies have a new password; the former one is good for ten minutes more.",
	});
}

/** Takes back what was set over the API. */
export function ownCredentials(): Promise<boolean> {
	return carryOut({
		title: "Going back to the deployment's own credentials",
		call: () => done(api.DELETE("/auth")),
		said: () => "The proxies ask for the deployment's own credentials again.",
	});
}
