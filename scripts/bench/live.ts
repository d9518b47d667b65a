/**
 * `--only live`: how soon orders and deaths are noticed, on lines and by calls (`AGENT_LINE=False`), one beside the other in one run: the whole of
 * Muster with real agents, as `npm run dev` runs it; and what a VM takes of Cloudflare's plan, counted. `--agents` says how many agents each fleet
 * has: 50, for which the goals are. It takes some four minutes on two cores. `--rows TEXT` measures those rows alone whose name holds it, on lines only
 * (one of several, with | between them).
 */
import { connect, createServer, type Socket } from "node:net";
import type { Proxy } from "../../test/e2e/harness.ts";
import { CHANGING_MS, fleetDay, ownShare } from "../../test/unit/plan-day.ts";
import { agentsAt, Fleet } from "./live-fleet.ts";

const [KILLED, FROZEN] = [3, 3];
/** What rises above a rule's bound, in a pool of its own each: open connections, requests on them, and what is posted. */
const RISING = {
	active: "active<=2",
	requests: "requests<=5",
	jobs: "jobs<=10",
} as const;
type Rising = keyof typeof RISING;
const REQUESTS_A_SECOND = 25;
const DROPPED = { lines: 20, calls: 5 } as const;
const INTERVAL_SECONDS = 30;
const BOOT_LIMIT_MS = 150_000;
/** How often it is looked whether something has come about. */
const LOOK_MS = 50;

interface Line {
	readonly what: string;
	readonly measured: string;
	readonly goal: string;
	readonly also: string;
}

type Way = keyof typeof DROPPED;

/** By what is measured: the row's name, and its goal. */
const ROWS = {
	drops: ["drop to closed", "≤ 250 ms"],
	drains: ["drain to no new client, all at once", "≤ 1000 ms"],
	credentials: ["new credentials by PUT /auth to accepted, all at once", "≤ 1000 ms"],
	shown: ["the same, to shown in every URL", "≤ 2000 ms"],
	deployed: ["new credentials by a deploy, all lines cut", "≤ 30000 ms"],
	deaths: ["agent killed to off the list", "≤ 3000 ms"],
	silences: ["VM frozen to off the list", "≤ 90000 ms"],
	rises: ["demand above a bound to create", "≤ 3000 ms"],
} as const satisfies Record<keyof Times, readonly [string, string]>;

interface Times {
	drops: readonly number[];
	drains: readonly number[];
	/** Set over the API: accepted; and shown in every proxy's URL. */
	credentials: readonly number[];
	shown: readonly number[];
	deployed: readonly number[];
	rises: readonly number[];
	deaths: readonly number[];
	silences: readonly number[];
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const at = (share: number, sorted: readonly number[]) =>
	sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
const p95 = (ms: readonly number[]) =>
	Math.round(
		at(
			0.95,
			[...ms].sort((a, b) => a - b),
		),
	);
const median = (ms: readonly number[]) =>
	Math.round(
		at(
			0.5,
			[...ms].sort((a, b) => a - b),
		),
	);

/** Asks for a tunnel: the socket, and the status of the answer. */
async function ask(proxy: Proxy, port: number, password?: string): Promise<{ readonly socket: Socket; readonly status: string }> {
	const { username, password: known } = new URL(proxy.url);
	const login = Buffer.from(`${decodeURIComponent(username)}:${password ?? decodeURIComponent(known)}`).toString("base64");
	const socket = connect(proxy.port, proxy.ip);
	socket.on("error", () => {}); // A cut is what is waited for.
	socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic ${login}\r\n\r\n`);
	const answer = await new Promise<string>((resolve) => {
		socket.once("data", (data) => resolve(String(data)));
		socket.once("close", () => resolve(""));
	});
	return { socket, status: answer.slice(9, 12) };
}

const tunnel = async (proxy: Proxy, port: number) => (await ask(proxy, port)).socket;

/** Milliseconds from `began` until something holds. */
async function untilIs(what: string, limitMs: number, check: () => Promise<boolean>, began = performance.now()): Promise<number> {
	while (!(await check())) {
		if (performance.now() - began > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
		await pause(LOOK_MS);
	}
	return performance.now() - began;
}

/** When each of these takes a new client, or takes none any more. */
function untilTakes(
	proxies: readonly Proxy[],
	port: number,
	isTaken: boolean,
	began: number,
	password?: string,
): Promise<readonly number[]> {
	return Promise.all(
		proxies.map(async (proxy, index) => {
			// Not all in the same instant: they share the machine with what is measured.
			await pause((LOOK_MS * index) / proxies.length);
			const check = async () => {
				const answer = await ask(proxy, port, password);
				answer.socket.destroy();
				// One that is drained and idle is gone a moment later.
				const isMet = (answer.status === "200") === isTaken;
				if (!isMet) await pause(LOOK_MS);
				return isMet;
			};
			return untilIs(`${proxy.ip} takes ${isTaken ? "clients" : "none"}`, 120_000, check, began);
		}),
	);
}

/** Of sessions that are listed, since an operator drops what is. */
async function dropsOf(fleet: Fleet, proxies: readonly Proxy[], port: number): Promise<readonly number[]> {
	const sockets: Socket[] = [];
	for (const proxy of proxies) sockets.push(await tunnel(proxy, port));
	await untilIs("the sessions are listed", 60_000, async () => {
		const sessions = JSON.stringify(await fleet.api("GET", "/v1.1/endpoints/digitalocean-default/sessions"));
		return sockets.every(({ localPort }) => sessions.includes(`:${localPort}"`));
	});
	const times: number[] = [];
	for (const socket of sockets) {
		const closed = new Promise((resolve) => socket.once("close", resolve));
		const name = encodeURIComponent(`${socket.localAddress}:${socket.localPort}`);
		const began = performance.now();
		await fleet.api("DELETE", `/v1.1/endpoints/digitalocean-default/sessions/${name}`);
		await closed;
		times.push(performance.now() - began);
	}
	return times;
}

