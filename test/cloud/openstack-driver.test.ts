import { describe, expect, it } from "vitest";
import { openstack } from "../../src/providers/openstack/driver.ts";
import { BOOT_MS, lookUp, underContract, wanted } from "./contract.ts";
import { OPENSTACK_TERMS } from "./contract-openstack.ts";
import type { Floating } from "./openstack-network.ts";

/** What the driver does besides what every driver owes, at the local cloud. */

const start = (settings: Readonly<Record<string, string>> = {}) => {
	const world = underContract("openstack", openstack, { ...OPENSTACK_TERMS, settings: { ...OPENSTACK_TERMS.settings, ...settings } });
	const lines = () => world.journal().map(({ method, url, status }) => `${method} ${url} ${status}`);
	const floating = () => Object.values(world.things()["floating-ips"] ?? {}) as unknown as Floating[];
	return { ...world, lines, floating };
};

describe("signing in", () => {
	it("happens once for all who ask, and again after the token was refused or is near its end", async () => {
		const { open, done, failureOf, fault, clock, lines } = start();
		const signIns = () => lines().filter((line) => line.startsWith("POST /v3/auth/tokens")).length;
		await done(Promise.all([open().list(), open().list(), open().list()]));
		expect(signIns()).toBe(1);
		fault({ operation: "list", status: 401 });
		expect((await failureOf(open().list())).kind).toBe("auth");
		await done(open().list());
		expect(signIns()).toBe(2);
		clock.advance(3_600_000 - 4 * 60_000);
		await done(open().list());
		expect(signIns()).toBe(3);
	});

	it("can be with a user's name and password", async () => {
		const settings = { ...OPENSTACK_TERMS.settings, username: "local-user", password: "local-password", project: "shop" };
		const { application_credential_id: _, application_credential_secret: __, ...byPassword } = settings as Record<string, string>;
		const { open, done } = start();
		expect(await done(open({ settings: byPassword }).list())).toEqual([]);
	});

	it("says what must be set where there are no credentials, or half ones", async () => {
		const { open, failureOf, settings } = start();
		const { application_credential_id: _, application_credential_secret: __, ...none } = settings as Record<string, string>;
		for (const given of [none, { ...none, application_credential_id: "local" }, { ...none, username: "local", password: "local" }]) {
			const message = expect.stringContaining("OPENSTACK_APPLICATION_CREDENTIAL_ID and _SECRET must be set");
			expect(await failureOf(open({ settings: given }).list())).toEqual({ kind: "invalid", message });
		}
	});

	it("says which regions there are where the catalogue lacks one", async () => {
		const { open, failureOf } = start({ region: "Nowhere" });
		const message = "OpenStack: the catalogue has no compute service in the region Nowhere, only in RegionOne, RegionTwo";
		expect(await failureOf(open().list())).toEqual({ kind: "invalid", message });
	});
});

describe("a floating IP", () => {
	it("is taken for each server, shown as its address, and given back with it", async () => {
		const { open, done, clock, cloud, floating } = start();
		const made = await done(open().create(wanted()));
		const { address } = cloud.fleet.vms()[0] ?? {};
		expect([made.address, floating().map(({ description }) => description)]).toEqual([address, [wanted().name]]);
		clock.advance(BOOT_MS);
		expect(await done(open().list())).toMatchObject([{ address, state: "running" }]);
		await done(open().delete(made.vm));
		expect(floating()).toEqual([]);
	});

	it("that cannot be had leaves no server, and says why", async () => {
		const { open, failureOf, cloud, floating } = start({ network: "isolated" });
		expect(await failureOf(open().create(wanted()))).toMatchObject({ message: expect.stringContaining("is not reachable from subnet") });
		expect([cloud.fleet.vms(), floating()]).toEqual([[], []]);
	});

	it("of a server that went without Muster goes with the next delete, and nobody else's does", async () => {
		const { open, done, cloud, floating } = start();
		const gone = await done(open().create(wanted(1)));
		const other = await done(
			open().create(wanted(2, { tags: { ...wanted(2).tags, deployment: "otherother" }, name: "muster-otherother-intent2" })),
		);
		const kept = await done(open().create(wanted(3)));
		for (const { vm } of [gone, other]) {
			const found = cloud.fleet.vms().find(({ id }) => vm.endsWith(id));
			if (found) cloud.fleet.delete(found);
		}
		for (const each of floating().filter(({ description }) => description !== wanted(3).name)) Object.assign(each, { port_id: null });
		await done(open().delete(kept.vm));
		expect(floating().map(({ description }) => description)).toEqual(["muster-otherother-intent2"]);
	});

	it("is not asked for where servers join a public network", async () => {
		const { floating_network: _, ...settings } = OPENSTACK_TERMS.settings as Record<string, string>;
		const { open, done, clock, cloud, floating } = start();
		const driver = open({ settings: { ...settings, network: "Ext-Net" } });
		await done(driver.create(wanted()));
		clock.advance(BOOT_MS);
		expect(await done(driver.find(lookUp(wanted())))).toMatchObject({ address: cloud.fleet.vms()[0]?.address });
		expect(floating()).toEqual([]);
	});
});

