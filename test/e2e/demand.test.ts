import { createServer, connect as dial, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Dev, type Proxy, SOON_MS, TIMES, temporaryState, within } from "./harness.ts";

const WINDOW_SECONDS = 6;
/** From a change of the load to the decision that it calls for: a report, and then the interval's decision. */
const DECIDED_MS = 2 * TIMES.interval * 1000;
/** What boots, drains and deletes may take besides, on a machine that runs other tests as well. */
const DONE_MS = 30_000;

/** A server that says back what it hears. */
const echo = createServer((socket) => socket.pipe(socket).on("error", () => socket.destroy()));
let echoPort = 0;

const state = temporaryState();
let dev: Dev;
const open = new Set<Tunnel>();

beforeAll(async () => {
	await new Promise<void>((done) => echo.listen(0, "127.0.0.1", done));
	const address = echo.address();
	echoPort = typeof address === "object" && address ? address.port : 0;
	// Nothing but the endpoints of these tests, and heartbeats as often as is configured: the free plan would stretch them.
	dev = await Dev.start(state.directory, { DIGITALOCEAN_MIN_SCALING: "0", DIGITALOCEAN_MAX_SCALING: "0", PLAN: "paid" });
});
afterAll(async () => {
	for (const tunnel of open) tunnel.close();
	echo.close();
	await dev?.stop();
	state.remove();
});

/** A client's long connection through a proxy. */
class Tunnel {
	readonly proxy: Proxy;
	private readonly socket: Socket;
	isCut = false;

	private constructor(proxy: Proxy, socket: Socket) {
		this.proxy = proxy;
		this.socket = socket;
		socket.on("close", () => {
			this.isCut = true;
		});
		socket.on("error", () => socket.destroy());
	}

	/** As the agent names it. */
	get client(): string {
		return `${this.socket.localAddress}:${this.socket.localPort}`;
	}

	static async through(proxy: Proxy): Promise<Tunnel> {
		const { username, password } = new URL(proxy.url);
		const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
		const socket = dial(proxy.port, proxy.ip);
		const tunnel = new Tunnel(proxy, socket);
		const head = `CONNECT 127.0.0.1:${echoPort} HTTP/1.1\r\nHost: 127.0.0.1:${echoPort}\r\nProxy-Authorization: Basic ${login}\r\n\r\n`;
		const answer = await tunnel.ask(head);
		if (!answer.startsWith("HTTP/1.1 200")) throw new Error(`CONNECT: ${answer.split("\r\n")[0]}`);
		open.add(tunnel);
		return tunnel;
	}

	/** Sends some text, and returns what comes next. */
	ask(text: string): Promise<string> {
		return new Promise((done, refuse) => {
			this.socket.once("data", (data) => done(data.toString()));
			this.socket.once("close", () => refuse(new Error(`the connection through ${this.proxy.ip} was cut`)));
			this.socket.write(text);
		});
	}

	close(): void {
		open.delete(this);
		this.socket.destroy();
	}
}

async function reactor(method: string, path: string, body?: unknown): Promise<unknown> {
	const response = await fetch(`http://127.0.0.1:${dev.port}/v1.1${path}`, {
		method,
		...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
	});
	const text = await response.text();
	if (response.status !== 200) throw new Error(`${method} ${path}: ${response.status} ${text}`);
	return text === "" ? null : JSON.parse(text);
}

const act = (endpoint: string, action: string) => reactor("POST", `/endpoints/${endpoint}/state`, { action });
const entriesOf = async (endpoint: string) => (await reactor("GET", `/endpoints/${endpoint}/log`)) as [number, string, string][];
const logOf = async (endpoint: string) => (await entriesOf(endpoint)).map(([, , text]) => text);
const proxiesOf = async (endpoint: string) => (await dev.proxies()).filter(({ instance }) => instance === endpoint);
const vmsOf = async (proxies: readonly Proxy[]) => {
	const addresses = new Set(proxies.map(({ ip }) => ip));
	return (await dev.vms()).filter(({ ip }) => ip !== null && addresses.has(ip));
};
const configurationOf = (token: string, scaling: object) => ({
	endpoint: { cloud: "digitalocean", decommissioned_timeout: 60 },
	scaling: { rules: ["2<=active<=4"], scale_in_window: WINDOW_SECONDS, ...scaling },
	"cloud:digitalocean": { access_token: token },
});

