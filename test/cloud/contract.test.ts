import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { CloudName } from "../../src/core/model/state.ts";
import type { CreateRequest, Provider, ProviderDefinition } from "../../src/providers/base/provider.ts";
import { PROVIDERS } from "../../src/providers/index.ts";
import type { CloudOptions } from "./cloud.ts";
import { BOOT_MS, lookUp, underContract, wanted } from "./contract.ts";
import { ELSEWHERE, TERMS, type Terms } from "./contract-clouds.ts";

it("every driver is under contract", () => {
	expect(Object.keys(TERMS).sort()).toEqual(Object.keys(PROVIDERS).sort());
});

const BASE = "http://cloud.test";
const THEIR_TAG = "theirs=kept";

function canRetag(definition: ProviderDefinition, { settings, addresses }: Terms): boolean {
	const nowhere = { fetch, now: () => 0, countCall: () => undefined, observeRate: () => undefined, wait: async () => undefined };
	return definition.create(definition.schema.parse({ api_url: BASE, ...addresses?.(BASE), ...settings }), nowhere).retag !== undefined;
}

/** The driver's two methods for VMs that others made; bound, since both are optional. */
function adopting(driver: Provider) {
	const { get, retag } = driver;
	if (get === undefined || retag === undefined) throw new Error("the driver cannot take VMs in");
	return { get: get.bind(driver), retag: retag.bind(driver) };
}

