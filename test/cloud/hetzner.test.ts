import { describe, expect, test } from "vitest";
import { localCloud } from "./helpers.ts";

const SERVER = { name: "a", server_type: "cx23", image: "ubuntu-24.04", location: "nbg1", user_data: "#cloud-config\n" };

function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { call, ...rest } = localCloud(options);
	const hetzner = (method: string, path: string, body?: unknown, token?: string | null) => call(method, `/hetzner/v1${path}`, body, token);
	const create = async (name: string, more: object = {}) =>
		(await hetzner("POST", "/servers", { ...SERVER, name, ...more })).body.server.id as number;
	return { ...rest, call, hetzner, create };
}

describe("accounts", () => {
	test("a token that does not begin with local, or none, is refused in the real API's words", async () => {
		const { hetzner } = world();
		for (const token of ["abc", null]) {
			const answer = await hetzner("GET", "/servers", undefined, token);
			expect([answer.status, answer.body.error.code, answer.body.error.message]).toEqual([401, "unauthorized", "unable to authenticate"]);
		}
	});

	test("each token is a project of its own", async () => {
		const { hetzner, create } = world({ limit: 1 });
		const id = await create("mine");
		expect((await hetzner("GET", "/servers", undefined, "local-other")).body.servers).toEqual([]);
		expect((await hetzner("DELETE", `/servers/${id}`, undefined, "local-other")).status).toBe(404);
		expect((await hetzner("POST", "/servers", { ...SERVER, name: "mine" }, "local-other")).status).toBe(201);
	});
});

describe("the life of a server", () => {
	test("it has its address at once, is initializing for half of its boot, then runs, and is gone when deleted", async () => {
		const { hetzner, clock } = world({ bootMs: 1000 });
		const created = await hetzner("POST", "/servers", { ...SERVER, labels: { muster: "true", empty: "" } });
		expect(created.status).toBe(201);
		const { server, action } = created.body;
		expect(server).toMatchObject({
			status: "initializing",
			locked: true,
			labels: { muster: "true", empty: "" },
			location: { name: "nbg1" },
		});
		expect(server.public_net.ipv4.ip).toMatch(/^127\./);
		expect((await hetzner("GET", `/actions/${action.id}`)).body.action).toMatchObject({ status: "running", command: "create_server" });
		clock.advance(500);
		expect((await hetzner("GET", `/servers/${server.id}`)).body.server).toMatchObject({ status: "running", locked: false });
		expect((await hetzner("GET", `/actions/${action.id}`)).body.action).toMatchObject({ status: "success", progress: 100 });
		const deleted = await hetzner("DELETE", `/servers/${server.id}`);
		expect([deleted.status, deleted.body.action.command]).toEqual([200, "delete_server"]);
		expect((await hetzner("GET", `/servers/${server.id}`)).body.error.code).toBe("not_found");
	});

	test("while an action runs it is locked: neither deleted nor rebooted", async () => {
		const { hetzner, create, clock } = world({ bootMs: 1000 });
		const id = await create("one");
		for (const [method, path] of [
			["DELETE", `/servers/${id}`],
			["POST", `/servers/${id}/actions/reboot`],
		] as const) {
			const answer = await hetzner(method, path);
			expect([answer.status, answer.body.error.code]).toEqual([423, "locked"]);
		}
		clock.advance(1000);
		expect((await hetzner("POST", `/servers/${id}/actions/reboot`)).status).toBe(201);
		expect((await hetzner("DELETE", `/servers/${id}`)).status).toBe(423);
		clock.advance(1000);
		expect((await hetzner("DELETE", `/servers/${id}`)).status).toBe(200);
	});

	test("one that is off cannot be rebooted, only reset or powered on", async () => {
		const { hetzner, create, clock } = world({ bootMs: 1000 });
		const id = await create("one");
		clock.advance(1000);
		await hetzner("POST", `/servers/${id}/actions/poweroff`);
		expect((await hetzner("GET", `/servers/${id}`)).body.server.status).toBe("off");
		expect((await hetzner("POST", `/servers/${id}/actions/reboot`)).status).toBe(422);
		expect((await hetzner("POST", `/servers/${id}/actions/reset`)).status).toBe(201);
		clock.advance(1000);
		expect((await hetzner("GET", `/servers/${id}`)).body.server.status).toBe("running");
	});

	test("its password, made because it has no key, is not in the journal", async () => {
		const { hetzner, call } = world();
		const { root_password: password } = (await hetzner("POST", "/servers", SERVER)).body;
		expect(password).toMatch(/^local/);
		expect((await call("GET", "/_local/journal")).text).not.toContain(password);
	});
});