test("an endpoint grows with its connections, shrinks when they end, idle proxies first, and cuts none; it stops and starts", async () => {
	await reactor("PUT", "/endpoints/demand", configurationOf("local-demand", { min_instances: 1, max_instances: 6 }));
	await act("demand", "start");
	const first = await within(DONE_MS, async () => {
		const [proxy, ...others] = await proxiesOf("demand");
		if (proxy === undefined || others.length > 0) throw new Error(`${others.length} proxies`);
		return proxy;
	});

	// 20 connections: 5 to 10 proxies by the rules, 5 or 6 within the bounds, and 5 is their middle rounded down.
	const tunnels = await Promise.all(Array.from({ length: 20 }, () => Tunnel.through(first)));
	const openedAt = Date.now();
	const grown = await within(DECIDED_MS + DONE_MS, async () => {
		const proxies = await proxiesOf("demand");
		expect(proxies).toHaveLength(5);
		return proxies;
	});
	const grew = (await entriesOf("demand")).find(([, , text]) => text.startsWith("target changed 1 => "));
	expect(grew?.[2]).toBe("target changed 1 => 5: active is 20 in all: 2<=active<=4 asks for 5 to 10");
	expect((grew?.[0] ?? 0) * 1000 - openedAt).toBeLessThan(DECIDED_MS + DONE_MS);
	for (const tunnel of tunnels) expect(await tunnel.ask("still there?")).toBe("still there?");

	// All but two end, and those two are not of the oldest proxy.
	const busy = grown.find(({ ip }) => ip !== first.ip);
	if (busy === undefined) throw new Error("there is no other proxy");
	const kept = [await Tunnel.through(busy), await Tunnel.through(busy)];
	for (const tunnel of tunnels) tunnel.close();
	const endedAt = Date.now();
	await within(WINDOW_SECONDS * 1000 + DECIDED_MS + DONE_MS, async () => expect(await proxiesOf("demand")).toEqual([busy]));
	expect(Date.now() - endedAt).toBeGreaterThan((WINDOW_SECONDS - TIMES.interval) * 1000);
	await within(DONE_MS, async () => expect(await vmsOf(grown)).toHaveLength(1));
	for (const tunnel of kept) expect(await tunnel.ask("and now?")).toBe("and now?");

	// Stopped, it hands nothing out, and still waits for who is connected.
	await act("demand", "stop");
	expect(await proxiesOf("demand")).toEqual([]);
	await new Promise((done) => setTimeout(done, 2 * TIMES.interval * 1000));
	for (const tunnel of kept) expect(await tunnel.ask("to the end?")).toBe("to the end?");
	for (const tunnel of kept) tunnel.close();
	await within(DONE_MS, async () => expect(await vmsOf(grown)).toEqual([]));

	await act("demand", "start");
	await within(DONE_MS, async () => expect(await proxiesOf("demand")).toHaveLength(1));

	// The cloud no longer has the VM before the pool has been told so.
	const log = await within(DONE_MS, async () => {
		const texts = await logOf("demand");
		expect(texts).toContain(`deleted ${busy.ip}: one too many`);
		return texts;
	});
	// It may have gone by steps: connections that end are reported by one proxy sooner than by another.
	const steps = log.filter((text) => text.startsWith("target changed"));
	expect(steps).toContainEqual(expect.stringMatching(/^target changed \d => 1: active is 2 in all: 2<=active<=4 asks for 1\b/));
	for (const text of [
		`deleted ${first.ip}: one too many`,
		"stopped",
		"target changed 1 => 0: stopped",
		`decommissioning ${busy.ip}: one too many`,
		`deleted ${busy.ip}: one too many`,
	]) {
		expect(log).toContain(text);
	}
	expect(log.filter((text) => text === "started")).toHaveLength(2);
	await act("demand", "stop");
});

test("an endpoint that may be empty starts a proxy for the client that asks for one, and lets it go when nobody comes", async () => {
	await reactor("PUT", "/endpoints/sleeper", {
		...configurationOf("local-sleeper", { min_instances: 0, max_instances: 2 }),
		endpoint: { cloud: "digitalocean", unregistered_timeout: 8 },
	});
	await act("sleeper", "start");
	await within(DONE_MS, async () => {
		const asked = await fetch(`http://127.0.0.1:${dev.port}/random?instance=sleeper`);
		expect([asked.status, asked.headers.get("Retry-After")]).toEqual([404, expect.stringMatching(/^1[0-5]$/)]);
	});
	await within(DONE_MS, async () => expect((await dev.api("GET", "/random?instance=sleeper")).status).toBe(200));
	expect(await logOf("sleeper")).toContain("target changed 0 => 1: a client asks for a proxy");
	// The boot limit of 8 s after the last one who asked in vain.
	await within(8_000 + WINDOW_SECONDS * 1000 + DECIDED_MS + DONE_MS, async () => expect(await proxiesOf("sleeper")).toEqual([]));
	// Who asks again and again is one.
	expect((await logOf("sleeper")).some((text) => text.startsWith("target changed 1 => 0"))).toBe(true);
	await act("sleeper", "stop");
});

test("a session that is dropped is closed at its proxy within an interval, and no other one is", async () => {
	await reactor("PUT", "/endpoints/sessions", configurationOf("local-sessions", { min_instances: 1, max_instances: 1 }));
	await act("sessions", "start");
	const proxy = await within(DONE_MS, async () => {
		const [one] = await proxiesOf("sessions");
		if (one === undefined) throw new Error("no proxy is ready");
		return one;
	});
	const [dropped, kept] = [await Tunnel.through(proxy), await Tunnel.through(proxy)];
	// An agent reports its connections each interval, and D1 is told once an interval.
	await within(DONE_MS, async () => {
		const shown = (await reactor("GET", "/endpoints/sessions/sessions")) as Record<string, string>;
		expect(shown).toEqual({ [dropped.client]: `${proxy.ip}:${proxy.port}`, [kept.client]: `${proxy.ip}:${proxy.port}` });
	});
	await reactor("DELETE", `/endpoints/sessions/sessions/${dropped.client}`);
	await within(TIMES.interval * 1000 + SOON_MS, async () => expect(dropped.isCut).toBe(true));
	expect(await kept.ask("still here")).toBe("still here");
	await within(DONE_MS, async () => {
		expect(Object.keys((await reactor("GET", "/endpoints/sessions/sessions")) as object)).toEqual([kept.client]);
	});
	kept.close();
});
