import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { curl, Dev, freePort, temporaryState, within } from "./harness.ts";

/** Which Node runs the gateway: this one unless a run is to show another version. */
const NODE = process.env.MUSTER_TEST_GATEWAY_NODE ?? process.execPath;
const KEY = "the-admin-key-of-the-tests";

const state = temporaryState();
let dev: Dev;
let gateway: ChildProcess;
let ended: Promise<number | null>;
let port: number;
let metricsPort: number;
let said = "";

beforeAll(async () => {
	dev = await Dev.start(state.directory);
	await within(30_000, async () => expect(await dev.proxies()).toHaveLength(2));
	const file = join(state.directory, "gateway.mjs");
	writeFileSync(file, await (await fetch(`http://127.0.0.1:${dev.port}/gateway.mjs`)).text());
	[port, metricsPort] = [await freePort(), await freePort()];
	const args = ["--url", `http://127.0.0.1:${dev.port}`, "--listen", `127.0.0.1:${port}`, "--metrics", `127.0.0.1:${metricsPort}`];
	gateway = spawn(NODE, [file, ...args], { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env.PATH, MUSTER_KEY: KEY } });
	process.once("exit", () => gateway.kill("SIGKILL"));
	ended = new Promise((done) => gateway.once("close", (code) => done(code)));
	gateway.stderr?.on("data", (data: Buffer) => {
		said += data.toString();
	});
	await within(30_000, () => expect(said).toContain("listening on"));
});

afterAll(async () => {
	gateway?.kill("SIGKILL");
	await dev?.stop();
	state.remove();
});

/** The address that the destination sees. */
async function exitOf(...args: readonly string[]): Promise<string> {
	const { code, out, err } = await curl(...args, `http://127.0.0.1:${dev.cloudPort}/ip`);
	expect(code, err + said).toBe(0);
	return out.trim();
}

test("the file that the Worker serves is one address in front of the fleet, for HTTP, CONNECT and SOCKS5", async () => {
	const fleet = (await dev.proxies()).map(({ ip }) => ip);
	for (const proxy of [`http://127.0.0.1:${port}`, `socks5h://127.0.0.1:${port}`]) {
		const exits = new Set<string>();
		await within(30_000, async () => {
			exits.add(await exitOf("-x", proxy));
			expect([...exits].sort()).toEqual([...fleet].sort());
		});
	}
	expect(fleet).toContain(await exitOf("-p", "-x", `http://127.0.0.1:${port}`));
});

test("a session leaves through the proxy that /random gives it", async () => {
	const { username } = new URL((await dev.random()).url);
	for (const session of ["a", "customer-42", "ü", "9"]) {
		const { body } = await dev.api("GET", `/random?session=${encodeURIComponent(session)}`);
		const name = `${username}-session-${session.replaceAll("-", "--")}`;
		expect(await exitOf("-x", `http://127.0.0.1:${port}`, "-U", `${name}:any`)).toBe((body.proxy as { ip: string }).ip);
	}
});

test("clients notice nothing of a proxy that goes", async () => {
	const [{ ip = "" } = {}] = await dev.proxies();
	const vm = await dev.vmAt(ip);
	await dev.control("DELETE", `/vms/${vm.id}`);
	for (let i = 0; i < 10; i++) expect(await exitOf("-x", `http://127.0.0.1:${port}`)).not.toBe(ip);
});

test("metrics tell what went through, and SIGTERM ends it in order, with no key ever said", async () => {
	const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
	expect(Number(/^muster_gateway_requests_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(5);
	expect(Number(/^muster_gateway_proxies_ready (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
	gateway.kill("SIGTERM");
	expect(await ended).toBe(0);
	expect(said + metrics).not.toContain(KEY);
});
