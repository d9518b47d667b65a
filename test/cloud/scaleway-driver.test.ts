import { describe, expect, it } from "vitest";
import { scaleway } from "../../src/providers/scaleway/driver.ts";
import { BOOT_MS, lookUp, underContract, wanted } from "./contract.ts";
import { SCALEWAY_TERMS } from "./contract-scaleway.ts";

/** What the driver must do at Scaleway and nowhere else. */

const world = (settings: Readonly<Record<string, string>> = {}) => {
	const terms = { ...SCALEWAY_TERMS, settings: { ...SCALEWAY_TERMS.settings, ...settings } };
	const { things, ...rest } = underContract("scaleway", scaleway, terms);
	return { ...rest, things, volumes: () => Object.values(things().volumes ?? {}), vms: () => rest.cloud.fleet.vms() };
};
const OUT_OF_STOCK = { status: 412, body: { type: "out_of_stock", message: "resource is out of stock", resource: "DEV1-S" } };

describe("a create whose server exists", () => {
	it("is taken back whole when the cloud has no room to switch it on, and says so", async () => {
		const { open, failureOf, fault, vms, volumes } = world();
		fault({ operation: "restart", ...OUT_OF_STOCK });
		expect(await failureOf(open().create(wanted()))).toMatchObject({ kind: "capacity", message: expect.stringContaining("out of stock") });
		expect([vms(), volumes()]).toEqual([[], []]);
	});

	it("and cannot be taken back is unknown, so that it is looked up", async () => {
		const { open, done, failureOf, fault } = world();
		fault({ operation: "restart", ...OUT_OF_STOCK });
		fault({ operation: "delete", status: 503 });
		expect((await failureOf(open().create(wanted()))).kind).toBe("unknown");
		expect(await done(open().find(lookUp(wanted())))).toMatchObject({ state: "off", name: wanted().name });
	});

	it.each([
		["429", { status: 429 }],
		["401", { status: 401 }],
		["409", { status: 409 }],
	])("and whose user data are answered with %s is unknown, and finished by the next create with its user data", async (_, how) => {
		const { open, done, failureOf, fault, vms, clock } = world();
		// The first call that counts as a create makes the server.
		fault({ operation: "create", delayMs: 1 });
		fault({ operation: "create", ...how });
		expect((await failureOf(open().create(wanted()))).kind).toBe("unknown");
		expect((await done(open().find(lookUp(wanted()))))?.state).toBe("off");
		const userData = "#cloud-config\n# another token\n";
		const resumed = await done(open().create(wanted(1, { userData })));
		expect(resumed).toMatchObject({ name: wanted().name, state: "starting" });
		clock.advance(BOOT_MS);
		expect(vms().filter(({ name }) => name === wanted().name)).toMatchObject([{ userData, state: "active" }]);
	});

	it("is finished by its id with the user data that hold now, and no other is made when it is gone", async () => {
		const { open, done, failureOf, fault, vms, clock, settings } = world();
		fault({ operation: "create", delayMs: 1 });
		fault({ operation: "create", status: 503 });
		expect((await failureOf(open().create(wanted()))).kind).toBe("unknown");
		const found = await done(open().find(lookUp(wanted())));
		const unfinished = found?.vm ?? "";
		const userData = "#cloud-config\n# another token\n";
		const driver = open({ settings: { ...settings, zone: "nl-ams-1" } });
		expect(await done(driver.create(wanted(1, { userData, unfinished })))).toMatchObject({ vm: unfinished, state: "starting" });
		clock.advance(BOOT_MS);
		expect(vms()).toMatchObject([{ userData, state: "active" }]);
		await done(open().delete(unfinished));
		clock.advance(BOOT_MS);
		expect((await failureOf(open().create(wanted(1, { unfinished })))).kind).toBe("notFound");
		expect((await failureOf(open().create(wanted(2, { unfinished })))).kind).toBe("notFound");
		expect(vms()).toEqual([]);
	});

	it("and is on its way up is left as it is", async () => {
		const { open, done, journal } = world();
		const made = await done(open().create(wanted()));
		const before = journal().length;
		expect(await done(open().create(wanted()))).toMatchObject({ vm: made.vm, state: "starting" });
		expect(
			journal()
				.slice(before)
				.map(({ method }) => method),
		).toEqual(["GET"]);
	});
});

describe("names", () => {
	it("that contain the one that is asked for are others", async () => {
		const { open, done } = world();
		const longer = { ...wanted(1), name: `${wanted(1).name}0` };
		await done(open().create(longer));
		expect(await done(open().find(lookUp(wanted(1))))).toBeNull();
		const { vm } = await done(open().create(wanted(1)));
		expect((await done(open().find(lookUp(wanted(1)))))?.vm).toBe(vm);
	});
});

