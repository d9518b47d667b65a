import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeAuthority } from "./authority.ts";
import {
	type Agent,
	type AgentOptions,
	ask,
	basic,
	eventually,
	type FakeLine,
	onLinux,
	startAgent,
	startWorker,
	tcpOrigin,
	tunnel,
} from "./harness.ts";

/** So that a test need not wait as long as a VM may. */
const LIMITS = { LINE_AGAIN_SECONDS: [0.1, 0.3], LINE_REFUSED_SECONDS: 1 };

type Limits = NonNullable<AgentOptions["limits"]>;
const nameOf = (socket: { localAddress?: string; localPort?: number }) => `${socket.localAddress}:${socket.localPort}`;
/** What a pool that applies all reports knows to be open. */
function sessionsOf({ reports }: FakeLine): Set<string> {
	let sessions = new Set<string>();
	for (const { whole, opened, closed } of reports) {
		sessions = new Set(whole ? opened : [...sessions, ...opened].filter((name) => !closed.includes(name)));
	}
	return sessions;
}

async function lined(limits: Limits = {}) {
	const worker = await startWorker();
	worker.lines = [];
	const agent = await startAgent(worker, { limits: { ...LIMITS, ...limits } });
	const line = await nextLine(worker);
	await eventually(() => line.reports.some(({ heard }) => heard === 1), "the first order is acknowledged");
	return { worker, agent, line };
}

function nextLine(worker: { readonly lines: FakeLine[] | null }, than?: FakeLine): Promise<FakeLine> {
	return eventually(() => worker.lines?.findLast((line) => line !== than && line.isOpen), "a line");
}

/** A way to a port of this machine that can go silent: what is under way then gets neither bytes nor ends any more, and what comes later gets through. */
async function startPath(port: number): Promise<{ readonly url: string; silence(): void }> {
	const under = new Set<Socket>();
	const own = await tcpOrigin((near) => {
		const far = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
		onTestFinished(() => void far.destroy());
		for (const [from, to] of [
			[near, far],
			[far, near],
		] as const) {
			under.add(from);
			from.on("data", (data) => to.write(data));
			from.on("end", () => to.end());
			from.on("error", () => to.destroy());
		}
	});
	return {
		url: `http://127.0.0.1:${own}`,
		silence: () => {
			for (const socket of under) {
				for (const event of ["data", "end", "error"]) socket.removeAllListeners(event);
				socket.on("error", () => {});
				socket.pause();
			}
			under.clear();
		},
	};
}

const echoTunnel = async (agent: Agent) => tunnel(agent, `127.0.0.1:${await tcpOrigin((socket) => socket.pipe(socket))}`);

