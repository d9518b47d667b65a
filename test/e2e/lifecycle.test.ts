import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { curl, Dev, freePort, temporaryState, within } from "./harness.ts";

const states: ReturnType<typeof temporaryState>[] = [];
const runs: Dev[] = [];
afterEach(async () => {
	for (const run of runs.splice(0)) {
		run.signal("SIGKILL");
		await run.nothingLeft();
	}
	for (const state of states.splice(0)) state.remove();
});

function newState(): string {
	const state = temporaryState();
	states.push(state);
	return state.directory;
}

async function start(directory: string, port: number, cloudPort: number, env = {}): Promise<Dev> {
	const dev = new Dev(directory, port, cloudPort, env);
	runs.push(dev);
	await dev.ready();
	return dev;
}

test("stopped and started again, the pool, its target and its proxies are as they were, and no VM is made twice or forgotten", async () => {
	const directory = newState();
	const [port, cloudPort] = [await freePort(), await freePort()];
	const first = await start(directory, port, cloudPort);
	await first.api("PATCH", "/providers/digitalocean", { min_scaling: 3, max_scaling: 4 });
	await within(30_000, async () => expect(await first.proxies()).toHaveLength(3));
	const before = (await first.vms()).map(({ id, name, ip }) => ({ id, name, ip }));
	await first.stop();

	const second = await start(directory, port, cloudPort);
	const { body } = await second.api("GET", "/providers/digitalocean");
	expect(JSON.stringify(body)).toContain('"scaling":{"min_scaling":3,"max_scaling":4}');
	await within(30_000, async () =>
		expect((await second.proxies()).map((proxy) => proxy.ip).sort()).toEqual(before.map((vm) => vm.ip).sort()),
	);
	expect((await second.vms()).map(({ id, name, ip }) => ({ id, name, ip }))).toEqual(before);
	// It knows all it has: one more is one more.
	await second.api("PATCH", "/providers/digitalocean", { min_scaling: 4, max_scaling: 4 });
	await within(30_000, async () => expect(await second.proxies()).toHaveLength(4));
	expect(await second.creates()).toHaveLength(1);
	await second.stop();
});

describe("nothing is left behind", () => {
	/** The process whose command line has this text. */
	const pidOf = (dev: Dev, text: string) => {
		const found = dev.processes().find(({ command }) => command.includes(text));
		if (!found) throw new Error(`no process of this run has '${text}' in its command line`);
		return found.pid;
	};

	test.each([
		["dev itself is killed", null],
		["the local cloud is killed", "test/cloud/main.ts"],
		["the Worker's runtime is killed", "scripts/dev-worker.ts"],
	])("when %s", async (_, victim) => {
		const dev = await start(newState(), await freePort(), await freePort());
		await within(30_000, async () => expect(await dev.proxies()).toHaveLength(2));
		expect(dev.processes().filter(({ command }) => command.includes("agent.py"))).toHaveLength(2);
		if (victim === null) dev.signal("SIGKILL");
		else process.kill(pidOf(dev, victim), "SIGKILL");
		const code = await dev.ended;
		if (victim !== null) {
			expect(code).toBe(1);
			expect(dev.output).toContain("stopped by itself");
		}
		await dev.nothingLeft();
	});
});

test("a port in use is said in one sentence, with exit code 1", async () => {
	const taken = createServer();
	const port = await freePort();
	await new Promise<void>((done) => taken.listen(port, "127.0.0.1", done));
	try {
		const dev = new Dev(newState(), port, await freePort());
		expect(await dev.ended).toBe(1);
		expect(dev.output.trim()).toBe(`Port ${port} is in use; set PORT to another one.`);
	} finally {
		taken.close();
	}
});

test("settings of the environment win: another account gets a pool of its own on the local cloud, and a key closes the deployment", async () => {
	const key = "a-key-of-more-than-twenty-two-characters";
	const port = await freePort();
	const dev = await start(newState(), port, await freePort(), {
		DIGITALOCEAN_MIN_SCALING: "1",
		DIGITALOCEAN_NYC_ENABLED: "True",
		DIGITALOCEAN_NYC_REGION: "nyc1",
		AUTH_KEY: key,
	});
	expect((await dev.api("GET", "/random")).status).toBe(401);
	// The command that it shows carries the key, and does not show it.
	const [, header = ""] = /curl -s -H @(\S+) localhost:\d+\/random\n/.exec(dev.output) ?? [];
	expect((await curl("-H", `@${header}`, `http://localhost:${port}/providers`, "-o", "/dev/null", "-w", "%{http_code}")).out).toBe("200");
	expect(dev.output).not.toContain(key);
	await within(30_000, async () => {
		const { body } = await dev.api("GET", `/?auth_key=${key}`);
		expect((body.proxies as { instance: string }[]).map((proxy) => proxy.instance).sort()).toEqual(["default", "nyc"]);
	});
	await dev.stop();
});

test("programs of this machine are answered on both ports, and pages of other sites, or rebound to it, on neither", async () => {
	const [port, cloudPort] = [await freePort(), await freePort()];
	const dev = await start(newState(), port, cloudPort);
	await within(30_000, () => expect(dev.output).toMatch(/First proxy after [\d.]+ s: 127\.77\./));
	const status = async (url: string, ...headers: readonly string[]) =>
		(await curl(...headers.flatMap((header) => ["-H", header]), url, "-o", "/dev/null", "-w", "%{http_code}")).out;
	for (const url of [`http://localhost:${port}/providers`, `http://localhost:${cloudPort}/_local/vms`]) {
		expect(await status(url)).toBe("200");
		expect(await status(url, `Origin: ${new URL(url).origin}`)).toBe("200");
		expect(await status(url, "Host: evil.test")).toBe("403");
		expect(await status(url, "Origin: http://evil.test")).toBe("403");
		expect(await status(url, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")).toBe("403");
	}
	await dev.stop();
});

test("--reset starts from nothing, and without it the next start knows what was", async () => {
	const directory = newState();
	const [port, cloudPort] = [await freePort(), await freePort()];
	const first = await start(directory, port, cloudPort);
	await within(30_000, async () => expect(await first.vms()).toHaveLength(2));
	const before = (await first.vms()).map(({ name }) => name);
	await first.stop();
	const second = new Dev(directory, port, cloudPort, {}, ["--reset"]);
	runs.push(second);
	await second.ready();
	await within(30_000, async () => expect(await second.vms()).toHaveLength(2));
	expect((await second.vms()).filter(({ name }) => before.includes(name))).toEqual([]);
	await second.stop();
});
