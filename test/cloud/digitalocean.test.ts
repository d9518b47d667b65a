import { describe, expect, test } from "vitest";
import { DROPLET, localCloud } from "./helpers.ts";

describe("accounts", () => {
	test("a token that does not begin with local, or none, is refused in the real API's words", async () => {
		const { digitalocean } = localCloud();
		for (const token of ["dop_v1_abc", null]) {
			const answer = await digitalocean("GET", "/v2/droplets", undefined, token);
			expect(answer.status).toBe(401);
			expect(answer.body).toMatchObject({ id: "unauthorized", message: "Unable to authenticate you" });
		}
	});

	test("each token is an account of its own: it sees, deletes and counts only its own droplets", async () => {
		const { digitalocean, create } = localCloud({ limit: 1 });
		const id = await create("mine");
		expect((await digitalocean("GET", "/v2/droplets", undefined, "local-other")).body.droplets).toEqual([]);
		expect((await digitalocean("DELETE", `/v2/droplets/${id}`, undefined, "local-other")).status).toBe(404);
		expect((await digitalocean("POST", "/v2/droplets", DROPLET, "local-other")).status).toBe(202);
	});
});

describe("the life of a droplet", () => {
	test("it is accepted as new without an address, active with one after half of its boot, and gone when deleted", async () => {
		const { digitalocean, clock } = localCloud({ bootMs: 1000 });
		const created = await digitalocean("POST", "/v2/droplets", { ...DROPLET, name: "one" });
		expect(created.status).toBe(202);
		expect(created.body.droplet).toMatchObject({
			name: "one",
			status: "new",
			networks: { v4: [] },
			tags: ["muster"],
			size_slug: DROPLET.size,
		});
		const actionId = created.body.links.actions[0].id;
		expect((await digitalocean("GET", `/v2/actions/${actionId}`)).body.action).toMatchObject({ status: "in-progress", type: "create" });
		clock.advance(500);
		const shown = (await digitalocean("GET", `/v2/droplets/${created.body.droplet.id}`)).body.droplet;
		expect(shown.status).toBe("active");
		expect(shown.networks.v4.find((each: { type: string }) => each.type === "public").ip_address).toMatch(/^127\./);
		expect((await digitalocean("GET", `/v2/actions/${actionId}`)).body.action.status).toBe("completed");
		const deleted = await digitalocean("DELETE", `/v2/droplets/${shown.id}`);
		expect([deleted.status, deleted.text]).toEqual([204, ""]);
		expect((await digitalocean("GET", `/v2/droplets/${shown.id}`)).body).toMatchObject({ id: "not_found" });
		expect((await digitalocean("DELETE", `/v2/droplets/${shown.id}`)).status).toBe(404);
	});

	test("the agent starts when the boot is over, ends with power_off, and comes back with a reboot", async () => {
		const running = new Set<string>();
		const { idleMachines } = await import("./machines.ts");
		const machines = idleMachines({ boot: (vm) => running.add(vm.name), halt: (vm) => running.delete(vm.name) });
		const { digitalocean, create, clock } = localCloud({ bootMs: 1000, machines });
		const id = await create("one");
		clock.advance(999);
		expect([...running]).toEqual([]);
		clock.advance(1);
		expect([...running]).toEqual(["one"]);
		expect((await digitalocean("POST", `/v2/droplets/${id}/actions`, { type: "reboot" })).status).toBe(201);
		expect([...running]).toEqual([]);
		expect((await digitalocean("GET", `/v2/droplets/${id}`)).body.droplet.status).toBe("off");
		const twice = await digitalocean("POST", `/v2/droplets/${id}/actions`, { type: "power_on" });
		expect(twice.body).toMatchObject({ id: "unprocessable_entity", message: "Droplet already has a pending event." });
		clock.advance(1000);
		expect([...running]).toEqual(["one"]);
		await digitalocean("POST", `/v2/droplets/${id}/actions`, { type: "power_off" });
		clock.advance(10_000);
		expect([...running]).toEqual([]);
		expect((await digitalocean("POST", `/v2/droplets/${id}/actions`, { type: "power_on" })).body.action).toMatchObject({
			status: "in-progress",
		});
		clock.advance(1000);
		expect([...running]).toEqual(["one"]);
	});

	test("one deleted while it boots never starts", async () => {
		const started: string[] = [];
		const { idleMachines } = await import("./machines.ts");
		const { digitalocean, create, clock } = localCloud({ bootMs: 1000, machines: idleMachines({ boot: (vm) => started.push(vm.name) }) });
		const id = await create("one");
		await digitalocean("DELETE", `/v2/droplets/${id}`);
		clock.advance(5000);
		expect(started).toEqual([]);
	});
});