describe("what clients send and read", () => {
	test("an image, a type and a location go by their numbers as well, as numbers or as texts", async () => {
		const { hetzner } = world();
		for (const [name, more] of Object.entries({
			a: { image: 161_547_269, server_type: 114, location: 2 },
			b: { image: "161547269", server_type: "114", location: "2" },
		})) {
			const { server } = (await hetzner("POST", "/servers", { ...SERVER, ...more, name })).body;
			expect(server).toMatchObject({ image: { name: "ubuntu-24.04" }, server_type: { name: "cx23" }, location: { name: "nbg1" } });
		}
	});

	test("actions are shown together by their numbers, those of others left out", async () => {
		const { hetzner } = world();
		const ids = [];
		for (const name of ["a", "b"]) ids.push((await hetzner("POST", "/servers", { ...SERVER, name })).body.action.id);
		const { body } = await hetzner("GET", `/actions?${ids.map((id) => `id=${id}`).join("&")}&id=1`);
		expect(body.actions.map(({ id }: { id: number }) => id)).toEqual(ids);
		expect(body.meta.pagination).toMatchObject({ total_entries: 2, next_page: null });
	});

	test("a server has a location and no data center any more", async () => {
		const { hetzner, create } = world();
		const id = await create("one");
		expect((await hetzner("GET", `/servers/${id}`)).body.server).not.toHaveProperty("datacenter");
	});

	test("a server has IPv6 unless it is switched off", async () => {
		const { hetzner, create } = world();
		const ids = [await create("with"), await create("without", { public_net: { enable_ipv4: true, enable_ipv6: false } })];
		const nets = [];
		for (const id of ids) nets.push((await hetzner("GET", `/servers/${id}`)).body.server.public_net.ipv6);
		expect(nets).toEqual([expect.objectContaining({ ip: expect.stringMatching(/^2001:db8:.+::\/64$/), dns_ptr: [] }), null]);
	});
});

describe("names", () => {
	test("are unique in a project, without regard to case, also among creates that come at once", async () => {
		const { hetzner } = world();
		const answers = await Promise.all(["one", "one", "ONE"].map((name) => hetzner("POST", "/servers", { ...SERVER, name })));
		expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
		expect(answers.find(({ status }) => status === 409)?.body.error.code).toBe("uniqueness_error");
	});
});

describe("lists", () => {
	test("pages follow each other by meta.pagination.next_page until it is null", async () => {
		const { hetzner, create } = world();
		const made = [];
		for (let each = 0; each < 7; each++) made.push(await create(`vm-${each}`));
		const seen: number[] = [];
		for (let page: number | null = 1; page !== null; ) {
			const { body }: Awaited<ReturnType<typeof hetzner>> = await hetzner("GET", `/servers?per_page=3&page=${page}`);
			expect(body.meta.pagination).toMatchObject({ page, per_page: 3, last_page: 3, total_entries: 7 });
			seen.push(...body.servers.map(({ id }: { id: number }) => id));
			page = body.meta.pagination.next_page;
		}
		expect(seen).toEqual(made);
		expect((await hetzner("GET", "/servers?per_page=51")).status).toBe(422);
	});

	test.each([
		["role", ["both", "web"]],
		["!role", ["none"]],
		["role=web", ["web"]],
		["role==web,env", []],
		["role=db,env=prod", ["both"]],
		["role!=web", ["both", "none"]],
	])("the label selector %s selects %o", async (selector, names) => {
		const { hetzner, create } = world();
		await create("web", { labels: { role: "web" } });
		await create("both", { labels: { role: "db", env: "prod" } });
		await create("none");
		const { body } = await hetzner("GET", `/servers?label_selector=${encodeURIComponent(selector)}`);
		expect(body.servers.map(({ name }: { name: string }) => name).sort()).toEqual(names);
	});

	test("a malformed selector is refused; a name is matched whole", async () => {
		const { hetzner, create } = world();
		await create("vm-1");
		await create("vm-10");
		expect((await hetzner("GET", "/servers?label_selector=a%20b")).status).toBe(422);
		expect((await hetzner("GET", "/servers?name=vm-1")).body.servers).toHaveLength(1);
	});
});

