/**
 * Measures one revision's core on one synthetic pool, in a process of its own: `node core-child.ts <checkout> <proxies>` prints
 * `CoreFigures` as JSON. CPU time of the process, garbage collection included.
 */
import { BenchPool } from "./core-pool.ts";
import { idOf, metricsOf, sessionsOf, vmsOf } from "./core-rows.ts";
import { openTree } from "./core-tree.ts";

/** CPU milliseconds each. */
export interface CoreFigures {
	readonly list: number;
	readonly heartbeat: number;
	readonly idlePass: number;
	readonly plan: number;
	/** All proxies' acknowledgements together. */
	readonly rotation: number;
	/** How many of them were measured; the rest is in proportion. */
	readonly acknowledged: number;
	/** What the publication of one ready proxy's change writes to D1, in bytes. */
	readonly changeBytes: number;
}

/** So much CPU time is enough to know a row by. */
const ENOUGH_MS = 1_500;
const ENOUGH_ROTATION_MS = 6_000;
const WARM_UP_ROUNDS = 3;

const [, , root = "", count = "0"] = process.argv;
const proxies = Number(count);
const tree = await openTree(root);

const cpuMs = () => {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
};

/** CPU milliseconds a round: so many rounds, or fewer when these have taken long enough; what `prepare` takes does not count. */
async function each(most: number, work: (round: number) => unknown, prepare: (round: number) => void = () => {}): Promise<number> {
	let [took, rounds] = [0, 0];
	while (rounds < most && took < ENOUGH_MS) {
		prepare(rounds);
		const began = cpuMs();
		await work(rounds);
		took += cpuMs() - began;
		rounds++;
	}
	return took / rounds;
}

/** The clock of `process.cpuUsage` is too coarse for one quick round. */
const BATCH = 100;

function heartbeat(round: number, turn: number) {
	const proxy = (round * 7919) % proxies;
	const sessions = sessionsOf(proxy, turn);
	return { on: "heartbeat", id: idOf(proxy), active: sessions.length, metrics: metricsOf(round), credentials: 1, sessions };
}

const pool = new BenchPool(tree, proxies);
await pool.settle();

// What a pass or a plan finds is never quite what the last one found: a few agents have reported since.
let told = 0;
const report = () => {
	for (let i = 0; i < 3; i++) pool.take(heartbeat(told++, 0));
};
const rounds = 10;
const idle = async () => {
	for (let i = 0; i < rounds; i++) if ((await pool.pass()) > 0) throw new Error("something was due in an idle pass");
};
for (let round = 0; round < WARM_UP_ROUNDS; round++) {
	report();
	await idle();
}
const idlePass = (await each(100, idle, report)) / rounds;
const plans = () => {
	for (let i = 0; i < rounds; i++) pool.plan();
};
const plan = (await each(100, plans, report)) / rounds;

const reports = (turn: number) => {
	for (let i = 0; i < BATCH; i++) pool.take(heartbeat(told++, turn));
};
for (let round = 1; round <= WARM_UP_ROUNDS; round++) reports(round);
const heartbeatMs = (await each(50, (round) => reports(round + 10))) / BATCH;
await pool.settle();

const vms = vmsOf(proxies);
const list = await each(
	200,
	() => pool.dispatch({ call: "list" }, vms),
	() => {
		// Each list is a later one; much later, and the agents would have been silent for too long.
		pool.now += 1;
	},
);

// A change of one ready proxy, as D1 is told of it.
await pool.settle();
const before = pool.publishedBytes.length;
pool.take({ on: "command", command: { do: "restart", id: idOf(Math.floor(proxies / 2)) } });
await pool.pass();
const changeBytes = pool.publishedBytes[before] ?? -1;

const { spec, allow, agentUrl, account } = pool.state;
const settings = { spec, suspended: null, agentUrl, credentials: { username: "user", password: "another" }, allow, fromEnvironment: false };
pool.take({ on: "command", command: { do: "configure", settings, account } });
const version = pool.state.credentials.at(-1)?.version ?? 0;
let acknowledged = 0;
const began = cpuMs();
while (acknowledged < proxies && cpuMs() - began < ENOUGH_ROTATION_MS) {
	for (let i = 0; i < 10 && acknowledged < proxies; i++) {
		const sessions = sessionsOf(acknowledged);
		pool.take({
			on: "heartbeat",
			id: idOf(acknowledged),
			active: sessions.length,
			metrics: metricsOf(acknowledged),
			credentials: version,
			sessions,
		});
		acknowledged++;
	}
}
const rotation = ((cpuMs() - began) / acknowledged) * proxies;

const figures: CoreFigures = { list, heartbeat: heartbeatMs, idlePass, plan, rotation, acknowledged, changeBytes };
console.log(JSON.stringify(figures));