describe("a create", () => {
	it("for which there is no host is a matter of room, and its server is deleted", async () => {
		const { open, failureOf, done, fault, floating } = start();
		fault({ operation: "create", kind: "capacity" });
		const message = "OpenStack: No valid host was found. There are not enough hosts available.";
		expect(await failureOf(open().create(wanted()))).toEqual({ kind: "capacity", message });
		expect([await done(open().list()), floating()]).toEqual([[], []]);
	});

	it("whose ERROR server cannot be deleted is unknown, and shows as one that is off", async () => {
		const { open, failureOf, done, fault } = start();
		fault({ operation: "create", kind: "capacity" });
		fault({ operation: "delete", status: 503 });
		expect((await failureOf(open().create(wanted()))).kind).toBe("unknown");
		expect(await done(open().list())).toMatchObject([{ state: "off", name: wanted().name }]);
	});

	it("takes the newest image of a name, and boots flavors without a disk from a volume", async () => {
		const { open, done, journal } = start({ size: "v1.diskless", volume_gb: "10", config_drive: "True" });
		await done(open().create(wanted()));
		const sent = journal().find(({ method, url }) => method === "POST" && url.endsWith("/servers"));
		const { server } = JSON.parse(sent?.requestBody ?? "{}");
		expect(server).toMatchObject({
			flavorRef: "3",
			config_drive: true,
			block_device_mapping_v2: [{ uuid: expect.stringMatching(/2$/), volume_size: 10, delete_on_termination: true }],
		});
		expect(server).not.toHaveProperty("imageRef");
	});

	it.each([
		["flavor", { size: "m9.huge" }],
		["image", { image: "Plan 9" }],
		["network", { network: "Narnia" }],
	])("that names no %s of the cloud is invalid, and makes nothing", async (what, settings) => {
		const { open, failureOf, cloud } = start(settings);
		const message = `OpenStack: there is no ${what} ${Object.values(settings)[0]}`;
		expect(await failureOf(open().create(wanted()))).toEqual({ kind: "invalid", message });
		expect(cloud.fleet.vms()).toEqual([]);
	});

	it("says what to do where the cloud is older than the microversion", async () => {
		const { open, failureOf } = start({ microversion: "2.99" });
		expect(await failureOf(open().create(wanted()))).toMatchObject({
			kind: "invalid",
			message: expect.stringContaining("OPENSTACK_MICROVERSION"),
		});
	});
});

it("a server is found and deleted in the region that it was made in, whatever the account's region is now", async () => {
	const { open, done, cloud, settings } = start();
	const { vm } = await done(open().create(wanted()));
	const moved = open({ settings: { ...settings, region: "RegionTwo" } });
	expect(vm).toMatch(/^RegionOne\//);
	expect(await done(moved.find(lookUp(wanted())))).toBeNull();
	expect(await done(moved.find(lookUp(wanted(), vm)))).toMatchObject({ vm });
	await done(moved.delete(vm));
	expect(cloud.fleet.vms()).toEqual([]);
});

it("the price is not known where none is stated", async () => {
	const { hourly_price: _, ...settings } = OPENSTACK_TERMS.settings as Record<string, string>;
	const { open, failureOf } = start();
	expect(await failureOf(open({ settings }).hourlyPrice())).toMatchObject({
		kind: "invalid",
		message: expect.stringContaining("OPENSTACK_HOURLY_PRICE"),
	});
});