describe("requests that the real API refuses", () => {
	test.each([
		["no name", { name: undefined }, 422, "name is required"],
		["a name that is no host name", { name: "a_b" }, 422, "not a valid hostname"],
		["an unknown type", { server_type: "cx999" }, 404, "server type cx999 not found"],
		["a type that its location does not have", { location: "ash" }, 422, "unsupported location for server type"],
		["an unknown location", { location: "mars1" }, 422, "location mars1 not found"],
		["a data center, which is no field any more", { datacenter: "nbg1-dc3" }, 422, "unknown field datacenter"],
		["an unknown image", { image: "dos-6" }, 404, "image dos-6 not found"],
		["a bad label", { labels: { a: "b c" } }, 422, "labels has a value"],
		["an unknown firewall", { firewalls: [{ firewall: 7 }] }, 404, "firewall with ID '7' not found"],
		["too much user data", { user_data: "x".repeat(32_769) }, 422, "user_data must be 32 KiB or less"],
	])("a server with %s", async (_, change, status, sentence) => {
		const { hetzner } = world();
		const answer = await hetzner("POST", "/servers", { ...SERVER, ...change });
		expect(answer.status).toBe(status);
		expect(answer.body.error.message).toContain(sentence);
	});

	test("a server above the project's limit", async () => {
		const { hetzner, create } = world({ limit: 1 });
		await create("a");
		const answer = await hetzner("POST", "/servers", { ...SERVER, name: "b" });
		expect([answer.status, answer.body.error.code]).toEqual([403, "resource_limit_exceeded"]);
	});

	test("the quota is refilled steadily, and its reset is when it will be full", async () => {
		const { hetzner, clock } = world({ limits: { requestsPerHour: 3600 } });
		for (let each = 0; each < 3600; each++) await hetzner("GET", "/actions/1");
		const spent = await hetzner("GET", "/servers");
		expect([spent.status, spent.body.error.code, spent.headers.get("ratelimit-remaining")]).toEqual([429, "rate_limit_exceeded", "0"]);
		expect(Number(spent.headers.get("ratelimit-reset")) * 1000 - clock.now()).toBe(3_600_000);
		clock.advance(2000);
		const statuses = [];
		for (let each = 0; each < 3; each++) statuses.push((await hetzner("GET", "/servers")).status);
		expect(statuses).toEqual([200, 200, 429]);
	});
});

describe("firewalls", () => {
	const rule = { direction: "in", protocol: "tcp", port: "8899", source_ips: ["0.0.0.0/0", "::/0"] };

	test("one is made once, its rules are set anew, and it cannot go while a server has it", async () => {
		const { hetzner, create, clock } = world();
		const made = await hetzner("POST", "/firewalls", { name: "muster-a", rules: [rule] });
		expect(made.status).toBe(201);
		const { id } = made.body.firewall;
		expect((await hetzner("POST", "/firewalls", { name: "muster-a" })).body.error.code).toBe("uniqueness_error");
		expect(
			(await hetzner("POST", `/firewalls/${id}/actions/set_rules`, { rules: [{ ...rule, source_ips: ["192.0.2.0/24"] }] })).status,
		).toBe(201);
		expect((await hetzner("GET", "/firewalls?name=muster-a")).body.firewalls).toMatchObject([
			{ id, rules: [{ source_ips: ["192.0.2.0/24"] }] },
		]);
		const server = await create("one", { firewalls: [{ firewall: id }] });
		expect((await hetzner("GET", `/firewalls/${id}`)).body.firewall.applied_to).toEqual([{ type: "server", server: { id: server } }]);
		expect((await hetzner("DELETE", `/firewalls/${id}`)).body.error.code).toBe("resource_in_use");
		clock.advance(5000);
		await hetzner("DELETE", `/servers/${server}`);
		expect((await hetzner("DELETE", `/firewalls/${id}`)).status).toBe(204);
	});

	test.each([
		["an address that is none", { ...rule, source_ips: ["everywhere"] }],
		["an address without its length", { ...rule, source_ips: ["192.0.2.1"] }],
		["no address", { ...rule, source_ips: [] }],
		["no port", { ...rule, port: undefined }],
		["an unknown field", { ...rule, action: "accept" }],
	])("a rule with %s is refused", async (_, bad) => {
		const { hetzner } = world();
		expect((await hetzner("POST", "/firewalls", { name: "f", rules: [bad] })).status).toBe(422);
	});
});