describe("what clients send as they can", () => {
	test("user data and a network may be null, and a path may end with a slash", async () => {
		const { cloud, digitalocean } = localCloud();
		expect((await digitalocean("POST", "/v2/droplets/", { ...DROPLET, user_data: null, vpc_uuid: null })).status).toBe(202);
		expect(cloud.fleet.vms()).toMatchObject([{ userData: "" }]);
		expect((await digitalocean("GET", `/v2/droplets/${cloud.fleet.vms()[0]?.id}/`)).status).toBe(200);
	});

	test("an action is shown by itself and by its droplet, and not by another one", async () => {
		const { digitalocean, create } = localCloud();
		const { droplet, links } = (await digitalocean("POST", "/v2/droplets", DROPLET)).body;
		const other = await create("other");
		const [{ id }] = links.actions;
		const { body } = await digitalocean("GET", `/v2/actions/${id}`);
		expect((await digitalocean("GET", `/v2/droplets/${droplet.id}/actions/${id}`)).body).toEqual(body);
		expect((await digitalocean("GET", `/v2/droplets/${other}/actions/${id}`)).status).toBe(404);
	});

	test("a droplet has IPv6 only when it is asked for", async () => {
		const { digitalocean, create, clock } = localCloud({ bootMs: 1000 });
		const ids = [await create("with", { ipv6: true }), await create("without")];
		clock.advance(1000);
		const shown = [];
		for (const id of ids) shown.push((await digitalocean("GET", `/v2/droplets/${id}`)).body.droplet);
		expect(shown[0].networks.v6).toMatchObject([{ ip_address: expect.stringMatching(/^2001:db8:/), netmask: 64, type: "public" }]);
		expect([shown[0].features, shown[1].networks.v6, shown[1].features]).toEqual([["ipv6"], [], []]);
	});
});

describe("lists", () => {
	test("pages follow each other by links.pages.next until there is none, whatever the page size", async () => {
		const { digitalocean, create } = localCloud();
		const made = [];
		for (let each = 0; each < 7; each++) made.push(await create(`vm-${each}`));
		const seen = [];
		let path: string | null = "/v2/droplets?tag_name=muster&per_page=3";
		while (path !== null) {
			const { body }: Awaited<ReturnType<typeof digitalocean>> = await digitalocean("GET", path);
			expect(body.meta.total).toBe(7);
			seen.push(...body.droplets.map((each: { id: number }) => each.id));
			path = body.links.pages?.next?.replace("https://api.digitalocean.com", "") ?? null;
		}
		expect(seen).toEqual(made);
	});

	test("a name is matched whole and without regard to case, and cannot go with a tag", async () => {
		const { digitalocean, create } = localCloud();
		await create("vm-1");
		await create("vm-10");
		const names = async (query: string) =>
			(await digitalocean("GET", `/v2/droplets?${query}`)).body.droplets.map((each: { name: string }) => each.name);
		expect(await names("name=VM-1")).toEqual(["vm-1"]);
		expect(await names("tag_name=other")).toEqual([]);
		expect((await digitalocean("GET", "/v2/droplets?name=vm-1&tag_name=muster")).status).toBe(422);
	});
});

