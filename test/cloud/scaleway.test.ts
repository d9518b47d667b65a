import { describe, expect, test } from "vitest";
import { localCloud } from "./helpers.ts";

const PROJECT = "11111111-2222-4333-8444-555555555555";
const SERVER = {
	name: "a",
	commercial_type: "DEV1-S",
	image: "ubuntu_noble",
	project: PROJECT,
	tags: ["muster"],
	dynamic_ip_required: true,
};

function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { cloud, clock } = localCloud(options);
	const send = async (method: string, path: string, body?: unknown, token: string | null = "local-test", product = "instance") => {
		const isText = typeof body === "string";
		const headers = { ...(token === null ? {} : { "x-auth-token": token }), "content-type": isText ? "text/plain" : "application/json" };
		const url = `http://cloud.test/scaleway/${product}/v1/zones/fr-par-1${path}`;
		const request = new Request(url, { method, headers, ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }) });
		const answer = await cloud.fetch(request);
		const text = await answer.text();
		return { status: answer.status, headers: answer.headers, text, body: text.startsWith("{") ? JSON.parse(text) : null };
	};
	const create = async (name: string, more: object = {}) =>
		(await send("POST", "/servers", { ...SERVER, name, ...more })).body.server.id as string;
	const act = (id: string, action: string) => send("POST", `/servers/${id}/action`, { action });
	const state = async (id: string) => (await send("GET", `/servers/${id}`)).body?.server?.state as string | undefined;
	const up = async (name: string, more: object = {}) => {
		const id = await create(name, more);
		await act(id, "poweron");
		clock.advance(2000);
		return id;
	};
	return { cloud, clock, send, create, act, state, up };
}

describe("accounts", () => {
	test("a key that does not begin with local, or none, is refused in the real API's words", async () => {
		const { send } = world();
		for (const token of ["abc", null]) {
			const answer = await send("GET", "/servers", undefined, token);
			expect([answer.status, answer.body.type, answer.body.message]).toEqual([401, "denied_authentication", "authentication is denied"]);
		}
	});

	test("a UUID is a key, as the real ones are, where it is one of the local cloud's", async () => {
		const { send } = world();
		expect((await send("GET", "/servers", undefined, "10ca1abc-0000-4000-8000-000000000001")).status).toBe(200);
		expect((await send("GET", "/servers", undefined, "5ca1ab1e-0000-4000-8000-000000000001")).status).toBe(401);
	});

	test("JSON is called exactly application/json, answered or refused", async () => {
		const { send } = world();
		for (const answer of [await send("GET", "/servers"), await send("GET", "/security_groups"), await send("GET", "/servers/x")])
			expect(answer.headers.get("content-type")).toBe("application/json");
	});

	test("each key is an account of its own", async () => {
		const { send, create } = world({ limit: 1 });
		const id = await create("mine");
		expect((await send("GET", "/servers", undefined, "local-other")).body.servers).toEqual([]);
		expect((await send("DELETE", `/servers/${id}`, undefined, "local-other")).status).toBe(404);
	});
});

describe("the life of a server", () => {
	test("it is stopped when it is made, starts when it is told to, and runs with an address then", async () => {
		const { send, create, act, state, clock } = world();
		const id = await create("a");
		clock.advance(10_000);
		expect(await state(id)).toBe("stopped");
		const answer = await act(id, "poweron");
		expect([answer.status, answer.body.task.status]).toEqual([202, "pending"]);
		expect(await state(id)).toBe("starting");
		clock.advance(2000);
		const { server } = (await send("GET", `/servers/${id}`)).body;
		expect(server).toMatchObject({ state: "running", public_ips: [{ family: "inet", dynamic: true }] });
		expect((await act(id, "poweron")).body).toMatchObject({ type: "invalid_request_error", message: "server should be stopped" });
	});

	test("while it starts or stops it can neither be terminated nor deleted", async () => {
		const { send, create, act, state, clock } = world();
		const id = await create("a");
		await act(id, "poweron");
		for (const answer of [await act(id, "terminate"), await send("DELETE", `/servers/${id}`)]) {
			expect([answer.status, answer.body.type, answer.body.current_state]).toEqual([409, "transient_state", "starting"]);
		}
		clock.advance(2000);
		expect((await send("DELETE", `/servers/${id}`)).body.message).toContain("must be powered off");
		await act(id, "terminate");
		expect(await state(id)).toBe("stopping");
		expect((await act(id, "terminate")).body.type).toBe("transient_state");
		clock.advance(2000);
		expect(await state(id)).toBeUndefined();
	});

	test("its user data are text, which neither the journal nor the inventory shows in clear", async () => {
		const { cloud, send, create } = world();
		const id = await create("a");
		expect((await send("PATCH", `/servers/${id}/user_data/cloud-init`, { no: "text" })).status).toBe(400);
		expect((await send("PATCH", `/servers/${id}/user_data/cloud-init`, "#cloud-config ü\n")).status).toBe(204);
		expect(cloud.fleet.vms()[0]?.userData).toBe("#cloud-config ü\n");
		expect((await send("PATCH", `/servers/${id}/user_data/cloud-init`, "x".repeat(127_999))).status).toBe(400);
		expect(cloud.journal.text()).not.toContain("#cloud-config");
	});
});

