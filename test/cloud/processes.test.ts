import { readFileSync } from "node:fs";
import { appendFile, cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { packed } from "../../scripts/shipped.ts";
import { renderUserData } from "../../src/agent/userdata.ts";
import { systemClock } from "./clock.ts";
import { LocalCloud } from "./cloud.ts";
import { DROPLET, eventually, serviceUserData } from "./helpers.ts";
import { fileInventory } from "./inventory.ts";
import { processMachines } from "./processes.ts";
import { serve } from "./server.ts";
import { ShippedAgent } from "./shipped.ts";

/** Answers each connection with its process id, its credential and how often it was started, from the VM's own address. */
const AGENT = `
import os, socket
state = os.path.join(os.environ["STATE_DIRECTORY"], "starts")
starts = int(open(state).read()) + 1 if os.path.exists(state) else 1
open(state, "w").write(str(starts))
credential = open(os.path.join(os.environ["CREDENTIALS_DIRECTORY"], "agent.json")).read()
server = socket.create_server((os.environ["MUSTER_BIND"], 8899))
while True:
    client, _ = server.accept()
    client.sendall(f"{os.getpid()} {credential} {starts}".encode())
    client.close()
`;

const UNIT = readFileSync(join(import.meta.dirname, "../../src/agent/muster-agent.service"), "utf8").replace(/\[Install\][\s\S]*/, "");

let directory: string;
let clouds: LocalCloud[] = [];
beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "local-cloud-"));
});
afterEach(async () => {
	vi.restoreAllMocks();
	await Promise.all(clouds.map((cloud) => cloud.fleet.close()));
	clouds = [];
	await rm(directory, { recursive: true, force: true });
});

async function start(root = directory, shipped: ShippedAgent | null = null): Promise<LocalCloud> {
	const machines = processMachines(root, { shipped });
	const cloud = new LocalCloud({ clock: systemClock, bootMs: 100, machines, inventory: fileInventory(root) });
	clouds.push(cloud);
	await cloud.fleet.resume();
	return cloud;
}

async function request(cloud: LocalCloud, method: string, path: string, body?: unknown): Promise<Response> {
	return cloud.fetch(
		new Request(`http://cloud.test${path}`, {
			method,
			headers: { authorization: "Bearer local-test", "content-type": "application/json" },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		}),
	);
}

async function create(cloud: LocalCloud, userData = serviceUserData(AGENT)): Promise<{ id: string; address: string }> {
	const answer = await request(cloud, "POST", "/digitalocean/v2/droplets", { ...DROPLET, user_data: userData });
	expect(answer.status).toBe(202);
	const { droplet } = (await answer.json()) as { droplet: { id: number } };
	const vm = cloud.fleet.vms().find((each) => each.id === String(droplet.id));
	if (!vm) throw new Error("the created VM is not in the inventory");
	return { id: vm.id, address: vm.address };
}

/** What the agent at an address says; rejects where it says nothing. */
function ask(address: string): Promise<{ pid: number; credential: string; starts: number }> {
	return new Promise((resolve, reject) => {
		let text = "";
		const socket = connect(8899, address);
		socket.on("data", (chunk) => {
			text += chunk;
		});
		socket.on("error", reject);
		socket.on("end", () => {
			const [pid, credential, starts] = text.split(" ");
			// An agent that is killed just now may have been connected to, and say nothing.
			if (starts === undefined) reject(new Error("the agent said nothing"));
			else resolve({ pid: Number(pid), credential: String(credential), starts: Number(starts) });
		});
	});
}

function isRunning(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}

test("a VM runs the program of its user data on its own address, with its credential and a state directory", async () => {
	const cloud = await start();
	const [one, two] = [await create(cloud), await create(cloud)];
	expect(one.address).not.toBe(two.address);
	expect(await eventually(() => ask(one.address))).toMatchObject({ credential: "secret", starts: 1 });
	expect((await eventually(() => ask(two.address))).pid).not.toBe((await ask(one.address)).pid);
});

test("an agent that is killed is started again with its state, unless it was killed for good", async () => {
	const cloud = await start();
	const { id, address } = await create(cloud);
	const before = await eventually(() => ask(address));
	await request(cloud, "POST", `/_local/vms/${id}/kill-agent`);
	const after = await eventually(async () => {
		const said = await ask(address);
		expect(said.pid).not.toBe(before.pid);
		return said;
	});
	expect(after.starts).toBe(2);
	await request(cloud, "POST", `/_local/vms/${id}/kill-agent?forever=1`);
	await eventually(() => expect(isRunning(after.pid)).toBe(false));
	// Longer than the unit's RestartSec: there is nothing to wait for but time.
	await new Promise((resolve) => setTimeout(resolve, 400));
	await expect(ask(address)).rejects.toThrow("ECONNREFUSED");
});

