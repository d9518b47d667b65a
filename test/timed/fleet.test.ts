import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Dev, promised, SOON_MS, TIMES, temporaryState, throughProxy, within } from "../e2e/harness.ts";

const BOOT_MS = TIMES.bootMs;
const INTERVAL_MS = TIMES.interval * 1000;

const state = temporaryState();
let dev: Dev;
beforeAll(async () => {
	dev = await Dev.start(state.directory);
});
afterAll(async () => {
	await dev?.stop();
	state.remove();
});

/** Each begins with two, whatever the one before came to. */
beforeEach(async () => {
	await dev.control("DELETE", "/faults");
	await scaleTo(2, 30_000);
	await settled(2, 30_000);
});

/** Sets how many the pool shall have, and waits until as many are handed out and exist. */
async function scaleTo(count: number, limitMs = SOON_MS): Promise<void> {
	const { status } = await dev.api("PATCH", "/providers/digitalocean", { min_scaling: count, max_scaling: count });
	expect(status).toBe(200);
	await promised(limitMs, async () => expect(await dev.proxies()).toHaveLength(count));
}

/** As many ready proxies as VMs, and so many. */
async function settled(count: number, limitMs: number): Promise<void> {
	await within(limitMs, async () => {
		const [proxies, vms] = [await dev.proxies(), await dev.vms()];
		expect([proxies.length, vms.length]).toEqual([count, count]);
		expect(proxies.map((proxy) => proxy.ip).sort()).toEqual(vms.map((vm) => vm.ip).sort());
	});
}

test("a higher target is five ready proxies within boot time + 2 s; a lower one deletes four VMs at the cloud", async () => {
	const before = (await dev.creates()).length;
	await scaleTo(5);
	expect((await dev.creates()).length - before).toBe(3);
	await scaleTo(1);
	await settled(1, 30_000);
});

test("a destroyed proxy is gone from the list at once, deleted at the cloud, and replaced", async () => {
	const victim = await dev.random();
	expect((await dev.api("DELETE", `/destroy?ip_address=${victim.ip}`)).status).toBe(200);
	expect((await dev.proxies()).map((proxy) => proxy.ip)).not.toContain(victim.ip);
	await promised(5000, async () => expect((await dev.vms()).map((vm) => vm.ip)).not.toContain(victim.ip));
	await settled(2, 30_000);
});

test("a restarted proxy is gone from the list at once, is power-rebooted, and comes back as the same VM", async () => {
	const victim = await dev.random();
	const vm = await dev.vmAt(victim.ip);
	const rebooted = `/v2/droplets/${vm.id}/actions {"type":"reboot"}`;
	expect((await dev.api("DELETE", `/restart?ip_address=${victim.ip}`)).status).toBe(200);
	expect((await dev.proxies()).map((proxy) => proxy.ip)).not.toContain(victim.ip);
	// That it is off may be over before it is looked at.
	await promised(5000, async () => expect((await dev.calls()).map(({ url, requestBody }) => `${url} ${requestBody}`)).toContain(rebooted));
	await promised(BOOT_MS + 5000, async () => expect((await dev.proxies()).map((proxy) => proxy.ip)).toContain(victim.ip));
	expect((await dev.vmAt(victim.ip)).id).toBe(vm.id);
	await settled(2, 30_000);
});

test("a VM deleted behind Muster's back is replaced within unknown_timeout + 1 interval + boot time", async () => {
	const victim = await dev.vmAt((await dev.random()).ip);
	await dev.control("DELETE", `/vms/${victim.id}`);
	// The rest is for a busy machine.
	await promised(TIMES.unknownTimeout * 1000 + INTERVAL_MS + BOOT_MS + 2000, async () => {
		const proxies = await dev.proxies();
		expect(proxies).toHaveLength(2);
		expect(proxies.map((proxy) => proxy.ip)).not.toContain(victim.ip);
	});
	await settled(2, 30_000);
});

test("an agent that crashes once is back by itself on the same VM", async () => {
	const before = (await dev.vms()).map((vm) => vm.id).sort();
	const victim = await dev.random();
	await dev.control("POST", `/vms/${(await dev.vmAt(victim.ip)).id}/kill-agent`);
	await within(30_000, async () => {
		expect((await dev.proxies()).map((proxy) => proxy.ip)).toContain(victim.ip);
		expect(await throughProxy(victim, `http://localhost:${dev.cloudPort}/ip`)).toEqual({ status: 200, text: `${victim.ip}\n` });
	});
	expect((await dev.vms()).map((vm) => vm.id).sort()).toEqual(before);
});

test("an agent killed for good is out of the list within 3 intervals, and its VM replaced after unregistered_timeout", async () => {
	const victim = await dev.random();
	const { id } = await dev.vmAt(victim.ip);
	await dev.control("POST", `/vms/${id}/kill-agent?forever=1`);
	// Three failed probes five seconds apart take an agent off the list; a refused connection does not make that sooner.
	// The rest is for a busy machine.
	await promised(Math.max(3 * INTERVAL_MS, 18_000), async () =>
		expect((await dev.proxies()).map((proxy) => proxy.ip)).not.toContain(victim.ip),
	);
	await promised(TIMES.unregisteredTimeout * 1000 + BOOT_MS + 15_000, async () =>
		expect((await dev.vms()).map((vm) => vm.id)).not.toContain(id),
	);
	await settled(2, 30_000);
});

test("a VM that never boots is replaced at the boot limit", async () => {
	await dev.control("POST", "/faults", { provider: "digitalocean", operation: "create", neverBoots: true });
	await dev.api("PATCH", "/providers/digitalocean", { min_scaling: 3, max_scaling: 3 });
	const dead = await within(30_000, async () => {
		const vms = await dev.vms();
		expect(vms).toHaveLength(3);
		const ready = (await dev.proxies()).map((proxy) => proxy.ip);
		const [vm] = vms.filter((each) => each.ip === null || !ready.includes(each.ip));
		if (!vm) throw new Error("every VM is ready");
		return vm;
	});
	await promised(TIMES.unregisteredTimeout * 1000 + 5000, async () => expect((await dev.vms()).map((vm) => vm.id)).not.toContain(dead.id));
	await settled(3, 30_000);
});

test("in all of this no VM was asked for twice", async () => {
	const names = await dev.creates();
	expect(new Set(names).size).toBe(names.length);
});
