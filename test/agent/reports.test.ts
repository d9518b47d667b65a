import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ProbeBody, parseBearer } from "../../src/agent/protocol.ts";
import {
	type Agent,
	ask,
	basic,
	dial,
	eventually,
	httpOrigin,
	onLinux,
	read,
	readToEnd,
	startAgent,
	startWorker,
	tcpOrigin,
	tunnel,
} from "./harness.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const probe = (agent: Agent, nonce = randomBytes(16).toString("hex")) =>
	ask(agent, `GET http://probe.muster/${nonce} HTTP/1.1\r\n${basic()}\r\n`);

describe.runIf(onLinux)("registration", () => {
	it("shows the boot token and a key minted here, from the proxy's own address", async () => {
		const worker = await startWorker();
		const agent = await startAgent(worker);
		const [registration] = worker.registrations;
		expect(registration?.token).toBe(agent.config.token);
		expect(registration?.address).toBe(agent.address);
		expect(registration?.userAgent).toMatch(/^muster-agent\/\d/);
		const [token, key] = [parseBearer(agent.config.token), parseBearer(registration?.body.key ?? "")];
		expect(key).toEqual(token);
		expect(registration?.body.key).not.toBe(agent.config.token);
		expect(readFileSync(join(agent.stateDirectory, "key"), "utf8")).toBe(registration?.body.key);
		for (const file of ["key", "state.json"]) expect(statSync(join(agent.stateDirectory, file)).mode & 0o777).toBe(0o600);
	});

	it("is tried again while the Worker is down, while clients are served", async () => {
		const worker = await startWorker();
		worker.statuses.set("/v1.1/register", 503);
		const agent = await startAgent(worker, { isLonely: true });
		const web = await httpOrigin((_, response) => response.end("ok"));
		await eventually(() => worker.calls >= 3, "it tries again");
		expect(worker.registrations).toEqual([]);
		expect((await ask(agent, `GET http://127.0.0.1:${web}/ HTTP/1.1\r\n${basic()}\r\n`)).body).toBe("ok");
		worker.statuses.clear();
		await eventually(() => worker.registrations.length === 1, "it registers");
		expect(agent.log().match(/no report/g)).toHaveLength(1);
	});

	it("is repeated with the same key after a crash and after an orderly restart", async () => {
		const worker = await startWorker();
		const agent = await startAgent(worker);
		for (const signal of ["SIGKILL", "SIGTERM"] as const) {
			await agent.kill(signal);
			await agent.start();
		}
		expect(worker.registrations).toHaveLength(3);
		expect(new Set(worker.registrations.map(({ body }) => body.key)).size).toBe(1);
	});

	it("is repeated when a heartbeat is refused", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		await startAgent(worker);
		worker.statuses.set("/v1.1/heartbeat", 401);
		await eventually(() => worker.registrations.length >= 2, "it registers again");
		worker.statuses.clear();
		await eventually(() => worker.heartbeats.length >= 1, "heartbeats go on");
	});

	it("mints a new key where the state directory is another VM's, as with an image made of one", async () => {
		const worker = await startWorker();
		const [one, other] = [await startAgent(worker), await startAgent(worker)];
		await other.kill("SIGKILL");
		const { copyFileSync } = await import("node:fs");
		for (const file of ["key", "state.json"]) copyFileSync(join(one.stateDirectory, file), join(other.stateDirectory, file));
		await other.start();
		const key = worker.registrations.at(-1)?.body.key ?? "";
		expect(parseBearer(key)).toEqual(parseBearer(other.config.token));
	});
});