const offTheList = (fleet: Fleet, ip: string) =>
	untilIs(`${ip} is off the list`, 200_000, async () => !(await fleet.proxies()).some((one) => one.ip === ip));

async function deathOf(fleet: Fleet, { ip }: Proxy): Promise<number> {
	await fleet.kill(ip);
	return offTheList(fleet, ip);
}

/** A VM falls silent without a packet, as one that is frozen. */
async function silenceOf(fleet: Fleet, { ip }: Proxy): Promise<number> {
	const agents = agentsAt(ip);
	if (agents.length === 0) throw new Error(`no agent is at ${ip}`);
	for (const pid of agents) process.kill(pid, "SIGSTOP");
	try {
		return await offTheList(fleet, ip);
	} finally {
		for (const pid of agents) {
			try {
				process.kill(pid, "SIGCONT");
			} catch {
				// Its VM was replaced.
			}
		}
	}
}

/** From what is too much for a pool's rule to the create that goes out for it. */
async function riseOf(fleet: Fleet, name: string, port: number, rising: Rising): Promise<number> {
	await fleet.api("PUT", `/v1.1/endpoints/${name}`, {
		endpoint: { cloud: "digitalocean" },
		scaling: { rules: [RISING[rising]], min_instances: 1, max_instances: 2 },
		"cloud:digitalocean": { access_token: `local-${name}` },
	});
	const others = await fleet.creates();
	await fleet.api("POST", `/v1.1/endpoints/${name}/state`, { action: "start" });
	const own = async () => (await fleet.proxies()).find(({ instance }) => instance === name);
	await untilIs(`${name} is ready`, BOOT_LIMIT_MS, async () => (await own()) !== undefined);
	const proxy = await own();
	const first = (await fleet.creates()).slice(others.length).at(-1);
	if (proxy === undefined || first === undefined) throw new Error(`${name} has no proxy`);
	const sockets = [await tunnel(proxy, port), await tunnel(proxy, port)];
	// Two are as many as it may have; that they are there is known before the third comes.
	await untilIs("two connections are known", 60_000, async () => {
		const sessions = JSON.stringify(await fleet.api("GET", `/v1.1/endpoints/${name}/sessions`));
		return sockets.every(({ localPort }) => sessions.includes(`:${localPort}`));
	});
	await pause(1_500);
	const before = (await fleet.creates(first)).length;
	const began = performance.now();
	let isOver = false;
	const raise = async () => {
		if (rising === "jobs") await fleet.api("POST", `/v1.1/endpoints/${name}/metrics`, { jobs: 11 });
		else if (rising === "active") sockets.push(await tunnel(proxy, port));
		else
			while (!isOver) {
				(await tunnel(proxy, port)).destroy();
				await pause(1000 / REQUESTS_A_SECOND);
			}
	};
	const raised = raise();
	const ms = await untilIs("a create goes out", 100_000, async () => (await fleet.creates(first)).length > before, began);
	isOver = true;
	await raised;
	for (const socket of sockets) socket.destroy();
	await fleet.api("POST", `/v1.1/endpoints/${name}/state`, { action: "stop" });
	return ms;
}

