import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { Dev, type Proxy, temporaryState, throughProxy, within } from "./harness.ts";

/** The agent as revision bda7429 had it; see `test/upgrade/record.ts`. */
const OLD_AGENT = readFileSync(join(import.meta.dirname, "../upgrade/bda7429/agent.py"), "utf8");
/** What that revision's Worker wrote into `agent.json`. */
const OLD_CONFIG = ["token", "port", "url", "interval", "credentials", "allow"];

/** A VM on which nothing runs: its cloud has started it, and its agent is the test's own affair. */
async function bareVm(dev: Dev): Promise<{ readonly id: string; readonly ip: string }> {
	await dev.control("POST", "/faults", { operation: "create", neverBoots: true });
	await dev.api("PATCH", "/providers/digitalocean", { min_scaling: 1, max_scaling: 1 });
	return within(30_000, async () => {
		const [vm] = await dev.vms();
		if (vm?.ip === undefined || vm.ip === null) throw new Error("there is no VM yet");
		return { id: vm.id, ip: vm.ip };
	});
}

/** The old agent on that VM, with the configuration that its user data holds. The answer ends it. */
async function startOldAgent(dev: Dev, vm: { readonly id: string; readonly ip: string }): Promise<() => Promise<void>> {
	const userData = await (await dev.control("GET", `/vms/${vm.id}/user-data`)).text();
	const { write_files } = parse(userData) as { write_files: { path: string; content: string }[] };
	const packed = write_files.find(({ path }) => path === "/etc/muster/agent.json")?.content ?? "";
	const config = Object.entries(JSON.parse(gunzipSync(Buffer.from(packed, "base64")).toString()) as Record<string, unknown>);
	const root = join(dev.directory, "old-agent");
	for (const name of ["", "credentials", "state"]) mkdirSync(join(root, name), { recursive: true });
	// As it stands in the repository: what shortens the agent of today knows that one's names alone.
	writeFileSync(join(root, "agent.py"), OLD_AGENT);
	writeFileSync(
		join(root, "credentials/agent.json"),
		JSON.stringify(Object.fromEntries(config.filter(([name]) => OLD_CONFIG.includes(name)))),
	);
	const child: ChildProcess = spawn("python3", [join(root, "agent.py")], {
		stdio: "ignore",
		env: {
			PATH: process.env.PATH,
			CREDENTIALS_DIRECTORY: join(root, "credentials"),
			STATE_DIRECTORY: join(root, "state"),
			MUSTER_BIND: vm.ip,
			MUSTER_ALLOW_LOOPBACK: "1",
		},
	});
	const ended = new Promise<void>((done) => child.once("exit", () => done()));
	const end = () => {
		child.kill("SIGKILL");
		return ended;
	};
	onTestFinished(end);
	return end;
}

/** An open CONNECT tunnel through a proxy to a server that says nothing. */
async function tunnel(proxy: Proxy, port: number): Promise<Socket> {
	const { username, password } = new URL(proxy.url);
	const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
	const socket = connect({ host: proxy.ip, port: proxy.port });
	socket.on("error", () => {});
	socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nProxy-Authorization: Basic ${login}\r\n\r\n`);
	const [head] = await new Promise<[Buffer]>((done) => socket.once("data", (data: Buffer) => done([data])));
	expect(head.toString()).toMatch(/^HTTP\/1\.1 200 /);
	return socket;
}

test("an agent of an earlier version registers, is handed out, reports, obeys, and is known again after its restart", async () => {
	const state = temporaryState();
	onTestFinished(() => state.remove());
	const dev = await Dev.start(state.directory, {
		DIGITALOCEAN_MIN_SCALING: "0",
		DIGITALOCEAN_MAX_SCALING: "1",
		// A boot that takes too long here would be replaced, and with it the VM that the test is about.
		UNREGISTERED_TIMEOUT: "60",
	});
	onTestFinished(async () => {
		await dev.stop();
	});
	const vm = await bareVm(dev);
	const end = await startOldAgent(dev, vm);
	const proxy = await within(40_000, () => dev.random());
	expect(proxy.ip).toBe(vm.ip);

	const origin = createServer((_request, response) => response.end("an origin's answer"));
	await new Promise<void>((done) => origin.listen(0, "127.0.0.1", done));
	onTestFinished(() => {
		origin.closeAllConnections();
		origin.close();
	});
	const address = origin.address();
	const port = typeof address === "object" && address !== null ? address.port : 0;
	expect(await throughProxy(proxy, `http://127.0.0.1:${port}/`)).toMatchObject({ status: 200, text: "an origin's answer" });

	// Its heartbeats: an open session is shown, and closed when an operator says so.
	const open = await tunnel(proxy, port);
	const closed = new Promise<void>((done) => open.once("close", () => done()));
	const sessions = async () => (await dev.api("GET", "/v1.1/endpoints/digitalocean-default/sessions")).body;
	const session = await within(30_000, async () => {
		const [name] = Object.keys(await sessions());
		if (name === undefined) throw new Error("no session is reported");
		return name;
	});
	expect(session).toContain(String(open.localPort));
	const metrics = (await dev.api("GET", `/v1.1/endpoints/digitalocean-default/metrics/${vm.ip}`)).body;
	expect(Object.keys(metrics)).toEqual(expect.arrayContaining(["active", "requests", "bytes", "errors", "cpu", "load"]));
	await fetch(`http://127.0.0.1:${dev.port}/v1.1/endpoints/digitalocean-default/sessions/${encodeURIComponent(session)}`, {
		method: "DELETE",
	});
	await closed;

	await end();
	await within(40_000, async () => expect(await dev.proxies()).toEqual([]));
	await startOldAgent(dev, vm);
	await within(40_000, async () => expect((await dev.proxies()).map(({ ip }) => ip)).toEqual([vm.ip]));
	expect(await dev.creates(), "it was never replaced").toHaveLength(1);
});