describe.runIf(onLinux)("heartbeats", () => {
	it("tell open sessions, rates, the processor, and the credentials in force", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.3 };
		const agent = await startAgent(worker);
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		await ask(agent, `CONNECT no-such-name.invalid:80 HTTP/1.1\r\n${basic()}\r\n`);
		socket.write("x".repeat(1000));
		await read(socket, 1000);
		const beat = await eventually(() => worker.heartbeats.find(({ body }) => (body.metrics.bytes ?? 0) > 0), "a heartbeat with traffic");
		expect(beat.key).toBe(worker.registrations[0]?.body.key);
		expect(beat.body.sessions).toContain(`${socket.localAddress}:${socket.localPort}`);
		expect(beat.body.active).toBe(beat.body.sessions.length);
		expect(beat.body.credentials).toBe(1);
		expect(Object.keys(beat.body.metrics).sort()).toEqual(["bytes", "cpu", "errors", "load", "requests"]);
		const total = (name: string) => worker.heartbeats.reduce((sum, { body }) => sum + (body.metrics[name] ?? 0), 0);
		expect(total("requests")).toBeGreaterThan(0);
		expect(total("errors")).toBeGreaterThan(0);
		for (const { body } of worker.heartbeats) expect(body.metrics.cpu).toBeLessThanOrEqual(1);
		socket.destroy();
		await eventually(() => worker.heartbeats.at(-1)?.body.active === 0, "none is open");
	});

	it("count bytes each way, requests, errors and connections since the start, anew after a restart", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		const agent = await startAgent(worker);
		const port = await tcpOrigin((socket) => socket.once("data", () => socket.end("y".repeat(500))));
		const web = await httpOrigin((_, response) => response.end("ok"));
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		socket.write("x".repeat(1000));
		await read(socket, 500);
		const whole = (keeps: string) => `GET http://127.0.0.1:${web}/ HTTP/1.1\r\n${basic()}${keeps}\r\n`;
		const kept = await dial(agent);
		kept.write(whole("") + whole("Connection: close\r\n"));
		await readToEnd(kept);
		await ask(agent, `CONNECT no-such-name.invalid:80 HTTP/1.1\r\n${basic()}\r\n`);
		await probe(agent);
		const last = () => worker.heartbeats.at(-1)?.body;
		const body = await eventually(
			() => (last()?.counters?.opened === 3 && last()?.counters?.requests === 4 ? last() : null),
			"all counted",
		);
		expect(body.counters?.errors).toBe(1);
		expect(body.counters?.bytesIn).toBeGreaterThanOrEqual(1000);
		expect(body.counters?.bytesIn).toBeLessThan(1500);
		expect(body.counters?.bytesOut).toBeGreaterThan(500);
		await agent.kill("SIGKILL");
		await agent.start();
		const after = await eventually(() => (last()?.boot === body.boot ? null : last()), "a heartbeat of the next start");
		expect(after.counters).toEqual({ bytesIn: 0, bytesOut: 0, requests: 0, errors: 0, opened: 0 });
	});

	it("go on without the counters where an older Worker refuses them", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		await startAgent(worker);
		await eventually(() => worker.heartbeats.length > 0, "a heartbeat");
		worker.knowsCounters = false;
		const before = worker.heartbeats.length;
		await eventually(
			() => worker.heartbeats.slice(before).filter(({ body }) => body.counters === undefined).length >= 2,
			"bare heartbeats",
		);
	});

	it("keep to the interval that the last answer told", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		await startAgent(worker);
		await eventually(() => worker.heartbeats.length >= 5, "heartbeats each 0.2 s");
		worker.directives = { ...worker.directives, interval: 60 };
		const seen = worker.heartbeats.length;
		await eventually(() => worker.heartbeats.length === seen + 1, "the one that learns it");
		await new Promise((resolve) => setTimeout(resolve, 700));
		expect(worker.heartbeats.length).toBe(seen + 1);
	});

	it("go on in time while the proxy is busy", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.25 };
		const agent = await startAgent(worker);
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		const block = Buffer.alloc(MEGABYTE);
		const until = performance.now() + 3000;
		const push = () => {
			if (performance.now() < until) socket.write(block, push);
		};
		push();
		socket.resume();
		const first = worker.heartbeats.length;
		await eventually(() => performance.now() > until, "three busy seconds");
		// Twelve, where the machine has time for it.
		expect(worker.heartbeats.length - first).toBeGreaterThanOrEqual(4);
	});

	it("that drop a session cut both its sockets, leave the others, and are answered for within a second", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.3 };
		const agent = await startAgent(worker);
		const ends: string[] = [];
		const port = await tcpOrigin((socket) => {
			const name = `${socket.remotePort}`;
			socket.on("close", () => ends.push(name));
			socket.pipe(socket);
		});
		const [dropped, kept] = [await tunnel(agent, `127.0.0.1:${port}`), await tunnel(agent, `127.0.0.1:${port}`)];
		const name = `${dropped.localAddress}:${dropped.localPort}`;
		await eventually(() => worker.heartbeats.at(-1)?.body.sessions.includes(name), "the session is told");
		worker.directives = { ...worker.directives, interval: 60, drop: [name, "192.0.2.1:1"] };
		dropped.resume();
		await eventually(() => dropped.destroyed && ends.length === 1, "both sockets are cut");
		const told = await eventually(() => worker.heartbeats.at(-1)?.body.sessions.includes(name) === false, "the outcome is told");
		expect(told).toBe(true);
		kept.write("alive");
		expect((await read(kept, 5)).toString()).toBe("alive");
	});

	it("that ask to drain keep open tunnels and probes, refuse new clients, and tell when the last one is gone", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.3 };
		const agent = await startAgent(worker);
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		const socket = await tunnel(agent, `127.0.0.1:${port}`);
		await eventually(() => worker.heartbeats.at(-1)?.body.active === 1, "the tunnel is told");
		worker.directives = { ...worker.directives, interval: 60, drain: true };
		const seen = worker.heartbeats.length;
		await eventually(() => worker.heartbeats.length >= seen + 2, "the drain is confirmed");
		const refused = async () => (await ask(agent, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${basic()}\r\n`)).status === 503;
		await eventually(refused, "new clients are refused");
		expect((await probe(agent)).status).toBe(200);
		socket.write("alive");
		expect((await read(socket, 5)).toString()).toBe("alive");
		socket.destroy();
		await eventually(() => worker.heartbeats.at(-1)?.body.active === 0, "the last one's end is told");
		worker.directives = { ...worker.directives, drain: false };
	});

	it("that change the credentials are acknowledged at once; the old ones stay good until their time, over a restart too", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		const agent = await startAgent(worker, { limits: { OLD_CREDENTIALS_SECONDS: 4 } });
		const began = performance.now();
		worker.directives = { ...worker.directives, interval: 60, credentials: { version: 2, username: "second", password: "secret" } };
		await eventually(() => worker.heartbeats.at(-1)?.body.credentials === 2, "the new version is acknowledged");
		const status = async (header: string) =>
			(await ask(agent, `GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${header}\r\n`)).status;
		expect([await status(basic()), await status(basic("second", "secret"))]).toEqual([200, 200]);
		worker.statuses.set("/v1.1/register", 503); // What it knows now it knows from its own state.
		await agent.kill("SIGKILL");
		const restarted = agent.start().catch(() => {}); // It cannot register; that it serves is what is looked at.
		await eventually(() => status(basic("second", "secret")).catch(() => false), "it serves again");
		expect(await status(basic("second", "secret"))).toBe(200);
		const old = await status(basic());
		if (performance.now() - began < 4000) expect(old).toBe(200);
		await eventually(async () => (await status(basic())) === 407, "the old ones end");
		worker.statuses.clear();
		await restarted;
	});

	it("that change the allowed networks close other clients' connections at accept", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, allow: ["127.0.0.7/32", "198.51.100.0/24"] };
		const agent = await startAgent(worker);
		const send = async (localAddress: string) => {
			const socket = await dial(agent, { localAddress });
			socket.write(`GET http://probe.muster/${"0".repeat(32)} HTTP/1.1\r\n${basic()}Connection: close\r\n\r\n`);
			return (await readToEnd(socket)).toString().slice(0, 12);
		};
		expect(await send("127.0.0.7")).toBe("HTTP/1.1 200");
		expect(await send("127.0.0.8")).toBe("");
	});

	it("that tell a new address are followed by calls to it, after a restart too", async () => {
		const [worker, next] = [await startWorker(), await startWorker()];
		worker.directives = { ...worker.directives, interval: 0.2, url: next.url };
		next.directives = { ...next.directives, interval: 0.2, url: next.url };
		const agent = await startAgent(worker);
		await eventually(() => next.heartbeats.length > 0, "the new address is called");
		await agent.kill("SIGKILL");
		await agent.start();
		expect([worker.registrations.length, next.registrations.length]).toEqual([1, 1]);
	});

	it("that tell a wrong address do not lose the agent: it goes on with the one that answers", async () => {
		const strangers = [await startWorker(), await startWorker()];
		strangers[0]?.statuses.set("/v1.1/heartbeat", 401);
		strangers[1]?.statuses.set("/v1.1/heartbeat", 404);
		for (const url of ["http://127.0.0.1:9", ...strangers.map((stranger) => stranger.url)]) {
			const worker = await startWorker();
			worker.directives = { ...worker.directives, interval: 0.2, url };
			const agent = await startAgent(worker);
			await eventually(() => worker.heartbeats.length >= 2, "it still reports");
			expect((await probe(agent)).status).toBe(url === "http://127.0.0.1:9" ? 502 : 200);
			worker.directives = { ...worker.directives, url: worker.url };
			await eventually(() => worker.heartbeats.length >= 4, "it learns the mended address");
			expect((await probe(agent)).status).toBe(200);
			expect(worker.registrations).toHaveLength(1);
		}
	});

	it("whose answer makes no sense change nothing", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		const agent = await startAgent(worker);
		const good = worker.directives;
		for (const bad of [{ ...good, url: "ftp://x" }, { ...good, allow: ["everybody"] }, { ...good, interval: "soon" }, [], "x", null]) {
			worker.directives = bad as unknown as typeof good;
			const calls = worker.calls;
			await eventually(() => worker.calls >= calls + 2, "it goes on reporting", 15_000);
			expect((await probe(agent)).status).toBe(200);
		}
	});
});

