/**
 * `--only live`: how soon orders and deaths are noticed, on lines and by calls (`AGENT_LINE=False`), one after the other in one run: the whole of
 * Muster with real agents, as `npm run dev` runs it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { Dev, type Proxy, temporaryState } from "../../test/e2e/harness.ts";

const PROXIES = Number(process.env.BENCH_LIVE_PROXIES ?? 50);
const KILLED = 3;
const FROZEN = 3;
const DRAINED = Math.min(10, PROXIES - KILLED - FROZEN - 1);
/** How often demand rises above a rule's bound. */
const RISES = 3;
const INTERVAL_SECONDS = 30;
const BOOT_LIMIT_MS = 180_000;

interface Line {
	readonly what: string;
	readonly measured: string;
	readonly goal: string;
	readonly also: string;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const at = (share: number, sorted: readonly number[]) =>
	sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
const inWords = (ms: readonly number[]) => {
	const sorted = [...ms].sort((a, b) => a - b);
	return { p95: `p95 ${Math.round(at(0.95, sorted))} ms`, median: `median ${Math.round(at(0.5, sorted))} ms of ${sorted.length}` };
};

/** Asks for a tunnel: the socket, and the status of the answer. */
async function ask(proxy: Proxy, port: number): Promise<{ readonly socket: Socket; readonly status: string }> {
	const { username, password } = new URL(proxy.url);
	const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
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

/** The processes of the agent at this address. */
function agentsAt(ip: string): readonly number[] {
	return readdirSync("/proc")
		.map(Number)
		.filter((pid) => {
			try {
				return pid > 0 && readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`MUSTER_BIND=${ip}`);
			} catch {
				return false; // It has ended, or is somebody else's.
			}
		});
}

interface Times {
	readonly drops: number[];
	readonly drains: number[];
	readonly rises: number[];
	readonly deaths: number[];
	readonly silences: number[];
}

async function proxiesOf(dev: Dev): Promise<readonly Proxy[]> {
	const pages = await Promise.all([0, 100].map((offset) => dev.api("GET", `/?limit=100&offset=${offset}`)));
	return pages.flatMap(({ body }) => (body.proxies as readonly Proxy[] | undefined) ?? []);
}

async function untilIs(what: string, limitMs: number, check: () => Promise<boolean>): Promise<number> {
	const began = performance.now();
	while (!(await check())) {
		if (performance.now() - began > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
		await pause(50);
	}
	return performance.now() - began;
}

async function measure(isLined: boolean, port: number, print: (text: string) => void): Promise<Times> {
	const state = temporaryState();
	const dev = await Dev.start(state.directory, {
		AGENT_LINE: isLined ? "True" : "False",
		INTERVAL: String(INTERVAL_SECONDS),
		PLAN: "paid",
		DIGITALOCEAN_MIN_SCALING: String(PROXIES),
		DIGITALOCEAN_MAX_SCALING: String(PROXIES),
		UNKNOWN_TIMEOUT: "120",
		UNREGISTERED_TIMEOUT: "600",
	});
	try {
		print(`live, ${isLined ? "lines" : "calls"}: ${PROXIES} VMs boot`);
		await untilIs("all are ready", BOOT_LIMIT_MS, async () => (await proxiesOf(dev)).length === PROXIES);
		const proxies = await proxiesOf(dev);
		const drops: number[] = [];
		for (const proxy of proxies.slice(0, isLined ? 20 : 5)) {
			const socket = await tunnel(proxy, port);
			const closed = new Promise((resolve) => socket.once("close", resolve));
			const name = `${socket.localAddress}:${socket.localPort}`;
			const began = performance.now();
			await dev.api("DELETE", `/v1.1/endpoints/digitalocean-default/sessions/${encodeURIComponent(name)}`).catch(() => undefined);
			await closed;
			drops.push(performance.now() - began);
		}
		const rises = await risesOf(dev, port);
		// Those that are too many are drained: the drain of each is in force once it takes no client any more.
		const began = performance.now();
		const bounds = { min_scaling: PROXIES - DRAINED, max_scaling: PROXIES - DRAINED };
		const isPatched = dev.api("PATCH", "/providers/digitalocean", bounds);
		const left = new Set(proxies);
		const drains: number[] = [];
		await untilIs(`${DRAINED} are drained`, 100_000, async () => {
			await Promise.all(
				[...left].map(async (proxy) => {
					const { socket, status } = await ask(proxy, port);
					socket.destroy();
					if (status === "200" || !left.delete(proxy)) return;
					drains.push(performance.now() - began);
				}),
			);
			return drains.length >= DRAINED;
		});
		await isPatched;
		const frozen = [...left].slice(0, FROZEN);
		const silences = await Promise.all(frozen.map(({ ip }) => silenceOf(dev, ip)));
		const deaths: number[] = [];
		for (const { ip } of [...left].slice(-KILLED)) {
			const { id, provider } = await dev.vmAt(ip);
			await dev.control("POST", `/vms/${id}/kill-agent?forever=1&provider=${provider}`);
			deaths.push(await untilIs(`${ip} is off the list`, 200_000, async () => !(await proxiesOf(dev)).some((one) => one.ip === ip)));
		}
		return { drops, drains, rises, deaths, silences };
	} finally {
		await dev.stop();
		state.remove();
	}
}

/** From the connection that is one too many for a rule to the create that goes out for it. */
async function risesOf(dev: Dev, port: number): Promise<number[]> {
	const call = async (method: string, path: string, body: object) => {
		const url = `http://127.0.0.1:${dev.port}/v1.1/endpoints/${path}`;
		const answer = await fetch(url, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });
		if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
	};
	const times: number[] = [];
	for (let rise = 0; rise < RISES; rise++) {
		const name = `demand${rise}`;
		await call("PUT", name, {
			endpoint: { cloud: "digitalocean" },
			scaling: { rules: ["active<=2"], min_instances: 1, max_instances: 2 },
			"cloud:digitalocean": { access_token: `local-${name}` },
		});
		await call("POST", `${name}/state`, { action: "start" });
		const own = async () => (await proxiesOf(dev)).find(({ instance }) => instance === name);
		await untilIs(`${name} is ready`, BOOT_LIMIT_MS, async () => (await own()) !== undefined);
		const proxy = await own();
		if (proxy === undefined) throw new Error(`${name} has no proxy`);
		// Two are as many as it may have; they are known before the third comes.
		const sockets = [await tunnel(proxy, port), await tunnel(proxy, port)];
		await pause(INTERVAL_SECONDS * 1000);
		const before = (await dev.creates()).length;
		const began = performance.now();
		sockets.push(await tunnel(proxy, port));
		await untilIs("a create goes out", 200_000, async () => (await dev.creates()).length > before);
		times.push(performance.now() - began);
		for (const socket of sockets) socket.destroy();
		await call("POST", `${name}/state`, { action: "stop" });
	}
	return times;
}

/** A VM falls silent without a packet, as one that is frozen: until it is off the list. */
async function silenceOf(dev: Dev, ip: string): Promise<number> {
	const agents = agentsAt(ip);
	if (agents.length === 0) throw new Error(`no agent is at ${ip}`);
	for (const pid of agents) process.kill(pid, "SIGSTOP");
	try {
		return await untilIs(`${ip} is off the list`, 300_000, async () => !(await proxiesOf(dev)).some((one) => one.ip === ip));
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

export async function benchLive(print: (text: string) => void): Promise<Line[]> {
	const echo = createServer((socket) => socket.pipe(socket).on("error", () => socket.destroy()));
	await new Promise<void>((done) => echo.listen(0, "127.0.0.1", done));
	const { port } = echo.address() as { port: number };
	try {
		const [lined, called] = [await measure(true, port, print), await measure(false, port, print)];
		const row = (what: string, goal: string, of: keyof Times): Line => {
			const [here, there] = [inWords(lined[of]), inWords(called[of])];
			return { what, measured: here.p95, goal, also: `${here.median}; by calls ${there.p95}` };
		};
		return [
			row(`${PROXIES} agents, drop to closed`, "≤ 250 ms", "drops"),
			row(`drain to no new client, ${DRAINED} at once`, "≤ 1000 ms", "drains"),
			row("demand above a bound to create", "≤ 3000 ms", "rises"),
			row("agent killed to out of the list", "≤ 3000 ms", "deaths"),
			row("VM frozen to out of the list", "≤ 90000 ms", "silences"),
		];
	} finally {
		echo.close();
	}
}