describe("root volumes", () => {
	it("are local where the type has room for the image, and go with a server that runs", async () => {
		const { open, done, volumes, clock } = world({ size: "STARDUST1-S" });
		const { vm } = await done(open().create(wanted()));
		expect(volumes()).toMatchObject([{ volume_type: "l_ssd", name: wanted().name, size: 10_000_000_000 }]);
		clock.advance(BOOT_MS);
		await done(open().delete(vm));
		clock.advance(BOOT_MS);
		expect(volumes()).toEqual([]);
	});

	it("in block storage are deleted as well, for which the server is switched off first", async () => {
		const { open, done, failureOf, volumes, vms, clock } = world({ size: "PLAY2-PICO" });
		const { vm } = await done(open().create(wanted()));
		expect(volumes()).toMatchObject([{ volume_type: "sbs_volume" }]);
		clock.advance(BOOT_MS);
		expect(await failureOf(open().delete(vm))).toMatchObject({ kind: "conflict", message: expect.stringContaining("switched off first") });
		clock.advance(BOOT_MS);
		await done(open().delete(vm));
		expect([vms(), volumes()]).toEqual([[], []]);
	});

	it("are all that is deleted of what is attached to a server that is switched off", async () => {
		const { open, done, volumes, vms, things, cloud, clock } = world();
		const { vm } = await done(open().create(wanted()));
		things().volumes = { ...things().volumes, data: { ...(volumes()[0] as object), id: "data", name: "data" } };
		clock.advance(BOOT_MS);
		for (const each of vms()) cloud.fleet.power(each, "off", "poweroff");
		await done(open().delete(vm));
		expect([vms(), volumes()]).toMatchObject([[], [{ id: "data", server: null }]]);
	});
});

it("a type that the zone does not have is a setting that is wrong", async () => {
	const { open, failureOf } = world({ size: "VC1S" });
	expect(await failureOf(open().create(wanted()))).toEqual({ kind: "invalid", message: "Scaleway: fr-par-1 has no server type VC1S" });
});

it("a security group that lets in what no rule names stops creates, and says what to do", async () => {
	const { open, done, failureOf, things, clock, vms } = world();
	await done(open().create(wanted(1)));
	for (const [id, group] of Object.entries(things()["security-groups"] ?? {})) {
		things()["security-groups"] = { [id]: { ...(group as object), inbound_default_policy: "accept" } };
	}
	clock.advance(3_600_000);
	const failure = await failureOf(open().create(wanted(2)));
	expect(failure).toMatchObject({ kind: "invalid", message: expect.stringContaining("set its inbound default policy to drop") });
	expect(vms()).toHaveLength(1);
});

it("a restart of a server that is switched off switches it on", async () => {
	const { open, done, vms, cloud, clock } = world();
	const { vm } = await done(open().create(wanted()));
	clock.advance(BOOT_MS);
	for (const each of vms()) cloud.fleet.power(each, "off", "poweroff");
	await done(open().restart(vm, "off"));
	clock.advance(BOOT_MS);
	expect((await done(open().find(lookUp(wanted(), vm))))?.state).toBe("running");
});

it("the secret key travels in its header alone, and settings show neither key", async () => {
	const seen: string[] = [];
	const { open, settings, done } = world();
	const spy = (async (input: string, init: RequestInit) => {
		seen.push(new Headers(init.headers).get("x-auth-token") ?? "", `${input}${init.body ?? ""}`);
		return new Response(JSON.stringify({ servers: [] }));
	}) as typeof fetch;
	await done(open({ fetch: spy }).list());
	expect([seen[0], seen[1]?.includes(settings.secret_key ?? "?")]).toEqual([settings.secret_key, false]);
});

describe("what the cloud says", () => {
	const details = (...given: object[]) => ({ type: "invalid_arguments", message: "invalid argument(s)", details: given });
	it.each([
		[
			403,
			{ type: "quotas_exceeded", message: "Quotas exceeded", details: [{ resource: "DEV1-S", quota: 1, current: 1 }] },
			"quota",
			"DEV1-S",
		],
		[403, { type: "invalid_request_error", message: "Quota exceeded for this resource." }, "quota", "Quota exceeded"],
		[412, OUT_OF_STOCK.body, "capacity", "out of stock"],
		[
			403,
			{ type: "permissions_denied", message: "insufficient permissions", details: [{ action: "write", resource: "server" }] },
			"auth",
			"write server",
		],
		[401, { type: "denied_authentication", message: "authentication is denied" }, "auth", "denied"],
		[429, { type: "too_many_requests", message: "too many requests" }, "rate", "too many"],
		[400, details({ argument_name: "image", reason: "unknown", help_message: "no such image" }), "invalid", "image unknown no such image"],
		[
			400,
			{ type: "invalid_request_error", message: "Validation Error", fields: { name: ["required key not provided"] } },
			"invalid",
			"name required",
		],
		[404, { type: "unknown_resource", message: 'Security group "x" not found' }, "invalid", "Security group"],
		[500, { type: "internal_error", message: "internal error" }, "unknown", "internal error"],
	])("of a create: %i %o", async (status, body, kind, says) => {
		const { open, failureOf, fault } = world();
		fault({ operation: "create", status, body });
		expect(await failureOf(open().create(wanted()))).toMatchObject({ kind, message: expect.stringContaining(says) });
	});

	it.each([
		[409, { type: "transient_state", message: "resource is in a transient state", current_state: "starting" }],
		[423, { type: "locked", message: "resource is locked" }],
		[409, { type: "resource_still_in_use", message: "resource is still in use" }],
	])("of a delete that must wait: %i %o", async (status, body) => {
		const { open, done, failureOf, fault, clock } = world();
		const { vm } = await done(open().create(wanted()));
		clock.advance(BOOT_MS);
		fault({ operation: "delete", status, body });
		expect((await failureOf(open().delete(vm))).kind).toBe("conflict");
	});
});