describe.runIf(onLinux)("a probe", () => {
	it("is answered with a proof of the key and the number of open connections, its own not counted", async () => {
		const worker = await startWorker();
		const agent = await startAgent(worker, { allowLoopback: false });
		const nonce = randomBytes(16).toString("hex");
		const answer = await probe(agent, nonce);
		expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json"]);
		const key = worker.registrations[0]?.body.key ?? "";
		expect(ProbeBody.parse(JSON.parse(answer.body))).toEqual({
			proof: createHmac("sha256", sha256(key)).update(nonce).digest("hex"),
			active: 0,
		});
	});

	it("counts the open tunnels", async () => {
		const agent = await startAgent(await startWorker());
		const port = await tcpOrigin((socket) => socket.pipe(socket));
		await tunnel(agent, `127.0.0.1:${port}`);
		expect(JSON.parse((await probe(agent)).body).active).toBe(1);
	});

	it("fails where the public URL cannot be reached from the proxy", async () => {
		const agent = await startAgent({ url: "http://127.0.0.1:9" }, { isLonely: true });
		expect((await probe(agent)).status).toBe(502);
	});

	it("without a proper nonce proves nothing", async () => {
		const agent = await startAgent(await startWorker());
		for (const nonce of ["", "short", "G".repeat(32), "0".repeat(33)]) expect((await probe(agent, nonce)).status).toBe(404);
	});
});

const MEGABYTE = 1 << 20;