/** What every driver owes (`provider.ts`), shown at the local cloud. A cloud is added by passing this. */
describe.each(Object.entries(TERMS) as [CloudName, Terms][])("%s", (name, terms) => {
	const definition = PROVIDERS[name] as ProviderDefinition;
	const start = (options?: CloudOptions) => underContract(name, definition, terms, options);
	const creates = (world: ReturnType<typeof start>) => world.cloud.fleet.vms().map((vm) => vm.name);

	describe("the life of a VM", () => {
		it("is made tagged and starting, runs with an address, is restarted, and is gone when deleted", async () => {
			const { open, done, clock, cloud } = start();
			const driver = open();
			const request = wanted();
			const made = await done(driver.create(request));
			expect(made).toMatchObject({ name: request.name, state: "starting", tags: request.tags });
			expect(await done(driver.find(lookUp(request, made.vm)))).toMatchObject({ vm: made.vm, tags: request.tags });

			clock.advance(BOOT_MS);
			const running = { vm: made.vm, name: request.name, state: "running", address: cloud.fleet.vms()[0]?.address, tags: request.tags };
			expect(await done(driver.list())).toEqual([running]);
			expect(await done(driver.find(lookUp(request)))).toEqual(running);

			for (const step of definition.twoStepRestart ? (["off", "on"] as const) : (["off"] as const)) {
				await done(driver.restart(made.vm, step));
				clock.advance(BOOT_MS);
			}
			expect(await done(driver.find(lookUp(request, made.vm)))).toMatchObject({ vm: made.vm, state: "running" });

			await done(driver.delete(made.vm));
			clock.advance(BOOT_MS);
			expect(cloud.fleet.vms()).toEqual([]);
			expect((await done(driver.find(lookUp(request, made.vm))))?.state ?? "going").toBe("going");
		});

		it("boots from the very user data that it was given", async () => {
			const { open, done, cloud } = start();
			const request = wanted(1, { userData: `#cloud-config\n# ${"ünï".repeat(2000)}\n` });
			await done(open().create(request));
			expect(cloud.fleet.vms()[0]?.userData).toBe(request.userData);
		});

		it("is deleted twice without harm", async () => {
			const { open, done, failureOf, clock, cloud } = start();
			const { vm } = await done(open().create(wanted(1)));
			await done(open().create(wanted(2)));
			clock.advance(BOOT_MS);
			await done(open().delete(vm));
			const again = await failureOf(open().delete(vm)).catch(() => null);
			// Gone, accepted once more, or busy with going.
			expect(["notFound", "conflict"]).toContain(again?.kind ?? "notFound");
			clock.advance(BOOT_MS);
			expect(cloud.fleet.vms()).toHaveLength(1);
		});

		it("is deleted while it is installed, or as soon as its cloud allows it", async () => {
			const { open, done, failureOf, clock, cloud } = start();
			const { vm } = await done(open().create(wanted()));
			if (terms.deleteWhileInstalling === "later") {
				expect(["conflict", "transient"]).toContain((await failureOf(open().delete(vm))).kind);
				expect(cloud.fleet.vms()).toHaveLength(1);
				clock.advance(BOOT_MS);
			}
			await done(open().delete(vm));
			clock.advance(BOOT_MS);
			expect(cloud.fleet.vms()).toEqual([]);
		});

		it("that is accepted and fails later is found to be gone", async () => {
			const world = start();
			world.fault({ operation: "create", failLater: true });
			// A driver that waits for the outcome says so at once; the others answer with a VM that vanishes.
			const made = await world.done(
				world
					.open()
					.create(wanted())
					.catch(() => null),
			);
			world.clock.advance(BOOT_MS);
			let found = await world.done(world.open().find(lookUp(wanted(), made?.vm ?? null)));
			// What it left behind looks like a VM that is switched off, in lists as well, and is deleted like one, if need be more than once.
			let tries = 0;
			for (; tries < 4 && found?.state === "off"; tries++) {
				expect(await world.done(world.open().list())).toEqual([{ ...found, tags: wanted().tags }]);
				await world.done(world.open().delete(found.vm));
				world.clock.advance(BOOT_MS);
				found = await world.done(world.open().find(lookUp(wanted(), made?.vm ?? null)));
			}
			expect([found?.state ?? "going", creates(world)]).toEqual(["going", []]);
			if (tries > 0) expect(terms.leftBehind?.(world.things()) ?? []).toEqual([]);
			expect(await world.done(world.open().list())).toEqual([]);
		});

		it("that is switched off by hand is listed as off", async () => {
			const { open, done, clock, cloud } = start();
			await done(open().create(wanted()));
			clock.advance(BOOT_MS);
			const [vm] = cloud.fleet.vms();
			if (vm) cloud.fleet.power(vm, "off", "power_off");
			expect(await done(open().list())).toMatchObject([{ state: "off" }]);
		});
	});

	describe("the price of a VM", () => {
		it("is that of the account's size and region, with its address, in its cloud's currency", async () => {
			const { open, done, clock } = start();
			const price = await done(open().hourlyPrice());
			expect(price).toMatchObject(terms.price);
			expect(price.asOf).toBeLessThanOrEqual(Math.max(clock.now(), Date.UTC(2026, 0, 1)));
		});

		it("that nobody knows is a failure that names the size", async () => {
			const { open, failureOf, settings } = start();
			const key = "plan" in definition.settings ? "plan" : "size";
			const { kind, message } = await failureOf(open({ settings: { ...settings, [key]: "no-such-size" } }).hourlyPrice());
			expect([kind, message.includes("no-such-size")]).toEqual(["invalid", true]);
		});
	});

	describe("what the settings name", () => {
		it("is known to be there, and what is there no more with what comes nearest", async () => {
			const { open, done, settings } = start();
			const asked = (own: Readonly<Record<string, string>>) => done(open({ settings: { ...settings, ...own } }).retired());
			expect(await asked({})).toEqual([]);
			const { settings: image, nearest } = terms.goneImage;
			expect(await asked(image)).toEqual([{ what: "image", name: Object.values(image)[0], nearest }]);
			const key = "plan" in definition.settings ? "plan" : "size";
			const size = String((settings as Record<string, unknown>)[key] ?? definition.settings[key]?.schema.parse(undefined));
			expect(await asked({ [key]: `${size}-old` })).toEqual([{ what: "size", name: `${size}-old`, nearest: size }]);
		});
	});

	describe("a create whose answer is lost", () => {
		it.each([
			["the connection breaks after it was done", { dropAnswer: true }],
			["a gateway answers 502 after it was done", { status: 502, body: "<html>Bad Gateway</html>", afterDoing: true }],
		])("is unknown, not sent again, and its VM found by name: %s", async (_, how) => {
			const world = start();
			world.fault({ operation: "create", ...how });
			expect((await world.failureOf(world.open().create(wanted()))).kind).toBe("unknown");
			const found = await world.done(world.open().find(lookUp(wanted())));
			expect(found).toMatchObject({ name: wanted().name, tags: wanted().tags });
			expect(creates(world)).toEqual([wanted().name]);
		});

		it("is unknown as well when nothing was done, and then no VM is found", async () => {
			const world = start();
			world.fault({ operation: "create", status: 503 });
			const { kind } = await world.failureOf(world.open().create(wanted()));
			expect(["unknown", "transient"]).toContain(kind);
			expect(await world.done(world.open().find(lookUp(wanted())))).toBeNull();
			expect(creates(world)).toEqual([]);
		});
	});

	it.each([
		["an answer is lost", { dropAnswer: true }],
		["a call fails", { status: 503 }],
	])("a create that is cut at any of its calls is finished by the next one, and makes no second VM: %s", async (_, how) => {
		for (let cut = 0, isOver = false; !isOver; cut++) {
			let calls = 0;
			const world = start({ random: () => (calls++ === cut ? 0 : 1) });
			const request = wanted();
			world.fault({ ...how, probability: 0.5 });
			const failure = await world.failureOf(world.open().create(request)).catch(() => null);
			isOver = calls <= cut;
			world.cloud.faults.clear();
			const found = await world.done(world.open().find(lookUp(request)));
			// Whoever says anything but `unknown` says that no VM was made.
			if (failure !== null && failure.kind !== "unknown") expect(found).toBeNull();
			if (found === null || found.state === "off") await world.done(world.open().create(request));
			world.clock.advance(BOOT_MS);
			expect(await world.done(world.open().list())).toMatchObject([{ name: request.name, state: "running", tags: request.tags }]);
			expect(world.cloud.fleet.vms().map(({ userData, state }) => [userData, state])).toEqual([[request.userData, "active"]]);
			expect(cut).toBeLessThan(30);
		}
	});

	describe("a delete", () => {
		const leftBehind = (world: ReturnType<typeof start>) => terms.leftBehind?.(world.things()) ?? [];

		/** Deletes until nothing is left to delete, as the pool does. */
		async function deleted(world: ReturnType<typeof start>, vm: string): Promise<void> {
			for (let tries = 0; tries < 10; tries++) {
				const failure = await world.failureOf(world.open().delete(vm)).catch(() => null);
				if (failure?.kind === "notFound") return;
				world.clock.advance(BOOT_MS);
			}
		}

		it.each([
			["runs", (world: ReturnType<typeof start>) => world.clock.advance(BOOT_MS)],
			[
				"was switched off",
				(world: ReturnType<typeof start>) => {
					world.clock.advance(BOOT_MS);
					for (const vm of world.cloud.fleet.vms()) world.cloud.fleet.power(vm, "off", "power_off");
				},
			],
		])("of a VM that %s leaves nothing behind, whichever of its calls' answers is lost", async (_, prepare) => {
			for (let lost = 0, isOver = false; !isOver; lost++) {
				let calls = 0;
				const world = start({ random: () => (calls++ === lost ? 0 : 1) });
				const { vm } = await world.done(world.open().create(wanted()));
				prepare(world);
				calls = 0;
				world.fault({ dropAnswer: true, probability: 0.5 });
				await deleted(world, vm);
				isOver = calls <= lost;
				expect([world.cloud.fleet.vms(), leftBehind(world)]).toEqual([[], []]);
				expect(lost).toBeLessThan(30);
			}
		});
	});

	it("a create under a name that exists makes no VM that is not found again", async () => {
		const { open, done, failureOf, cloud } = start();
		const first = await done(open().create(wanted()));
		if (terms.sameName === "conflict") expect((await failureOf(open().create(wanted()))).kind).toBe("conflict");
		else expect((await done(open().create(wanted()))).vm === first.vm).toBe(terms.sameName === "same");
		expect(cloud.fleet.vms()).toHaveLength(terms.sameName === "second" ? 2 : 1);
		for (let each = 0; each < 2; each++) expect((await done(open().find(lookUp(wanted()))))?.vm).toBe(first.vm);
		if (terms.sameName === "second") expect(await done(open().list())).toHaveLength(2);
	});

	describe("the list", () => {
		it("is whole though a page holds less than there is", async () => {
			const world = start({ limits: { requestsPerHour: null, pageSize: 3 } });
			const names = Array.from({ length: 7 }, (_, n) => wanted(n).name);
			for (let n = 0; n < 7; n++) await world.done(world.open().create(wanted(n)));
			const before = world.journal().length;
			const vms = await world.done(world.open().list());
			expect(vms.map((vm) => vm.name).sort()).toEqual(names.sort());
			expect(world.journal().length - before).toBeGreaterThanOrEqual(3);
		});

		it("is an error when one of its pages is, never a part", async () => {
			const draws = [1, 0];
			const world = start({ limits: { requestsPerHour: null, pageSize: 3 }, random: () => draws.shift() ?? 1 });
			for (let n = 0; n < 5; n++) await world.done(world.open().create(wanted(n)));
			world.fault({ operation: "list", status: 503, probability: 0.5 });
			expect((await world.failureOf(world.open().list())).kind).toBe("transient");
		});

		it("may lag behind: a VM that it does not show yet is found", async () => {
			const world = start();
			const made = await world.done(world.open().create(wanted()));
			world.fault({ operation: "list", listLagMs: 3_600_000 });
			expect(await world.done(world.open().list())).toEqual([]);
			expect(await world.done(world.open().find(lookUp(wanted(), made.vm)))).toMatchObject({ vm: made.vm });
		});
	});

	describe("whose a VM is", () => {
		it("a VM without our tags is not listed, and not found under its name", async () => {
			const world = start();
			await world.done(world.open().create(wanted(1)));
			const [model] = world.cloud.fleet.vms();
			if (model === undefined) throw new Error("the create made no VM");
			const { provider, account, details } = model;
			const foreign = {
				provider,
				name: wanted(2).name,
				tags: [],
				userData: "",
				details,
				id: (number: number) => terms.id(number, wanted(2).name),
			};
			await world.cloud.fleet.create(account, foreign, { failsLater: false, isDead: false });
			world.clock.advance(BOOT_MS);
			expect((await world.done(world.open().list())).map((vm) => vm.name)).toEqual([wanted(1).name]);
			expect(await world.done(world.open().find(lookUp(wanted(2))))).toBeNull();
			expect(creates(world)).toHaveLength(2);
		});

		it("another deployment's VM is listed as that one's, and is not found as ours, by name or by id", async () => {
			const { open, done } = start();
			const theirs = wanted(1, { tags: { ...wanted(1).tags, deployment: "otherothero" } });
			const { vm } = await done(open().create(theirs));
			expect(await done(open().list())).toMatchObject([{ vm, tags: theirs.tags }]);
			expect(await done(open().find(lookUp(wanted(1))))).toBeNull();
			expect(await done(open().find(lookUp(wanted(1), vm)))).toBeNull();
		});
	});

	// Which drivers cannot retag is plain to see: their cases are skipped by name.
	describe.skipIf(!canRetag(definition, terms))("a VM that others made", () => {
		/** One without a tag of ours, running beside one that we made. */
		async function withTheirs() {
			const world = start();
			await world.done(world.open().create(wanted(1)));
			const [model] = world.cloud.fleet.vms();
			if (model === undefined) throw new Error("the create made no VM");
			const { provider, account, details } = model;
			let id = "";
			const theirs = {
				provider,
				name: "theirs",
				tags: [THEIR_TAG],
				userData: "",
				details: terms.theirs?.(details) ?? details,
				id: (number: number) => {
					id = terms.id(number, "theirs");
					return (terms.cloudId ?? terms.id)(number, "theirs");
				},
			};
			const { vm } = await world.cloud.fleet.create(account, theirs, { failsLater: false, isDead: false });
			world.clock.advance(BOOT_MS);
			const retag = (tags: CreateRequest["tags"] | null) => adopting(world.open()).retag(id, tags);
			const get = () => world.done(adopting(world.open()).get(id));
			const record = () => world.cloud.fleet.vms().find((each) => each.id === vm.id);
			return { world, id, retag, get, record };
		}

		it("is shown by its id, without tags; one that does not exist is not, whatever its id looks like", async () => {
			const { world, id, get } = await withTheirs();
			expect(await get()).toMatchObject({ vm: id, state: "running", tags: { deployment: null, pool: null, intent: null } });
			for (const none of [terms.id(4_711_471_147), "no such thing"]) expect(await world.done(adopting(world.open()).get(none))).toBeNull();
		});

		it("is ours once it is tagged, and theirs again once it is not, and runs all the time with its own tags", async () => {
			const { world, id, retag, get, record } = await withTheirs();
			const { tags } = wanted(2);
			const before = record();
			await world.done(retag(tags));
			expect(await get()).toMatchObject({ vm: id, state: "running", address: before?.address, tags });
			expect((await world.done(world.open().list())).find(({ vm }) => vm === id)).toMatchObject({ tags });
			expect(await world.done(world.open().find(lookUp(wanted(2), id)))).toMatchObject({ vm: id });
			expect(record()?.tags).toContain(THEIR_TAG);
			await world.done(retag(null));
			expect(record()).toEqual(before);
			expect(await world.done(world.open().list())).toHaveLength(1);
		});

		it("is not touched again when it is as it should be", async () => {
			const { world, retag } = await withTheirs();
			for (const tags of [wanted(2).tags, null]) {
				await world.done(retag(tags));
				world.fault({ operation: "retag", status: 503 });
				await world.done(retag(tags));
				world.cloud.faults.clear();
			}
		});

		it("is tagged whole in the end whichever call's answer is lost, and at no time as the pool's without its intent", async () => {
			for (const tags of [wanted(2).tags, null]) {
				for (let lost = 0, isOver = false; !isOver; lost++) {
					const { world, id, retag, get } = await withTheirs();
					if (tags === null) await world.done(retag(wanted(2).tags));
					let calls = 0;
					world.cloud.faults.clear();
					const driver = adopting(
						world.open({ countCall: () => void (calls++ === lost && world.fault({ operation: "*", dropAnswer: true })) }),
					);
					await world.failureOf(driver.retag(id, tags)).catch(() => null);
					isOver = calls <= lost;
					world.cloud.faults.clear();
					const half = (await world.done(world.open().list())).find(({ vm }) => vm === id);
					if (half !== undefined && half.tags.deployment !== null) expect(half.tags.intent).not.toBeNull();
					await world.done(retag(tags));
					expect((await get())?.tags).toEqual(tags ?? { deployment: null, pool: null, intent: null });
					expect(lost).toBeLessThan(20);
				}
			}
		});

		it("cannot be tagged when it does not exist, and no refusal is taken for done", async () => {
			const { world, retag } = await withTheirs();
			const none = adopting(world.open()).retag(terms.id(4_711_471_147), wanted(2).tags);
			expect((await world.failureOf(none)).kind).toBe("notFound");
			world.fault({ ...terms.revoked, times: 1000 });
			expect((await world.failureOf(retag(null))).kind).toBe("auth");
		});
	});

	describe("refusals", () => {
		it("a full account is a quota failure in the cloud's own words, and nothing was made", async () => {
			const world = start({ limit: 1 });
			await world.done(world.open().create(wanted(1)));
			const failure = await world.failureOf(world.open().create(wanted(2)));
			expect(failure).toMatchObject({ kind: "quota", message: expect.stringContaining(terms.quotaSays) });
			expect(creates(world)).toHaveLength(1);
		});

		it("a cloud without room is a capacity failure in its own words", async () => {
			const world = start();
			const { says, ...answer } = terms.capacity;
			world.fault({ operation: "create", ...answer });
			const failure = await world.failureOf(world.open().create(wanted()));
			expect(failure).toMatchObject({ kind: "capacity", message: expect.stringContaining(says) });
			expect(creates(world)).toEqual([]);
		});

		it("a cloud without room in one place says so there alone, and in its own way", async () => {
			const world = start();
			world.fault({ operation: "create", region: "elsewhere-1", kind: "capacity", times: 1000 });
			await world.done(world.open().create(wanted(1)));
			world.clock.advance(BOOT_MS);
			world.cloud.faults.clear();
			const { region, location, zone } = world.cloud.fleet.vms()[0]?.details ?? {};
			world.fault({ operation: "create", region: String(zone ?? location ?? region), kind: "capacity" });
			const failure = await world.failureOf(world.open().create(wanted(2)));
			expect(failure).toMatchObject({ kind: "capacity", message: expect.stringContaining(terms.capacity.says) });
			expect([creates(world), world.cloud.faults.list()]).toEqual([[wanted(1).name], []]);
			await world.done(world.open().create(wanted(3)));
			expect(creates(world)).toHaveLength(2);
		});

		it("credentials that the cloud does not know are an auth failure of every call", async () => {
			const { open, failureOf } = start();
			const driver = open({ settings: terms.refused });
			const calls = [
				() => driver.create(wanted()),
				() => driver.list(),
				() => driver.find(lookUp(wanted())),
				() => driver.delete(terms.id(7)),
			];
			for (const call of calls) expect((await failureOf(call())).kind).toBe("auth");
		});

		it("credentials that are revoked while VMs run are an auth failure, and no VM is taken for gone", async () => {
			const { open, done, failureOf, fault } = start();
			const { vm } = await done(open().create(wanted()));
			fault({ ...terms.revoked, times: 1000 });
			const driver = open();
			const calls = [() => driver.create(wanted(2)), () => driver.list(), () => driver.find(lookUp(wanted(), vm)), () => driver.delete(vm)];
			for (const call of calls) expect((await failureOf(call())).kind).toBe("auth");
		});

		it("a rate limit is one, until the time that the cloud names", async () => {
			const { open, done, failureOf, fault, clock } = start();
			const { vm } = await done(open().create(wanted()));
			const calls = [() => open().create(wanted(2)), () => open().list(), () => open().delete(vm), () => open().restart(vm, "off")];
			fault({ ...terms.tooFast, headers: { "retry-after": "7" }, times: 1000 });
			for (const call of calls) expect(await failureOf(call())).toMatchObject({ kind: "rate", retryAt: clock.now() + 7000 });
		});

		it("a VM that does not exist is not found, by any call", async () => {
			const { open, done, failureOf } = start();
			const { vm } = await done(open().create(wanted()));
			await done(open().list());
			const none = terms.id(4_711_471_147);
			expect(none).not.toBe(vm);
			expect(await done(open().find(lookUp(wanted(), none)))).toBeNull();
			expect((await failureOf(open().delete(none))).kind).toBe("notFound");
			expect((await failureOf(open().restart(none, "off"))).kind).toBe("notFound");
		});

		it("a lost answer to a delete or a restart is unknown, and neither is sent twice", async () => {
			const world = start();
			const { vm } = await world.done(world.open().create(wanted()));
			world.clock.advance(BOOT_MS);
			world.fault({ operation: "restart", status: 502, body: "Bad Gateway" });
			expect((await world.failureOf(world.open().restart(vm, "off"))).kind).toBe("unknown");
			const before = world.journal().length;
			world.fault({ operation: "delete", status: 502, body: "Bad Gateway" });
			expect((await world.failureOf(world.open().delete(vm))).kind).toBe("unknown");
			expect(
				world
					.journal()
					.slice(before)
					.filter(({ status }) => status === 502),
			).toHaveLength(1);
			expect(creates(world)).toHaveLength(1);
		});
	});

	describe("the firewall", () => {
		const allow = ["192.0.2.0/24", "198.51.100.7/32"];
		/** Long enough for another isolate's, or a later, look. */
		const later = 3_600_000;

		it("is made once for all VMs, however many are created at once, and lets everyone in unless told otherwise", async () => {
			const world = start();
			await world.done(Promise.all([1, 2, 3].map((n) => world.open().create(wanted(n)))));
			await world.done(world.open().create(wanted(4)));
			const [sources, ...more] = terms.firewalls(world.things());
			expect([more, sources?.includes("0.0.0.0/0")]).toEqual([[], true]);
			expect(creates(world)).toHaveLength(4);
		});

		it("lets in exactly whom it is told to, follows when that changes, and is found again by an isolate that knows nothing", async () => {
			const world = start();
			await world.done(world.open().create(wanted(1, { allow })));
			expect(terms.firewalls(world.things()).map((sources) => [...sources].sort())).toEqual([allow]);
			await world.done(world.open().create(wanted(2, { allow: allow.slice(0, 1) })));
			expect(terms.firewalls(world.things())).toEqual([allow.slice(0, 1)]);
			world.clock.advance(later);
			await world.done(world.open().create(wanted(3, { allow: allow.slice(0, 1) })));
			expect(terms.firewalls(world.things())).toEqual([allow.slice(0, 1)]);
		});

		it("lets in whom it shall for the VMs that exist, without a create", async () => {
			const world = start();
			await world.done(world.open().create(wanted(1)));
			const vms = creates(world);
			const { tags, port } = wanted(1);
			await world.done(world.open().protect({ tags, port, allow }));
			expect(terms.firewalls(world.things()).map((sources) => [...sources].sort())).toEqual([allow]);
			expect(creates(world)).toEqual(vms);
		});

		it("is mended when somebody edited it", async () => {
			const world = start();
			await world.done(world.open().create(wanted(1, { allow })));
			terms.tamper(world.things());
			expect(terms.firewalls(world.things())).toEqual([[ELSEWHERE]]);
			world.clock.advance(later);
			await world.done(world.open().create(wanted(2, { allow })));
			expect(terms.firewalls(world.things()).map((sources) => [...sources].sort())).toEqual([allow]);
		});

		it("that cannot be seen to lets no VM be made, and is no lost create", async () => {
			const world = start();
			world.fault({ operation: "firewall", status: 503, times: 1000 });
			expect((await world.failureOf(world.open().create(wanted()))).kind).toBe("transient");
			expect(creates(world)).toEqual([]);
		});

		it("is gone on with by the next create, whichever of its calls' answers is lost", async () => {
			for (let lost = 0, isOver = false; !isOver; lost++) {
				let calls = 0;
				const world = start({ random: () => (calls++ === lost ? 0 : 1) });
				world.fault({ operation: "firewall", dropAnswer: true, times: 1, probability: 0.5 });
				const failure = await world.failureOf(world.open().create(wanted(1))).catch(() => null);
				isOver = calls <= lost;
				// Whoever says anything but `unknown` says that no VM was made.
				if (failure !== null) expect(failure.kind).toBe(creates(world).length === 0 ? "transient" : "unknown");
				world.cloud.faults.clear();
				await world.done(world.open().create(wanted(2)));
				const [sources, ...more] = terms.firewalls(world.things());
				expect([more, sources?.includes("0.0.0.0/0")]).toEqual([[], true]);
				expect(lost).toBeLessThan(20);
			}
		});
	});

	describe("secrets", () => {
		const secretsOf = (settings: Readonly<Record<string, string>>) =>
			Object.entries(definition.settings)
				.map(([field, { isSecret }]) => (isSecret ? (settings[field] ?? "") : ""))
				.filter((text) => text !== "");

		/** What the cloud could say: a sentence as it stands, and in each cloud's form of an error. */
		const bodies = (text: string) => [
			text,
			{ id: "e", message: text, type: "e", error: { code: "e", message: text }, errors: [{ reason: text }] },
			{ error: text },
			`<Response><Errors><Error><Code>E</Code><Message>${text}</Message></Error></Errors></Response>`,
		];
		const STATUSES = [400, 401, 403, 404, 409, 412, 422, 429, 500];

		it("are repeated in no error, whatever the cloud says", async () => {
			const world = start();
			const { vm } = await world.done(world.open().create(wanted(1)));
			const secrets = secretsOf(world.settings);
			const driver = world.open();
			const calls = [() => driver.create(wanted(2)), () => driver.list(), () => driver.restart(vm, "off"), () => driver.delete(vm)];
			const says: string[] = [];
			for (const status of STATUSES) {
				for (const body of bodies(`refused for ${secrets.join(" ")}`)) {
					world.fault({ status, body, times: 1_000_000 });
					for (const call of calls) says.push((await world.failureOf(call())).message);
					world.cloud.faults.clear();
				}
			}
			expect(says.filter((message) => message.includes("refused for ***")).length).toBeGreaterThan(10);
			for (const secret of secrets) expect(says.filter((message) => message.includes(secret))).toEqual([]);
		});

		it("in user data are repeated in no error of a create", async () => {
			const world = start();
			const { userData } = wanted();
			const sent = { plain: userData, base64: btoa(userData), gzip: gzipSync(userData).toString("base64") }[terms.userDataIs];
			await world.done(world.open().create(wanted(1)));
			const says: string[] = [];
			for (const status of STATUSES) {
				for (const body of bodies(`refused: ${sent}`)) {
					world.fault({ operation: "create", status, body });
					says.push((await world.failureOf(world.open().create(wanted(2)))).message);
				}
			}
			expect(says.filter((message) => message.includes("withheld")).length).toBeGreaterThan(5);
			for (const piece of piecesOf(sent)) expect(says.filter((message) => message.includes(piece))).toEqual([]);
		});

		it("and user data are neither shown nor in the journal", async () => {
			const world = start();
			await world.done(world.open().create(wanted()));
			const shown = JSON.stringify(definition.shown(definition.schema.parse(world.settings) as object));
			const journal = world.cloud.journal.text();
			for (const secret of secretsOf(world.settings)) {
				expect(shown).not.toContain(secret);
				expect(journal).not.toContain(secret);
			}
			for (const piece of [...piecesOf(wanted().userData), ...piecesOf(btoa(wanted().userData))]) expect(journal).not.toContain(piece);
		});
	});
});

/** Long pieces of a text, so that a part of it is noticed too. */
function piecesOf(text: string): string[] {
	return Array.from({ length: Math.floor(text.length / 24) }, (_, n) => text.slice(n * 24, n * 24 + 24));
}
