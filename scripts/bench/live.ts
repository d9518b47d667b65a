/**
 * `--only live`: how soon orders and deaths are noticed, on lines and by calls (`AGENT_LINE=False`), one after the other in one run: the whole of
 * Muster with real agents, as `npm run dev` runs it.
 */
import { connect, createServer, type Socket } from "node:net";
import { Dev, type Proxy, temporaryState } from "../../test/e2e/harness.ts";

const PROXIES = Number(process.env.BENCH_LIVE_PROXIES ?? 50);
const KILLED = 3;
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

async function tunnel(proxy: Proxy, port: number): Promise<Socket> {
	const { username, password } = new URL(proxy.url);
	const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
	const socket = connect(proxy.port, proxy.ip);
	socket.on("error", () => {}); // A cut is what is waited for.
	socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic ${login}\r\n\r\n`);
	await new Promise((resolve) => socket.once("data", resolve));
	return socket;
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

async function measure(isLined: boolean, port: number, print: (text: string) => void): Promise<{ drops: number[]; deaths: number[] }> {
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
		const deaths: number[] = [];
		for (const { ip } of proxies.slice(-KILLED)) {
			const { id, provider } = await dev.vmAt(ip);
			await dev.control("POST", `/vms/${id}/kill-agent?forever=1&provider=${provider}`);
			deaths.push(await untilIs(`${ip} is off the list`, 200_000, async () => !(await proxiesOf(dev)).some((one) => one.ip === ip)));
		}
		return { drops, deaths };
	} finally {
		await dev.stop();
		state.remove();
	}
}

export async function benchLive(print: (text: string) => void): Promise<Line[]> {
	const echo = createServer((socket) => socket.pipe(socket).on("error", () => socket.destroy()));
	await new Promise<void>((done) => echo.listen(0, "127.0.0.1", done));
	const { port } = echo.address() as { port: number };
	try {
		const [lined, called] = [await measure(true, port, print), await measure(false, port, print)];
		const [drops, deaths] = [inWords(lined.drops), inWords(lined.deaths)];
		const [calledDrops, calledDeaths] = [inWords(called.drops), inWords(called.deaths)];
		return [
			{
				what: `${PROXIES} agents, drop to closed`,
				measured: drops.p95,
				goal: "≤ 250 ms",
				also: `${drops.median}; by calls ${calledDrops.p95}`,
			},
			{
				what: "agent killed to out of the list",
				measured: deaths.p95,
				goal: "≤ 3000 ms",
				also: `${deaths.median}; by calls ${calledDeaths.p95}`,
			},
		];
	} finally {
		echo.close();
	}
}