test("a reboot ends the agent and starts it again on the same disk", async () => {
	const cloud = await start();
	const { id, address } = await create(cloud);
	const before = await eventually(() => ask(address));
	await request(cloud, "POST", `/digitalocean/v2/droplets/${id}/actions`, { type: "reboot" });
	await eventually(async () => expect((await ask(address)).starts).toBe(2));
	expect(isRunning(before.pid)).toBe(false);
});

test("a deleted VM leaves no process and no file", async () => {
	const cloud = await start();
	const { id, address } = await create(cloud);
	const { pid } = await eventually(() => ask(address));
	await request(cloud, "DELETE", `/_local/vms/${id}`);
	await eventually(() => expect(isRunning(pid)).toBe(false));
	await eventually(async () => expect(await readFile(join(directory, `digitalocean-${id}`, "console.log")).catch(() => null)).toBeNull());
});

test("a cloud that is closed and started again has the same VMs, addresses, disks and firewalls", async () => {
	const first = await start();
	const { id, address } = await create(first);
	await request(first, "POST", "/digitalocean/v2/firewalls", { name: "f1", tags: ["muster"], inbound_rules: [] });
	const { pid } = await eventually(() => ask(address));
	await first.fleet.close();
	expect(isRunning(pid)).toBe(false);
	const second = await start();
	expect(second.fleet.vms()).toMatchObject([{ id, address, state: "active" }]);
	expect(await eventually(() => ask(address))).toMatchObject({ credential: "secret", starts: 2 });
	const firewalls = await (await request(second, "GET", "/digitalocean/v2/firewalls")).json();
	expect(firewalls).toMatchObject({ firewalls: [{ name: "f1" }] });
	expect((await create(second)).id).not.toBe(id);
});

test("two local clouds on one machine never give out the same address", async () => {
	const other = await mkdtemp(join(tmpdir(), "local-cloud-"));
	try {
		const [first, second] = [await start(), await start(other)];
		const made = await Promise.all([first, second, first, second].map((cloud) => create(cloud)));
		expect(new Set(made.map((vm) => vm.address)).size).toBe(4);
	} finally {
		await Promise.all(clouds.map((cloud) => cloud.fleet.close()));
		await rm(other, { recursive: true, force: true });
	}
});

test("user data that boots nothing leaves a VM on which nothing runs, and its console says why", async () => {
	const cloud = await start();
	const { id } = await create(cloud, "#!/bin/sh\ntrue\n");
	const console = () => readFile(join(directory, `digitalocean-${id}`, "console.log"), "utf8");
	expect(await eventually(console)).toContain("does not begin with a line '#cloud-config'");
});