describe("requests that the real API refuses", () => {
	test.each([
		["no name", { name: undefined }, "name can't be blank"],
		["a name that is no host name", { name: "a_b" }, "name Only valid hostname characters"],
		["a region of another type", { region: 7 }, "region must be a string"],
		["an unknown region", { region: "mars1" }, "You specified an invalid region for Droplet creation."],
		["an unknown size", { size: "huge" }, "You specified an invalid size for Droplet creation."],
		["an unknown image", { image: "dos-6" }, "You specified an invalid image for Droplet creation."],
		["a bad tag", { tags: ["a b"] }, "tags.0 may only contain"],
		["too much user data", { user_data: "x".repeat(65_537) }, "user_data must be 64 KiB or less"],
		["an unknown field", { labels: {} }, "unknown field labels"],
	])("a droplet with %s", async (_, change, sentence) => {
		const { digitalocean } = localCloud();
		const answer = await digitalocean("POST", "/v2/droplets", { ...DROPLET, ...change });
		expect(answer.status).toBe(422);
		expect(answer.body.id).toBe("unprocessable_entity");
		expect(answer.body.message).toContain(sentence);
	});

	test("a droplet above the account's limit is refused in the real API's words", async () => {
		const { digitalocean, create } = localCloud({ limit: 2 });
		await create("a");
		await create("b");
		const answer = await digitalocean("POST", "/v2/droplets", DROPLET);
		expect(answer.status).toBe(422);
		expect(answer.body.message).toBe("creating this/these droplet(s) will exceed your droplet limit");
	});

	test("once an hour's calls are spent, 429 says when they are renewed; a burst says how long to wait", async () => {
		const { digitalocean, clock } = localCloud({ limits: { requestsPerHour: 40 } });
		for (const left of ["39", "38"]) expect((await digitalocean("GET", "/v2/droplets")).headers.get("ratelimit-remaining")).toBe(left);
		const burst = await digitalocean("GET", "/v2/droplets");
		expect([burst.status, burst.body.id, burst.headers.get("retry-after")]).toEqual([429, "too_many_requests", "60"]);
		for (let each = 0; each < 38; each++) {
			clock.advance(60_000);
			expect((await digitalocean("GET", "/v2/droplets")).status).toBe(200);
		}
		clock.advance(60_000);
		const spent = await digitalocean("GET", "/v2/droplets");
		expect([spent.status, spent.headers.get("ratelimit-remaining"), spent.headers.get("retry-after")]).toEqual([429, "0", null]);
		clock.advance(Number(spent.headers.get("ratelimit-reset")) * 1000 - clock.now());
		expect((await digitalocean("GET", "/v2/droplets")).status).toBe(200);
	});
});

describe("firewalls", () => {
	const firewall = (name: string, addresses: string[], tags = ["muster"]) => ({
		name,
		tags,
		inbound_rules: [{ protocol: "tcp", ports: "8899", sources: { addresses } }],
		outbound_rules: [{ protocol: "tcp", ports: "all", destinations: { addresses: ["0.0.0.0/0"] } }],
	});

	test("one is made once: its name again is a conflict, a PUT replaces it whole, and the list shows it", async () => {
		const { digitalocean } = localCloud();
		expect((await digitalocean("POST", "/v2/tags", { name: "muster" })).status).toBe(201);
		const made = await digitalocean("POST", "/v2/firewalls", firewall("muster-8899", ["0.0.0.0/0"]));
		expect(made.status).toBe(202);
		const again = await digitalocean("POST", "/v2/firewalls", firewall("muster-8899", ["0.0.0.0/0"]));
		expect([again.status, again.body.message]).toEqual([409, "duplicate name"]);
		const { id } = made.body.firewall;
		const { outbound_rules: _, ...withoutOutbound } = firewall("muster-8899", ["203.0.113.0/24"]);
		expect((await digitalocean("PUT", `/v2/firewalls/${id}`, withoutOutbound)).status).toBe(200);
		const [shown] = (await digitalocean("GET", "/v2/firewalls")).body.firewalls;
		expect(shown.inbound_rules[0].sources.addresses).toEqual(["203.0.113.0/24"]);
		expect(shown.outbound_rules).toEqual([]);
	});

	test("its tags must exist, as a tag does once a droplet carries it", async () => {
		const { digitalocean, create } = localCloud();
		expect((await digitalocean("POST", "/v2/firewalls", firewall("f1", ["0.0.0.0/0"]))).status).toBe(422);
		await create("one");
		expect((await digitalocean("POST", "/v2/firewalls", firewall("f1", ["0.0.0.0/0"]))).status).toBe(202);
	});

	test("an address that is none is refused", async () => {
		const { digitalocean } = localCloud();
		const answer = await digitalocean("POST", "/v2/firewalls", firewall("f1", ["everywhere"], []));
		expect([answer.status, answer.body.message]).toEqual([422, "inbound_rules.0.sources.addresses.0 invalid address"]);
	});
});
