import { describe, expect, it } from "vitest";
import { aws } from "../../src/providers/aws/driver.ts";
import { secretOf } from "./aws-signature.ts";
import { BOOT_MS, lookUp, underContract, wanted } from "./contract.ts";
import { AWS_TERMS } from "./contract-aws.ts";

/** What the driver must do at EC2 and nowhere else: all it does is within the policy that operators are told to attach. */

const KEY = "local-bare-contract";
const world = (settings: Readonly<Record<string, string>> = {}) =>
	underContract("aws", aws, { ...AWS_TERMS, settings: { access_key_id: KEY, secret_access_key: secretOf(KEY), ...settings } });

describe("with the documented policy and no more", () => {
	it.each([
		["on demand", {}],
		["as a one-time spot instance", { spot: "one-time" }],
		["as a persistent spot instance", { spot: "persistent" }],
	])("a VM is made %s, found, restarted and deleted for good", async (_, settings) => {
		const { open, done, clock, cloud } = world(settings);
		const { vm } = await done(open().create(wanted()));
		clock.advance(BOOT_MS);
		expect(await done(open().list())).toMatchObject([{ vm, state: "running" }]);
		for (const step of ["off", "on"] as const) {
			await done(open().restart(vm, step));
			clock.advance(BOOT_MS);
		}
		expect(await done(open().find(lookUp(wanted(), vm)))).toMatchObject({ state: "running" });
		await done(open().delete(vm));
		clock.advance(BOOT_MS);
		expect(cloud.fleet.vms()).toEqual([]);
	});

	it("the firewall is made and changed", async () => {
		const { open, done, things } = world();
		await done(open().create(wanted(1)));
		const { tags, port } = wanted();
		for (const allow of [["192.0.2.0/24"], ["198.51.100.0/24"]]) {
			await done(open().protect({ tags, port, allow }));
			expect(AWS_TERMS.firewalls(things())).toEqual([allow]);
		}
	});

	it("what others made can be looked at, and neither taken in, restarted nor ended: those are refusals of the key", async () => {
		const { open, done, failureOf, clock, cloud } = world();
		await done(open().create(wanted()));
		const [model] = cloud.fleet.vms();
		if (model === undefined) throw new Error("the create made no VM");
		const id = AWS_TERMS.cloudId?.(7) ?? "";
		const theirs = { ...model, name: "theirs", tags: ["theirs=kept"], id: () => id };
		await cloud.fleet.create(model.account, theirs, { failsLater: false, isDead: false });
		clock.advance(BOOT_MS);
		const driver = open();
		const vm = AWS_TERMS.id(7);
		expect(await done(driver.get?.(vm) ?? Promise.reject(new Error("the driver cannot look")))).toMatchObject({ vm, state: "running" });
		const calls = [() => driver.retag?.(vm, wanted().tags), () => driver.restart(vm, "off"), () => driver.delete(vm)];
		for (const call of calls) {
			const failure = await failureOf(call() ?? Promise.resolve());
			expect(failure).toMatchObject({ kind: "auth", message: expect.stringContaining("UnauthorizedOperation") });
		}
		expect(cloud.fleet.vms().map(({ name }) => name)).toContain("theirs");
	});
});