/** One after the other: the first create of each must be told from the others'. */
async function risesOf(fleet: Fleet, port: number, rising: readonly Rising[]): Promise<readonly number[]> {
	const times: number[] = [];
	for (const what of rising) times.push(await riseOf(fleet, `demand-${what}`, port, what));
	return times;
}

const settingsOf = (way: Way, agents: number): Readonly<Record<string, string>> => ({
	AGENT_LINE: way === "lines" ? "True" : "False",
	INTERVAL: String(INTERVAL_SECONDS),
	PLAN: "paid",
	DIGITALOCEAN_MIN_SCALING: String(agents),
	DIGITALOCEAN_MAX_SCALING: String(agents),
	UNREGISTERED_TIMEOUT: "600",
	PROXY_USERNAME: "muster",
	PROXY_PASSWORD: "first",
});

async function booted(way: Way, agents: number, print: (text: string) => void): Promise<Fleet> {
	const began = performance.now();
	const fleet = await Fleet.start(way, settingsOf(way, agents));
	try {
		await untilIs("all are ready", BOOT_LIMIT_MS, async () => (await fleet.proxies()).length >= agents);
	} catch (error) {
		await fleet.stop();
		throw error;
	}
	// The last ones open their lines.
	await pause(3_000);
	print(`live, ${way}: ${agents} agents after ${Math.round((performance.now() - began) / 1000)} s`);
	return fleet;
}

interface Parts {
	readonly killed: readonly Proxy[];
	readonly frozen: readonly Proxy[];
	readonly others: readonly Proxy[];
}

async function partsOf(fleet: Fleet): Promise<Parts> {
	const proxies = await fleet.proxies();
	return { killed: proxies.slice(0, KILLED), frozen: proxies.slice(KILLED, KILLED + FROZEN), others: proxies.slice(KILLED + FROZEN) };
}

type Quick = Pick<Times, "drops" | "rises" | "deaths">;
type IsWanted = (what: keyof Times) => boolean;

/** On lines each takes a moment, and is measured alone. */
async function quickOnLines(fleet: Fleet, { killed, others }: Parts, port: number, is: IsWanted): Promise<Quick> {
	const drops = is("drops") ? await dropsOf(fleet, others.slice(0, DROPPED.lines), port) : [];
	const rises = is("rises") ? await risesOf(fleet, port, Object.keys(RISING) as Rising[]) : [];
	const deaths: number[] = [];
	if (is("deaths")) for (const proxy of killed) deaths.push(await deathOf(fleet, proxy));
	return { drops, rises, deaths };
}

/** By calls all wait for their turn, beside each other. */
async function quickByCalls(fleet: Fleet, { killed, others }: Parts, port: number): Promise<Quick> {
	const rises = await Promise.all([
		risesOf(fleet, port, ["active"]),
		...others.slice(0, DROPPED.calls).map((proxy) => dropsOf(fleet, [proxy], port)),
		// Their replacements come when the first create of the pool with a rule is known.
		pause(20_000).then(() => Promise.all(killed.map((proxy) => deathOf(fleet, proxy)))),
	]);
	return { rises: rises[0] ?? [], drops: rises.slice(1, -1).flat(), deaths: rises.at(-1) ?? [] };
}

/** What takes longer, once the rest is measured: all that are listed get new credentials, twice, then all of them are drained. */
async function whole(
	fleet: Fleet,
	way: Way,
	agents: number,
	port: number,
	is: IsWanted,
): Promise<Pick<Times, "credentials" | "shown" | "deployed" | "drains">> {
	const deployed = is("deployed") ? await credentialsByDeploy(way, fleet, agents, port) : [];
	// They are acknowledged, and all lines are back.
	await pause(3_000);
	const none = { credentials: [], shown: [] };
	const { credentials, shown } = is("credentials") || is("shown") ? await credentialsByApi(fleet, port) : none;
	if (!is("drains")) return { credentials, shown, deployed, drains: [] };
	const left = await fleet.proxies();
	const began = performance.now();
	const isPatched = fleet.api("PATCH", "/providers/digitalocean", { min_scaling: 0, max_scaling: 0 });
	const drains = await untilTakes(left, port, false, began);
	await isPatched;
	return { credentials, shown, deployed, drains };
}

const silencesOf = (fleet: Fleet, { frozen }: Parts) => Promise.all(frozen.map((proxy) => silenceOf(fleet, proxy)));

/** From the request's beginning until each agent takes a client with the new password, and until all URLs have it. */
async function credentialsByApi(fleet: Fleet, port: number): Promise<Pick<Times, "credentials" | "shown">> {
	const proxies = await fleet.proxies();
	const began = performance.now();
	const isSet = fleet.api("PUT", "/auth", { password: "third" });
	const isShown = untilIs(
		"all URLs have the new password",
		120_000,
		async () => (await fleet.proxies()).every(({ url }) => url.includes(":third@")),
		began,
	);
	const [credentials, shown] = await Promise.all([untilTakes(proxies, port, true, began, "third"), isShown, isSet]);
	return { credentials, shown: [shown] };
}

