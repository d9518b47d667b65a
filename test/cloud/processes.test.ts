import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { LocalCloud } from "./cloud.ts";
import { DROPLET, eventually, serviceUserData } from "./helpers.ts";
import { fileInventory } from "./inventory.ts";
import { processMachines } from "./processes.ts";
import { serve } from "./server.ts";

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

let directory: string;
let clouds: LocalCloud[] = [];
beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "local-cloud-"));
});
afterEach(async () => {
	await Promise.all(clouds.map((cloud) => cloud.fleet.close()));
	clouds = [];
	await rm(directory, { recursive: true, force: true });
});

async function start(root = directory): Promise<LocalCloud> {
	const cloud = new LocalCloud({ clock: systemClock, bootMs: 100, machines: processMachines(root), inventory: fileInventory(root) });
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
