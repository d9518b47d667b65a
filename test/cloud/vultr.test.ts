import { describe, expect, test } from "vitest";
import { localCloud } from "./helpers.ts";

const INSTANCE = { region: "ewr", plan: "vc2-1c-1gb", os_id: 2284, label: "a", user_data: btoa("#cloud-config\n") };

function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { call, ...rest } = localCloud(options);
	const vultr = (method: string, path: string, body?: unknown, token?: string | null) => call(method, `/vultr/v2${path}`, body, token);
	const create = async (label: string, more: object = {}) =>
		(await vultr("POST", "/instances", { ...INSTANCE, label, ...more })).body.instance.id as string;
	return { ...rest, call, vultr, create };
}

describe("accounts", () => {
	test("a token that does not begin with local, or none, is refused in the real API's form", async () => {
		const { vultr } = world();
		for (const token of ["abc", null])
			expect((await vultr("GET", "/instances", undefined, token)).body).toEqual({ error: "Invalid API token.", status: 401 });
	});

	test("each token is an account of its own", async () => {
		const { vultr, create } = world({ limit: 1 });
		const id = await create("mine");
		expect((await vultr("GET", "/instances", undefined, "local-other")).body.instances).toEqual([]);
		expect((await vultr("GET", `/instances/${id}`, undefined, "local-other")).status).toBe(404);
		expect((await vultr("POST", "/instances", INSTANCE, "local-other")).status).toBe(202);
	});
});

describe("the life of an instance", () => {
	test("it is pending at 0.0.0.0, cannot be deleted before it is active, and then can", async () => {
		const { vultr, clock } = world({ bootMs: 1000 });
		const created = await vultr("POST", "/instances", { ...INSTANCE, tags: ["muster"] });
		expect(created.status).toBe(202);
		const { id } = created.body.instance;
		expect(created.body.instance).toMatchObject({
			main_ip: "0.0.0.0",
			status: "pending",
			server_status: "none",
			tags: ["muster"],
			os_id: 2284,
		});
		const early = await vultr("DELETE", `/instances/${id}`);
		expect([early.status, early.body.error]).toEqual([500, "Unable to destroy server: Unable to remove VM: Server is currently locked"]);
		clock.advance(500);
		const { instance } = (await vultr("GET", `/instances/${id}`)).body;
		expect(instance).toMatchObject({ status: "active", power_status: "running", server_status: "ok" });
		expect(instance.main_ip).toMatch(/^127\./);
		expect((await vultr("DELETE", `/instances/${id}`)).status).toBe(204);
		expect((await vultr("GET", `/instances/${id}`)).status).toBe(404);
		expect((await vultr("DELETE", `/instances/${id}`)).body.error).toContain("already pending destruction");
		clock.advance(10_000);
		expect((await vultr("DELETE", `/instances/${id}`)).status).toBe(404);
	});

	test("it is halted, started and rebooted, one at a time", async () => {
		const { vultr, create, clock } = world({ bootMs: 1000 });
		const id = await create("one");
		clock.advance(1000);
		expect((await vultr("POST", `/instances/${id}/halt`)).status).toBe(204);
		expect((await vultr("GET", `/instances/${id}`)).body.instance.power_status).toBe("stopped");
		expect((await vultr("POST", `/instances/${id}/start`)).status).toBe(204);
		expect((await vultr("POST", `/instances/${id}/reboot`)).body.error).toContain("Server is currently locked");
		clock.advance(1000);
		expect((await vultr("POST", `/instances/${id}/reboot`)).status).toBe(204);
	});

	test("it boots from the user data that was sent as base64; neither that nor its password is in the journal", async () => {
		const { vultr, call, cloud } = world();
		const { instance } = (
			await vultr("POST", "/instances", { ...INSTANCE, user_data: Buffer.from("#cloud-config\n# ü").toString("base64") })
		).body;
		expect(cloud.fleet.vms()[0]?.userData).toBe("#cloud-config\n# ü");
		const journal = (await call("GET", "/_local/journal")).text;
		expect(journal).not.toContain(instance.default_password);
		expect(journal).not.toContain("I2Nsb3VkLWNvbmZpZ");
	});

	test("labels need not be unique", async () => {
		const { vultr, create } = world();
		expect(await create("same")).not.toBe(await create("same"));
		expect((await vultr("GET", "/instances?label=same")).body.instances).toHaveLength(2);
	});
});

describe("lists", () => {
	test("pages follow each other by meta.links.next until it is empty", async () => {
		const { vultr, create } = world();
		const made = [];
		for (let each = 0; each < 7; each++) made.push(await create(`vm-${each}`, { tags: each === 3 ? [] : ["muster"] }));
		const seen: string[] = [];
		let cursor = "";
		do {
			const { body }: Awaited<ReturnType<typeof vultr>> = await vultr("GET", `/instances?tag=muster&per_page=4&cursor=${cursor}`);
			seen.push(...body.instances.map(({ id }: { id: string }) => id));
			cursor = body.meta.links.next;
		} while (cursor !== "");
		expect(seen).toEqual(made.filter((_, each) => each !== 3));
		expect((await vultr("GET", "/instances?per_page=501")).status).toBe(400);
		expect((await vultr("GET", "/instances?cursor=nonsense")).status).toBe(400);
	});
});