/** New secrets come by a deploy, which cuts all lines. */
async function credentialsByDeploy(way: Way, fleet: Fleet, agents: number, port: number): Promise<readonly number[]> {
	const proxies = await fleet.proxies();
	await fleet.deploy({ ...settingsOf(way, agents), PROXY_PASSWORD: "second" });
	return untilTakes(proxies, port, true, performance.now(), "second");
}

/** `rows`: of those alone whose name holds it; null: of all, beside the same by calls. */
export async function benchLive(print: (text: string) => void, agents = 50, rows: string | null = null): Promise<Line[]> {
	const is: IsWanted = (what) => rows === null || rows.split("|").some((part) => ROWS[what][0].includes(part));
	const echo = createServer((socket) => socket.pipe(socket).on("error", () => socket.destroy()));
	await new Promise<void>((done) => echo.listen(0, "127.0.0.1", done));
	const { port } = echo.address() as { port: number };
	const fleets: Fleet[] = [];
	const start = async (way: Way) => {
		const fleet = await booted(way, agents, print);
		fleets.push(fleet);
		return fleet;
	};
	try {
		const lined = await start("lines");
		const parts = await partsOf(lined);
		const quick = await quickOnLines(lined, parts, port, is);
		print("live, lines: dropped, demanded, killed");
		const row = (of: keyof Times, here: readonly number[], there: readonly number[] | null): Line => {
			const [what, goal] = ROWS[of];
			const beside = there === null ? "" : `; by calls p95 ${p95(there)} ms`;
			const also = `median ${median(here)} ms of ${here.length}${beside}`;
			return { what: `${agents} agents, ${what}`, measured: `p95 ${p95(here)} ms`, goal, also };
		};
		const wanted = (Object.keys(ROWS) as (keyof Times)[]).filter(is);
		if (rows !== null) {
			const silences = is("silences") ? await silencesOf(lined, parts) : [];
			const times: Times = { ...quick, silences, ...(await whole(lined, "lines", agents, port, is)) };
			return wanted.map((of) => row(of, times[of], null));
		}
		// While a silence is waited for the other fleet boots, and then waits most of the time itself.
		const [onLines, byCalls] = await Promise.all([
			silencesOf(lined, parts).then(async (silences) => {
				print("live, lines: frozen");
				const rest = await whole(lined, "lines", agents, port, is);
				print("live, lines: new credentials, drained");
				return { ...quick, silences, ...rest };
			}),
			start("calls").then(async (called) => {
				const others = await partsOf(called);
				const [first, silences] = await Promise.all([
					quickByCalls(called, others, port),
					pause(20_000).then(() => silencesOf(called, others)),
				]);
				print("live, calls: dropped, demanded, killed, frozen");
				const rest = await whole(called, "calls", agents, port, is);
				print("live, calls: new credentials, drained");
				return { ...first, silences, ...rest };
			}),
		]);
		const times: Record<Way, Times> = { lines: onLines, calls: byCalls };
		return [...(await counted()), ...wanted.map((of) => row(of, times.lines[of], times.calls[of]))];
	} finally {
		await Promise.all(fleets.map((fleet) => fleet.stop()));
		echo.close();
	}
}

/** What the plan is used for, by the real controller's day: see `test/unit/plan-count.test.ts`. */
async function counted(): Promise<readonly Line[]> {
	const [lines, calls] = [{ isLined: true }, { isLined: false, reportMs: INTERVAL_SECONDS * 1000 }];
	const called = `by calls ${Math.round(await ownShare(20, calls))}`;
	const { all } = await fleetDay(4, 250);
	const most = Math.max(all.worker, all.object, all.written);
	return [
		{ what: "billed requests a day, idle VM", measured: String(Math.round(await ownShare(20, lines))), goal: "≤ 60", also: called },
		{
			what: "the same, connections changing each second",
			measured: String(Math.round(await ownShare(20, { ...lines, reportMs: CHANGING_MS }))),
			goal: "≤ 400",
			also: called,
		},
		{
			what: "fleet within half of the free plan",
			measured: String(Math.floor((1000 * 50_000) / most)),
			goal: "≥ 1000",
			also: `1,000 VMs: ${all.worker} Worker and ${Math.round(all.object)} object requests, ${all.written} rows; by calls 17`,
		},
	];
}
