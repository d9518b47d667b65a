import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Dev, freePort, temporaryState, within } from "./harness.ts";

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
	await within(10_000, async () => expect(await first.proxies()).toHaveLength(3));
	const before = (await first.vms()).map(({ id, name, ip }) => ({ id, name, ip }));
	await first.stop();

	const second = await start(directory, port, cloudPort);
	const { body } = await second.api("GET", "/providers/digitalocean");
	expect(JSON.stringify(body)).toContain('"scaling":{"min_scaling":3,"max_scaling":4}');
	await within(15_000, async () =>
		expect((await second.proxies()).map((proxy) => proxy.ip).sort()).toEqual(before.map((vm) => vm.ip).sort()),
	);
	expect((await second.vms()).map(({ id, name, ip }) => ({ id, name, ip }))).toEqual(before);
	expect(await second.creates()).toEqual([]);
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
		await within(10_000, async () => expect(await dev.proxies()).toHaveLength(2));
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
	const dev = await start(newState(), await freePort(), await freePort(), {
		DIGITALOCEAN_MIN_SCALING: "1",
		DIGITALOCEAN_NYC_ENABLED: "True",
		DIGITALOCEAN_NYC_REGION: "nyc1",
		AUTH_KEY: key,
	});
	expect((await dev.api("GET", "/random")).status).toBe(401);
	await within(10_000, async () => {
		const { body } = await dev.api("GET", `/?auth_key=${key}`);
		expect((body.proxies as { instance: string }[]).map((proxy) => proxy.instance).sort()).toEqual(["default", "nyc"]);
	});
	await dev.stop();
});