describe.runIf(onLinux)("a line", () => {
	it("is opened with the key after registering, begins with a whole report, and takes the heartbeats' place", async () => {
		const { worker, line } = await lined();
		expect(line.key).toBe(worker.registrations[0]?.body.key);
		expect(line.reports[0]).toMatchObject({ number: 1, whole: true, opened: [], closed: [], active: 0, credentials: 1 });
		expect(worker.heartbeats).toEqual([]);
	});

	it("tells sessions that open and close within a second or two, as numbered differences, and all of them when asked", async () => {
		const { agent, line } = await lined();
		const [one, other] = [await echoTunnel(agent), await echoTunnel(agent)];
		await eventually(() => sessionsOf(line).size === 2, "both are told");
		one.destroy();
		await eventually(() => sessionsOf(line).size === 1, "one has closed");
		expect([...sessionsOf(line)]).toEqual([nameOf(other)]);
		expect(line.reports.map(({ number }) => number)).toEqual(line.reports.map((_, index) => index + 1));
		expect(line.reports.slice(1).some(({ whole }) => whole)).toBe(false);
		line.socket.send('{"whole": true}');
		await eventually(() => line.reports.at(-1)?.whole, "a whole report");
		expect(line.reports.at(-1)?.opened).toEqual([nameOf(other)]);
		expect(line.reports.at(-1)?.counters?.opened).toBe(2);
	});

	it("says nothing while nothing changes, and ever less often while connections come and go", async () => {
		const { agent, line } = await lined();
		await new Promise((resolve) => setTimeout(resolve, 2500));
		expect(line.reports.length).toBeLessThanOrEqual(2);
		const before = line.reports.length;
		for (let i = 0; i < 32; i++) {
			await ask(agent, `CONNECT no-such-name.invalid:80 HTTP/1.1\r\n${basic()}\r\n`);
			await new Promise((resolve) => setTimeout(resolve, 250));
		}
		expect(line.reports.length - before).toBeLessThanOrEqual(5);
		expect(line.reports.length - before).toBeGreaterThan(1);
	});

	it("tells at once when it has so many more connections as the pool asks to be told of", async () => {
		const { agent, line } = await lined({ CHANGES_SECONDS: 60, CHANGE_SECONDS: 0.5 });
		// It is used to changes, and tells them seldom by now.
		for (let i = 0; i < 8; i++) {
			(await echoTunnel(agent)).destroy();
			await new Promise((resolve) => setTimeout(resolve, 500));
		}
		for (let i = 0; i < 4; i++) await echoTunnel(agent);
		await eventually(() => line.reports.at(-1)?.active === 4, "four are told");
	});

	it("brings orders, which are carried out and acknowledged at once", async () => {
		const { agent, line, worker } = await lined();
		const socket = await echoTunnel(agent);
		const closed = new Promise((resolve) => socket.once("close", resolve));
		const drop = line.order({ drop: [nameOf(socket)] });
		await closed;
		await eventually(() => line.reports.at(-1)?.heard === drop, "the drop is acknowledged");
		line.order({ drop: [], credentials: { version: 2, username: "other", password: "words" } });
		await eventually(() => line.reports.at(-1)?.credentials === 2, "new credentials are in force");
		line.order({ drain: true });
		await eventually(async () => {
			const answer = await ask(agent, `CONNECT 127.0.0.1:1 HTTP/1.1\r\n${basic("other", "words")}\r\n`);
			return answer.status === 503;
		}, "no client is taken any more");
		expect(worker.heartbeats).toEqual([]);
	});

	it("says for how long former credentials stay good, all of them", async () => {
		const { agent, line } = await lined();
		const isRefused = async (username?: string, password?: string) =>
			(await ask(agent, `CONNECT 127.0.0.1:1 HTTP/1.1\r\n${basic(username, password)}\r\n`)).status === 407;
		line.order({ credentials: { version: 2, username: "second", password: "words" } });
		await eventually(() => line.reports.at(-1)?.credentials === 2, "the second are in force");
		expect([await isRefused(), await isRefused("second", "words")]).toEqual([false, false]);
		line.order({ credentials: { version: 3, username: "third", password: "words", former: 0 } });
		await eventually(() => line.reports.at(-1)?.credentials === 3, "the third are in force");
		expect([await isRefused(), await isRefused("second", "words"), await isRefused("third", "words")]).toEqual([true, true, false]);
	});

	it("tells at once when a drained proxy has become idle", async () => {
		const { agent, line } = await lined({ CHANGES_SECONDS: 60, CHANGE_SECONDS: 1 });
		const socket = await echoTunnel(agent);
		await eventually(() => line.reports.at(-1)?.active === 1, "it is told");
		line.order({ drain: true });
		await eventually(() => line.reports.at(-1)?.heard === 2, "it is heard");
		socket.destroy();
		await eventually(() => line.reports.at(-1)?.active === 0, "idle");
	});

	it("that breaks is opened anew, and begins again with a whole report", async () => {
		const { agent, line, worker } = await lined();
		const socket = await echoTunnel(agent);
		line.socket.terminate();
		const next = await nextLine(worker, line);
		await eventually(() => next.reports[0], "a report");
		expect(next.reports[0]).toMatchObject({ number: 1, whole: true, opened: [nameOf(socket)] });
		expect(worker.registrations).toHaveLength(1);
	});

	it("whose ping is not answered is given up", async () => {
		const { line, worker } = await lined({ PING_SECONDS: 0.5, PONG_SECONDS: 0.3 });
		await eventually(() => line.pingsMs.length >= 3, "pings");
		expect(line.isOpen).toBe(true);
		line.isAnswering = false;
		const next = await nextLine(worker, line);
		await eventually(() => !line.isOpen, "the old one is closed");
		expect(next.isOpen).toBe(true);
	});

	it("that goes silent on its way, with neither end told, is given up, and another takes its place", async () => {
		const worker = await startWorker();
		worker.lines = [];
		const path = await startPath(Number(new URL(worker.url).port));
		worker.directives = { ...worker.directives, url: path.url };
		await startAgent({ url: path.url }, { limits: { ...LIMITS, PING_SECONDS: 0.5, PONG_SECONDS: 0.3 } });
		const line = await nextLine(worker);
		await eventually(() => line.pingsMs.length >= 2, "pings");
		path.silence();
		const lost = line.order({ drop: ["192.0.2.1:1"] });
		const next = await nextLine(worker, line);
		await eventually(() => next.reports.some(({ heard }) => heard === 1), "it hears what the next line brings");
		// The pool's end of the silent one is open still: nobody has told it anything.
		expect([line.isOpen, line.reports.some(({ heard }) => heard >= lost), worker.registrations.length]).toEqual([true, false, 1]);
		expect(next.reports[0]).toMatchObject({ number: 1, whole: true });
		await eventually(() => next.pingsMs.length >= 3, "it stays");
		expect(next.isOpen).toBe(true);
	});

	it("that the pool closes for the key's sake makes the agent register again", async () => {
		const { line, worker } = await lined();
		line.socket.close(4401, "no");
		await eventually(() => worker.registrations.length === 2, "it registers again");
		await nextLine(worker, line);
	});

	it("takes fragments, pings between them and empty texts, and ends at what is malformed", async () => {
		const { line, worker } = await lined();
		const text = JSON.stringify({ order: 7, ...worker.directives, report: 300, rise: 0 });
		line.socket.send(text.slice(0, 20), { fin: false });
		line.socket.ping("x".repeat(125));
		const ponged = new Promise((resolve) => line.socket.once("pong", (data) => resolve(String(data))));
		line.socket.send("", { fin: false });
		line.socket.send(text.slice(20), { fin: true });
		line.socket.send("");
		await eventually(() => line.reports.at(-1)?.heard === 7, "the order in pieces is heard");
		expect(await ponged).toBe("x".repeat(125));
		// A long one, in the form with eight bytes of length.
		line.socket.send(JSON.stringify({ order: 8, ...worker.directives, report: 300, rise: 0, more: "y".repeat(70_000) }));
		await eventually(() => line.reports.at(-1)?.heard === 8, "the long order is heard");
		line.socket.send("no JSON");
		const next = await nextLine(worker, line);
		expect(next.isOpen).toBe(true);
	});

	it("of a proxy that ten clients keep busy is delayed by no more than a second, neither its pings nor its orders", async () => {
		const limits = { PING_SECONDS: 0.2, PONG_SECONDS: 8 };
		const { agent, line } = await lined(limits);
		// Another agent on the same machine, with nothing to do: what delays both of them is others' work.
		const idle = await lined(limits);
		const socket = await echoTunnel(agent);
		const login = basic()
			.replace(/^.*?: /, "")
			.trim();
		const flood = spawn("python3", ["-S", join(import.meta.dirname, "flood.py"), agent.address, String(agent.port), login, "4"]);
		onTestFinished(() => void flood.kill("SIGKILL"));
		let said = "";
		for (const stream of [flood.stdout, flood.stderr]) stream.on("data", (data) => (said += data));
		const ended = new Promise((resolve) => flood.once("exit", resolve));
		await eventually(() => said.includes("flooding"), "the flood");
		const both = [line, idle.line] as const;
		const [from, began] = [both.map(({ pingsMs }) => pingsMs.length), performance.now()];
		const closed = new Promise((resolve) => socket.once("close", resolve));
		const orders = both.map((one) => one.order({ drop: [nameOf(socket)] }));
		await closed;
		const droppedMs = performance.now() - began;
		const heard = await Promise.all(
			both.map((one, index) => eventually(() => one.reports.find((report) => report.heard === orders[index]), "the drop is acknowledged")),
		);
		await ended;
		const gaps = both.map(({ pingsMs }, index) => {
			const pings = pingsMs.slice(Math.max(0, (from[index] ?? 0) - 1));
			return pings.slice(1).map((at, next) => at - (pings[next] ?? at));
		});
		const [heardMs = 0, heardIdleMs = 0] = heard.map(({ atMs }) => atMs - began);
		const [gapMs = 0, gapIdleMs = 0] = gaps.map((ms) => Math.max(...ms));
		// What its clients' traffic delays it by, and nothing else does.
		const late = { dropped: droppedMs - heardIdleMs, heard: heardMs - heardIdleMs, ping: gapMs - gapIdleMs };
		console.info(`a busy agent is later than an idle one by ${JSON.stringify(late)} ms; ${said}`);
		for (const [what, ms] of Object.entries(late)) expect(ms, `${what}, ${said}`).toBeLessThanOrEqual(1_000);
		expect(gaps[0]?.length).toBeGreaterThan(2);
	});

	it("that is refused is tried again later, and heartbeats go on meanwhile", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		await startAgent(worker, { limits: LIMITS });
		await eventually(() => worker.heartbeats.length >= 2, "heartbeats");
		worker.lines = [];
		const line = await nextLine(worker);
		await eventually(() => line.reports.length > 0, "a report");
		// One may be on its way.
		await eventually(async () => {
			const beats = worker.heartbeats.length;
			await new Promise((resolve) => setTimeout(resolve, 800));
			return worker.heartbeats.length === beats;
		}, "no heartbeat comes any more");
	});

	it("that cannot be opened time and again gives way to heartbeats", async () => {
		const worker = await startWorker();
		worker.directives = { ...worker.directives, interval: 0.2 };
		worker.lines = [];
		worker.statuses.set("/v1.1/agent", 502);
		await startAgent(worker, { limits: { ...LIMITS, LINE_REFUSED_SECONDS: 30 } });
		await eventually(() => worker.heartbeats.length >= 2, "heartbeats");
	});

	it("goes over TLS like every call, to whoever has a certificate that the machine trusts, and to nobody else", async () => {
		const directory = mkdtempSync(join(tmpdir(), "muster-authority-"));
		onTestFinished(() => rmSync(directory, { recursive: true }));
		const { certificate, serverKey, serverCertificate } = makeAuthority(directory, "pool.muster.test");
		const worker = await startWorker({ key: readFileSync(serverKey, "utf8"), cert: readFileSync(serverCertificate, "utf8") });
		worker.lines = [];
		const agent = await startAgent(worker, { limits: { ...LIMITS, PING_SECONDS: 0.3 }, environment: { SSL_CERT_FILE: certificate } });
		const line = await nextLine(worker);
		const socket = await echoTunnel(agent);
		await eventually(() => sessionsOf(line).has(nameOf(socket)), "its session is told");
		// More than one record of TLS, and than one read.
		const order = line.order({ drop: [nameOf(socket)], allow: Array.from({ length: 4000 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`) });
		await eventually(() => line.reports.at(-1)?.heard === order, "the order is heard");
		await eventually(() => line.pingsMs.length > 3, "pings");
		expect([worker.lines.length, line.isOpen]).toEqual([1, true]);
		const stranger = await startAgent(worker, { limits: LIMITS, isLonely: true });
		await eventually(() => stranger.log().includes("CERTIFICATE_VERIFY_FAILED"), "it trusts nobody");
		expect(worker.registrations).toHaveLength(1);
	});

	it("moves to the pool's new address, and stays where it is when that leads nowhere", async () => {
		const { line, worker } = await lined();
		const other = await startWorker();
		other.lines = [];
		line.order({ url: other.url });
		const moved = await nextLine(other);
		moved.order({ url: "http://127.0.0.1:9" });
		const back = await nextLine(other, moved);
		await eventually(() => back.reports.length > 0, "a report");
		expect(back.isOpen).toBe(true);
		expect(worker.lines?.filter(({ isOpen }) => isOpen)).toEqual([]);
	});
});