describe("what clients send as they can", () => {
	test("the number of a system may be a text", async () => {
		const { vultr } = world();
		expect((await vultr("POST", "/instances", { ...INSTANCE, os_id: "2284" })).body.instance.os_id).toBe(2284);
	});

	test("whole machines are listed, though there are none", async () => {
		const { vultr } = world();
		expect((await vultr("GET", "/plans-metal")).body).toMatchObject({ plans_metal: [], meta: { total: 0 } });
		expect((await vultr("GET", "/bare-metals")).body).toMatchObject({ bare_metals: [] });
	});

	test("an instance has IPv6 when it is asked for, and each a network of its own", async () => {
		const { vultr, create, clock } = world({ bootMs: 1000 });
		const ids = [await create("a", { enable_ipv6: true }), await create("b", { enable_ipv6: true }), await create("c")];
		clock.advance(1000);
		const shown = [];
		for (const id of ids) shown.push((await vultr("GET", `/instances/${id}`)).body.instance);
		for (const one of shown.slice(0, 2))
			expect(one).toMatchObject({ v6_network: expect.stringMatching(/^2001:db8:/), v6_network_size: 64, features: ["ipv6"] });
		expect(shown[0].v6_main_ip).not.toBe(shown[1].v6_main_ip);
		expect(shown[2]).toMatchObject({ v6_network: "", v6_main_ip: "", v6_network_size: 0, features: [] });
	});
});

describe("requests that the real API refuses", () => {
	test.each([
		["an unknown region", { region: "mars" }, "Invalid region."],
		["an unknown plan", { plan: "vc9" }, "Invalid plan chosen."],
		["a plan that its region does not have", { plan: "vhf-1c-1gb", region: "lax" }, "Plan is not available in the selected region."],
		["an unknown system", { os_id: 7 }, "Invalid OS chosen."],
		["a system that is no number", { os_id: "ubuntu" }, "os_id must be an integer"],
		["an unknown firewall group", { firewall_group_id: "g" }, "Invalid firewall group."],
		["user data that is not base64", { user_data: "#cloud-config" }, "user_data must be base64"],
		["an unknown field", { labels: {} }, "unknown field labels"],
	])("an instance with %s", async (_, change, sentence) => {
		const { vultr } = world();
		const answer = await vultr("POST", "/instances", { ...INSTANCE, ...change });
		expect(answer.status).toBe(400);
		expect(answer.body).toEqual({ error: expect.stringContaining(sentence), status: 400 });
	});

	test("an instance above the account's limit", async () => {
		const { vultr, create } = world({ limit: 1 });
		await create("a");
		expect((await vultr("POST", "/instances", INSTANCE)).body.error).toContain("reached the maximum number of active virtual machines");
	});

	test("calls above an account's limit", async () => {
		const { vultr, clock } = world({ limits: { requestsPerHour: 2 } });
		const statuses = [];
		for (let each = 0; each < 3; each++) statuses.push((await vultr("GET", "/instances")).status);
		expect(statuses).toEqual([200, 200, 429]);
		clock.advance(3_600_001);
		expect((await vultr("GET", "/instances")).status).toBe(200);
	});
});

describe("firewall groups", () => {
	const rule = { ip_type: "v4", protocol: "tcp", subnet: "0.0.0.0", subnet_size: 0, port: "8899" };

	test("have rules that are made and removed singly, and descriptions that need not be unique", async () => {
		const { vultr } = world();
		const made = await vultr("POST", "/firewalls", { description: "muster-a" });
		expect(made.status).toBe(201);
		const { id } = made.body.firewall_group;
		expect((await vultr("POST", "/firewalls", { description: "muster-a" })).status).toBe(201);
		expect((await vultr("POST", `/firewalls/${id}/rules`, rule)).status).toBe(201);
		expect((await vultr("POST", `/firewalls/${id}/rules`, rule)).body.error).toContain("already defined");
		const [shown] = (await vultr("GET", `/firewalls/${id}/rules`)).body.firewall_rules;
		expect(shown).toMatchObject({ ...rule, action: "accept", id: 1 });
		expect((await vultr("GET", `/firewalls/${id}`)).body.firewall_group).toMatchObject({ rule_count: 1, max_rule_count: 50 });
		expect((await vultr("DELETE", `/firewalls/${id}/rules/1`)).status).toBe(204);
		expect((await vultr("DELETE", `/firewalls/${id}/rules/1`)).status).toBe(404);
		expect((await vultr("DELETE", `/firewalls/${id}`)).status).toBe(204);
		expect((await vultr("GET", "/firewalls")).body.firewall_groups).toHaveLength(1);
	});

	test.each([
		["a subnet of the other kind", { ...rule, subnet: "::" }],
		["a length that is none", { ...rule, subnet_size: 33 }],
		["a port that is none", { ...rule, port: "8899-9000" }],
		["an unknown field", { ...rule, action: "accept" }],
	])("refuse a rule with %s", async (_, bad) => {
		const { vultr } = world();
		const { id } = (await vultr("POST", "/firewalls", {})).body.firewall_group;
		expect((await vultr("POST", `/firewalls/${id}/rules`, bad)).status).toBe(400);
	});
});