describe("what a server leaves behind", () => {
	const volumes = async (send: ReturnType<typeof world>["send"]) => (await send("GET", `/volumes?project=${PROJECT}`)).body.volumes.length;
	const blocks = async (send: ReturnType<typeof world>["send"]) =>
		(await send("GET", `/volumes?project_id=${PROJECT}`, undefined, "local-test", "block")).body.volumes;

	test("terminated, nothing that is local; deleted, its local volume", async () => {
		const { send, create, act, up, clock } = world();
		await act(await up("a"), "terminate");
		clock.advance(2000);
		expect(await volumes(send)).toBe(0);
		const id = await create("b");
		expect((await send("DELETE", `/servers/${id}`)).status).toBe(204);
		expect(await volumes(send)).toBe(1);
	});

	test("in block storage its volume, which cannot go before it", async () => {
		const { send, act, up, clock } = world();
		const id = await up("a", { commercial_type: "PLAY2-PICO" });
		const [volume] = await blocks(send);
		expect((await send("DELETE", `/volumes/${volume.id}`, undefined, "local-test", "block")).body.type).toBe("precondition_failed");
		await act(id, "terminate");
		clock.advance(2000);
		expect(await blocks(send)).toMatchObject([{ id: volume.id, status: "available", references: [] }]);
		expect((await send("DELETE", `/volumes/${volume.id}`, undefined, "local-test", "block")).status).toBe(204);
		expect(await blocks(send)).toEqual([]);
	});

	test("addresses that were reserved, until they are released", async () => {
		const { send } = world();
		const { ip } = (await send("POST", "/ips", { project: PROJECT, type: "routed_ipv4" })).body;
		expect((await send("GET", `/ips?project=${PROJECT}`)).body.ips).toMatchObject([{ id: ip.id }]);
		expect((await send("DELETE", `/ips/${ip.id}`)).status).toBe(204);
	});
});

describe("lists", () => {
	test("are in pages, whose total is in a header; a name is matched in part, tags all", async () => {
		const { send, create } = world();
		for (let each = 0; each < 5; each++) await create(`vm-${each}`, { tags: each === 3 ? [] : ["muster", "x"] });
		const first = await send("GET", "/servers?tags=muster,x&per_page=3&page=1&order=creation_date_asc");
		expect([first.body.servers.map(({ name }: { name: string }) => name), first.headers.get("x-total-count")]).toEqual([
			["vm-0", "vm-1", "vm-2"],
			"4",
		]);
		expect((await send("GET", "/servers?tags=muster,x&per_page=3&page=2")).body.servers).toHaveLength(1);
		expect((await send("GET", "/servers?name=vm")).body.servers).toHaveLength(5);
		expect((await send("GET", "/servers?per_page=101")).status).toBe(400);
	});
});

describe("requests that the real API refuses", () => {
	test.each([
		["an unknown type", { commercial_type: "VC1S" }, "unknown commercial type VC1S"],
		["an image that its type's processor does not run", { image: "ubuntu_jammy", commercial_type: "COPARM1-2C-8G" }, "not found for arm64"],
		["more local storage than its type has", { volumes: { "0": { volume_type: "l_ssd", size: 40_960_000_000 } } }, "equal or below 20GB"],
		[
			"local storage on a type without",
			{ commercial_type: "PLAY2-PICO", volumes: { "0": { volume_type: "l_ssd" } } },
			"equal or below 0GB",
		],
		["a project that is no UUID", { project: "mine" }, "not a valid UUID"],
		["an unknown field", { user_data: "x" }, "unknown field user_data"],
	])("a server with %s", async (_, change, sentence) => {
		const { send } = world();
		const answer = await send("POST", "/servers", { ...SERVER, ...change });
		expect([answer.status, answer.body.type]).toEqual([400, "invalid_arguments"]);
		expect(answer.body.details[0].help_message).toContain(sentence);
	});

	test("a server above the quota", async () => {
		const { send, create } = world({ limit: 1 });
		await create("a");
		const answer = await send("POST", "/servers", SERVER);
		expect([answer.status, answer.body.type, answer.body.details[0].quota]).toEqual([403, "quotas_exceeded", 1]);
	});

	test("calls above an account's limit", async () => {
		const { send } = world({ limits: { requestsPerHour: 2 } });
		const statuses = [];
		for (let each = 0; each < 3; each++) statuses.push((await send("GET", "/servers")).status);
		expect(statuses).toEqual([200, 200, 429]);
	});
});

test("security groups: rules are set as a whole, those of the cloud itself stay, and one in use cannot go", async () => {
	const { send, create, act, clock } = world();
	const made = await send("POST", "/security_groups", { name: "muster-a", project: PROJECT, inbound_default_policy: "drop" });
	const { id } = made.body.security_group;
	const rule = { protocol: "TCP", direction: "inbound", action: "accept", ip_range: "192.0.2.0/24", dest_port_from: 8899 };
	expect((await send("PUT", `/security_groups/${id}/rules`, { rules: [rule] })).status).toBe(200);
	const { rules } = (await send("GET", `/security_groups/${id}/rules`)).body;
	expect(rules.map(({ editable, ip_range }: { editable: boolean; ip_range: string }) => [editable, ip_range])).toEqual([
		[false, "0.0.0.0/0"],
		[false, "0.0.0.0/0"],
		[false, "0.0.0.0/0"],
		[true, "192.0.2.0/24"],
	]);
	expect((await send("POST", `/security_groups/${id}/rules`, { ...rule, ip_range: "everywhere" })).status).toBe(400);
	const server = await create("a", { security_group: id });
	expect((await send("DELETE", `/security_groups/${id}`)).body.message).toBe("Group is in use. You cannot delete it.");
	await act(server, "poweron");
	clock.advance(2000);
	await act(server, "terminate");
	clock.advance(2000);
	expect((await send("DELETE", `/security_groups/${id}`)).status).toBe(204);
});