describe("without LOCALCLOUD_RUN_ANY", () => {
	const SOURCES = join(import.meta.dirname, "../../src/agent");
	const config = {
		token: "t",
		port: 8899,
		url: "http://127.0.0.1:9",
		interval: 1,
		credentials: { version: 1, username: "u", password: "p" },
	};
	const ours = async () => {
		const [agent, unit] = await Promise.all(["agent.py", "muster-agent.service"].map((name) => readFile(join(SOURCES, name), "utf8")));
		return renderUserData({ ...config, allow: [] }, { agent: await packed(agent ?? ""), unit: unit ?? "" });
	};
	const change = async (edit: (files: { path: string; content: string; encoding: string }[]) => void) => {
		const [, json = ""] = (await ours()).split(/\n(.*)/s);
		const wanted = JSON.parse(json) as { write_files: { path: string; content: string; encoding: string }[] };
		edit(wanted.write_files);
		return `#cloud-config\n${JSON.stringify(wanted)}\n`;
	};
	const plain = (path: string, content: string) => ({ path, content, encoding: "text/plain" });
	const answers = (address: string) =>
		new Promise<string>((resolve, reject) => {
			const socket = connect(8899, address, () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
			socket.on("data", (chunk) => resolve(chunk.toString())).on("error", reject);
		});
	const consoleOf = (id: string) => readFile(join(directory, `digitalocean-${id}`, "console.log"), "utf8");

	test("a VM runs this checkout's agent, and does so after a restart of the cloud", async () => {
		const first = await start(directory, new ShippedAgent());
		const { address } = await create(first, await ours());
		expect(await eventually(() => answers(address))).toContain("HTTP/1.1 ");
		await first.fleet.close();
		await start(directory, new ShippedAgent());
		expect(await eventually(() => answers(address))).toContain("HTTP/1.1 ");
	});

	test("a VM that ran this checkout's agent goes on with it after an upgrade, and a new VM does not get the old one", async () => {
		const sources = join(directory, "sources");
		await cp(SOURCES, sources, { recursive: true });
		const userData = await ours();
		const first = await start(join(directory, "cloud"), new ShippedAgent(sources));
		const { address } = await create(first, userData);
		await eventually(() => answers(address));
		await first.fleet.close();
		await appendFile(join(sources, "agent.py"), "NEWER = True\n");
		const second = await start(join(directory, "cloud"), new ShippedAgent(sources));
		expect(await eventually(() => answers(address))).toContain("HTTP/1.1 ");
		const says = vi.spyOn(console, "error").mockImplementation(() => {});
		await create(second, userData);
		await eventually(() => expect(says).toHaveBeenCalledWith(expect.stringContaining("its agent is not this checkout's")));
	});

	test.each([
		["another program under the agent's name", () => serviceUserData(AGENT), "its unit is not this checkout's"],
		[
			"another agent under our unit",
			() => change((files) => files.splice(0, 1, plain("/usr/local/lib/muster/agent.py", "open('ran', 'w')"))),
			"its agent is not this checkout's",
		],
		[
			"a unit that sets another environment",
			() => change((files) => files.splice(2, 1, plain("/etc/systemd/system/muster-agent.service", `${UNIT}Environment=LD_PRELOAD=/x\n`))),
			"its unit is not this checkout's",
		],
		[
			"a module beside the agent, which Python would load first",
			() => change((files) => files.push(plain("/usr/local/lib/muster/socket.py", "open('ran', 'w')"))),
			"its user data has another file, /usr/local/lib/muster/socket.py",
		],
		[
			"a second file in the agent's place",
			() => change((files) => files.push(plain("/usr/local/lib/x/../muster/agent.py", "open('ran', 'w')"))),
			"its user data has another file, /usr/local/lib/muster/agent.py",
		],
		[
			"another interpreter",
			() => change((files) => files.push(plain("/usr/bin/python3", "#!/bin/sh\ntouch ran"))),
			"its user data has another file, /usr/bin/python3",
		],
	])("%s does not run", async (_, userData, why) => {
		vi.spyOn(console, "error").mockImplementation(() => {});
		const { id, address } = await create(await start(directory, new ShippedAgent()), await userData());
		expect(await eventually(() => consoleOf(id))).toContain(`runs nothing: ${why}. LOCALCLOUD_RUN_ANY=1`);
		await expect(answers(address)).rejects.toThrow("ECONNREFUSED");
		expect(await readdir(join(directory, `digitalocean-${id}`))).toEqual(["console.log", "vm.json"]);
	});
});

test("over HTTP: a page of another site, or one rebound to this address, changes nothing and reads nothing", async () => {
	const cloud = await start();
	const { server, port } = await serve(cloud, 0);
	try {
		const status = (headers: Record<string, string>) =>
			new Promise<number | undefined>((resolve, reject) => {
				const outgoing = httpRequest({ host: "127.0.0.1", port, path: "/_local/faults", method: "POST", headers }, (answer) => {
					resolve(answer.resume().statusCode);
				});
				outgoing.on("error", reject).end(JSON.stringify({ operation: "list", status: 500 }));
			});
		expect(await status({ host: `evil.test:${port}` })).toBe(403);
		expect(await status({ origin: "http://evil.test" })).toBe(403);
		expect(await status({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" })).toBe(403);
		expect(cloud.faults.list()).toEqual([]);
		expect(await status({ host: `localhost:${port}` })).toBe(201);
	} finally {
		await new Promise((resolve) => server.close(resolve).closeAllConnections());
	}
});

test("over HTTP: the caller's address is echoed, a dropped answer cuts the connection", async () => {
	const cloud = await start();
	const { server, port } = await serve(cloud, 0);
	try {
		const base = `http://127.0.0.1:${port}`;
		expect(await (await fetch(`${base}/ip`)).text()).toBe("127.0.0.1\n");
		const set = await fetch(`${base}/_local/faults`, { method: "POST", body: JSON.stringify({ operation: "list", dropAnswer: true }) });
		expect(set.status).toBe(201);
		const list = () => fetch(`${base}/digitalocean/v2/droplets`, { headers: { authorization: "Bearer local-test" } });
		await expect(list()).rejects.toThrow("fetch failed");
		expect((await list()).status).toBe(200);
	} finally {
		await new Promise((resolve) => server.close(resolve).closeAllConnections());
	}
});
