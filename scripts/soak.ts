/**
 * `npm run soak -- [--minutes 10] [--seed 1]`: a real fleet under bad weather. Runs `npm run dev` with a local cloud that fails a fifth of
 * all calls, an operator who scales, destroys and restarts, agents that crash, and clients that draw proxies and send traffic through
 * them. Exits 1 when a VM is left over at the end or a proxy was handed out after its VM was deleted for longer than the stated staleness.
 */
import { request } from "node:http";
import { parseArgs } from "node:util";
import { Dev, type Proxy, temporaryState, within } from "../test/e2e/harness.ts";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, seed: { type: "string", default: "1" } } });
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 120)) throw new Error("--minutes must be a number up to 120");
const random = mulberry32(Number(values.seed));

/** A fifth of the calls in all: refused, cut off after they were done, limited, late. */
const WEATHER = [
	{ operation: "*", probability: 0.08, status: 503 },
	{ operation: "*", probability: 0.05, dropAnswer: true },
	{ operation: "*", probability: 0.03, status: 429, headers: { "retry-after": "2", "ratelimit-remaining": "4000" } },
	{ operation: "*", probability: 0.05, delayMs: 3000 },
];
const STALENESS_MS = 1000;
const CLIENTS = 4;

const counts = { draws: 0, empty: 0, sent: 0, errors: 0, stale: 0, destroyed: 0, restarted: 0, crashed: 0, scaled: 0 };
const kinds = new Map<string, number>();
/** When a proxy's VM was first found missing at the cloud, by address. */
const goneAt = new Map<string, number>();

const state = temporaryState();
const dev = await Dev.start(state.directory, {
	INTERVAL: "5",
	UNKNOWN_TIMEOUT: "20",
	UNREGISTERED_TIMEOUT: "60",
	DECOMMISSIONED_TIMEOUT: "30",
	DIGITALOCEAN_MIN_SCALING: "4",
	DIGITALOCEAN_MAX_SCALING: "8",
});
process.once("SIGINT", () => void dev.stop().then(() => process.exit(130)));
let failed = true;
try {
	for (const fault of WEATHER) await dev.control("POST", "/faults", { provider: "digitalocean", times: 1_000_000_000, ...fault });
	const endAt = Date.now() + minutes * 60_000;
	await Promise.all([operate(endAt), watch(endAt), ...Array.from({ length: CLIENTS }, () => draw(endAt))]);
	await dev.control("DELETE", "/faults");
	await dev.api("PATCH", "/providers/digitalocean", { min_scaling: 3, max_scaling: 3 });
	await within(180_000, async () => {
		const [vms, ready] = [await dev.vms(), await dev.proxies()];
		if (vms.length !== 3 || ready.length !== 3) throw new Error(`after the weather: ${vms.length} VMs and ${ready.length} ready, not 3`);
	});
	await dev.api("PATCH", "/providers/digitalocean", { min_scaling: 0, max_scaling: 0 });
	await within(120_000, async () => {
		const left = await dev.vms();
		if (left.length > 0) throw new Error(`leaked: ${left.map((vm) => vm.name).join(", ")}`);
	});
	const creates = await dev.creates();
	const doubled = creates.length - new Set(creates).size;
	const rate = ((100 * counts.errors) / Math.max(1, counts.sent)).toFixed(2);
	console.log(
		JSON.stringify({
			minutes,
			...counts,
			errorPercent: Number(rate),
			errorKinds: Object.fromEntries(kinds),
			creates: creates.length,
			doubled,
		}),
	);
	failed = counts.stale > 0 || doubled > 0;
} finally {
	await dev.stop();
	state.remove();
}
process.exitCode = failed ? 1 : 0;

/** Someone at the controls, every few seconds. */
async function operate(endAt: number): Promise<void> {
	while (Date.now() < endAt) {
		await pause(4000 + random() * 4000);
		const dice = random();
		const proxies = await dev.proxies();
		const one = proxies[Math.floor(random() * proxies.length)];
		if (dice < 0.35) {
			const min = 2 + Math.floor(random() * 6);
			await dev.api("PATCH", "/providers/digitalocean", { min_scaling: min, max_scaling: 8 });
			counts.scaled++;
		} else if (one !== undefined && dice < 0.55) {
			await dev.api("DELETE", `/destroy?ip_address=${one.ip}`);
			counts.destroyed++;
		} else if (one !== undefined && dice < 0.7) {
			await dev.api("DELETE", `/restart?ip_address=${one.ip}`);
			counts.restarted++;
		} else if (one !== undefined) {
			const vm = await dev.vmAt(one.ip).catch(() => null);
			if (vm !== null) await dev.control("POST", `/vms/${vm.id}/kill-agent`).catch(() => undefined);
			counts.crashed++;
		}
	}
}

/** Notes when VMs vanish. */
async function watch(endAt: number): Promise<void> {
	let known = new Set<string>();
	while (Date.now() < endAt) {
		const now = new Set((await dev.vms()).flatMap((vm) => vm.ip ?? []));
		for (const ip of known) if (!now.has(ip)) goneAt.set(ip, Date.now());
		for (const ip of now) goneAt.delete(ip);
		known = now;
		await pause(100);
	}
}

async function draw(endAt: number): Promise<void> {
	while (Date.now() < endAt) {
		const askedAt = Date.now();
		const { status, body } = await dev.api("GET", "/random");
		counts.draws++;
		if (status !== 200) counts.empty++;
		else {
			const proxy = body.proxy as Proxy;
			if (askedAt - (goneAt.get(proxy.ip) ?? askedAt) > STALENESS_MS) counts.stale++;
			const error = await send(proxy);
			counts.sent++;
			if (error !== null) {
				counts.errors++;
				kinds.set(error, (kinds.get(error) ?? 0) + 1);
			}
		}
		await pause(20);
	}
}

/** One request through a proxy; null when its answer was the proxy's address, else what went wrong. */
function send(proxy: Proxy): Promise<string | null> {
	const url = new URL(proxy.url);
	const authorization = Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString("base64");
	return new Promise((resolve) => {
		const call = request(
			{
				host: proxy.ip,
				port: proxy.port,
				path: `http://127.0.0.1:${dev.cloudPort}/ip`,
				headers: { "proxy-authorization": `Basic ${authorization}`, host: `127.0.0.1:${dev.cloudPort}` },
				timeout: 5000,
			},
			(answer) => {
				let text = "";
				answer.on("data", (chunk) => {
					text += chunk;
				});
				answer.on("end", () => resolve(text.trim() === proxy.ip ? null : `status ${answer.statusCode}`));
				answer.on("error", () => resolve("cut off"));
			},
		);
		call.on("timeout", () => call.destroy(new Error("timeout")));
		call.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
		call.end();
	});
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

/** https://gist.github.com/tommyettinger/46a874533244883189143505d203312c (public domain) */
function mulberry32(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}
