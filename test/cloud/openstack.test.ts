import { describe, expect, test } from "vitest";
import { localCloud } from "./helpers.ts";
import { FLAVORS, IMAGES, NETWORKS } from "./openstack-catalogue.ts";

const AT = "/RegionOne/compute/v2.1";
const idOf = (name: string) => NETWORKS.find((network) => network.name === name)?.id ?? "";
const SERVER = { name: "a", flavorRef: FLAVORS[0].id, imageRef: IMAGES[0].id, networks: [{ uuid: idOf("Ext-Net") }] };
const CREDENTIAL = { id: "local-test", secret: "local-test-secret" };

async function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { cloud, ...rest } = localCloud(options);
	const send = async (method: string, path: string, body: unknown, headers: Record<string, string>) => {
		const request = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
		const answer = await cloud.fetch(new Request(`http://cloud.test/openstack${path}`, request));
		const text = await answer.text();
		return { status: answer.status, headers: answer.headers, body: text === "" ? null : JSON.parse(text) };
	};
	const signIn = (identity: object, more: object = {}) => send("POST", "/v3/auth/tokens", { auth: { identity, ...more } }, {});
	const signed = await signIn({ methods: ["application_credential"], application_credential: CREDENTIAL });
	const token = signed.headers.get("x-subject-token") ?? "";
	const call = (method: string, path: string, body?: unknown, version = "2.52") =>
		send(method, path, body, { "x-auth-token": token, "openstack-api-version": `compute ${version}` });
	const create = (name: string, more: object = {}, version?: string) =>
		call("POST", `${AT}/servers`, { server: { ...SERVER, name, ...more } }, version);
	return { ...rest, cloud, send, signIn, signed, call, create };
}

describe("identity", () => {
	test("a token comes in a header, with a catalogue of every region", async () => {
		const { signed } = await world();
		expect(signed.status).toBe(201);
		const { token } = signed.body;
		expect(Date.parse(token.expires_at)).toBe(Date.UTC(2026, 0, 1, 1));
		const compute = token.catalog.find(({ type }: { type: string }) => type === "compute").endpoints;
		expect(compute).toContainEqual(
			expect.objectContaining({ interface: "public", region_id: "RegionTwo", url: "http://cloud.test/openstack/RegionTwo/compute/v2.1" }),
		);
	});

	test.each([
		["a secret that is not known", { methods: ["application_credential"], application_credential: { ...CREDENTIAL, secret: "x" } }, {}],
		[
			"an application credential with a scope",
			{ methods: ["application_credential"], application_credential: CREDENTIAL },
			{ scope: { project: { id: "x" } } },
		],
		[
			"a password without a scope",
			{ methods: ["password"], password: { user: { name: "local", domain: { name: "Default" }, password: "local" } } },
			{},
		],
		[
			"a user of another domain",
			{ methods: ["password"], password: { user: { name: "local", domain: { name: "x" }, password: "local" } } },
			{ scope: { project: { id: "x" } } },
		],
	])("refuses %s", async (_, identity, more) => {
		const { signIn } = await world();
		expect(await signIn(identity, more)).toMatchObject({ status: 401, body: { error: { code: 401, title: "Unauthorized" } } });
	});

	test("a token is refused once it is over, by every service", async () => {
		const { call, clock } = await world();
		clock.advance(3_600_001);
		for (const path of [`${AT}/servers`, "/RegionOne/network/v2.0/networks", "/RegionOne/image/v2/images"])
			expect((await call("GET", path)).status).toBe(401);
	});
});

describe("microversions", () => {
	test("without one Nova knows no tags, and one that it does not have is refused", async () => {
		const { call, create, send, signed } = await world();
		expect((await create("a", { tags: ["muster"] }, "2.51")).body.badRequest.message).toContain("'tags' was unexpected");
		const { id } = (await create("a", { tags: ["muster"] })).body.server;
		const plain = await send("GET", `${AT}/servers/${id}`, undefined, { "x-auth-token": signed.headers.get("x-subject-token") ?? "" });
		expect(plain.body.server).not.toHaveProperty("tags");
		expect((await call("GET", `${AT}/servers/${id}`, undefined, "2.96")).status).toBe(406);
		expect((await call("GET", `${AT}/`)).body.version).toMatchObject({ min_version: "2.1", version: "2.95" });
	});

	test("a misspelt filter lists everything, and from 2.75 on is refused", async () => {
		const { call, create } = await world();
		await create("a");
		expect((await call("GET", `${AT}/servers?tag=muster`)).body.servers).toHaveLength(1);
		expect((await call("GET", `${AT}/servers?tag=muster`, undefined, "2.75")).status).toBe(400);
	});
});

describe("servers", () => {
	test("are accepted without an address, and have one of each kind once they run", async () => {
		const { call, create, clock } = await world({ bootMs: 1000 });
		const { status, body } = await create("a");
		expect([status, Object.keys(body.server).sort()]).toEqual([202, ["OS-DCF:diskConfig", "adminPass", "id", "links", "security_groups"]]);
		const show = async () => (await call("GET", `${AT}/servers/${body.server.id}`)).body.server;
		expect(await show()).toMatchObject({ status: "BUILD", addresses: {}, "OS-EXT-STS:task_state": "spawning" });
		clock.advance(1000);
		expect(await show()).toMatchObject({ status: "ACTIVE", addresses: { "Ext-Net": [{ version: 6 }, { version: 4 }] } });
	});

	test("for which there is no host become ERROR, stay, and are deleted", async () => {
		const { call, cloud, create, clock } = await world({ bootMs: 1000 });
		cloud.faults.add({ provider: "openstack", operation: "create", region: "RegionOne", kind: "capacity" });
		const { id } = (await create("a")).body.server;
		const show = async () => (await call("GET", `${AT}/servers/${id}`)).body.server;
		expect((await show())["OS-EXT-STS:task_state"]).toBe("scheduling");
		clock.advance(1000);
		expect(await show()).toMatchObject({ status: "ERROR", fault: { code: 500, message: expect.stringContaining("No valid host") } });
		expect((await call("DELETE", `${AT}/servers/${id}`)).status).toBe(204);
		expect((await call("GET", `${AT}/servers/${id}`)).status).toBe(404);
	});

	test("are found by a regular expression, page by page", async () => {
		const { call, create } = await world();
		for (const name of ["muster-a", "muster-b", "xmuster-a"]) await create(name);
		const names = async (query: string) =>
			(await call("GET", `${AT}/servers?${query}`)).body.servers.map(({ name }: { name: string }) => name);
		expect(await names("name=muster-a")).toEqual(["muster-a", "xmuster-a"]);
		expect(await names("name=%5Emuster-a%24")).toEqual(["muster-a"]);
		const first = await call("GET", `${AT}/servers?limit=2`);
		expect(first.body.servers_links[0].rel).toBe("next");
		expect(await names(`limit=2&marker=${first.body.servers[1].id}`)).toEqual(["xmuster-a"]);
	});

	test("are rebooted soft only while they run", async () => {
		const { call, create, clock } = await world({ bootMs: 1000 });
		const { id } = (await create("a")).body.server;
		const act = async (action: object) => (await call("POST", `${AT}/servers/${id}/action`, action)).status;
		expect(await act({ reboot: { type: "HARD" } })).toBe(409);
		clock.advance(1000);
		expect([await act({ "os-stop": null }), await act({ reboot: { type: "SOFT" } }), await act({ reboot: { type: "HARD" } })]).toEqual([
			202, 409, 202,
		]);
	});

	test.each([
		["no networks", { networks: undefined }, 400, "'networks' is a required property"],
		["a name for a flavor", { flavorRef: "m1.tiny" }, 400, "Invalid flavorRef"],
		["a name for an image", { imageRef: "Debian 12" }, 400, "Invalid imageRef"],
		["a flavor without a disk", { flavorRef: "3" }, 403, "Only volume-backed servers"],
		["a network that servers may not join", { networks: [{ uuid: idOf("public") }] }, 403, "external network"],
		["an unknown group", { security_groups: [{ name: "none" }] }, 400, "Security group none not found"],
		["user data that are too long", { user_data: "A".repeat(65_536) }, 400, "is too long"],
		["a tag with a comma", { tags: ["a,b"] }, 400, "comma"],
		["an unknown field", { image: "x" }, 400, "unknown field image"],
	])("are refused with %s", async (_, change, status, sentence) => {
		const { create } = await world();
		const { status: is, body } = await create("a", change);
		expect([is, Object.values(body)[0]]).toEqual([status, { code: status, message: expect.stringContaining(sentence) }]);
	});

	test("are refused above the account's limit, and calls above their rate", async () => {
		const { create } = await world({ limit: 1 });
		await create("a");
		expect((await create("b")).body.forbidden.message).toContain("Quota exceeded for instances");
		const { call, clock } = await world({ limits: { requestsPerHour: 3 } });
		const statuses = [];
		for (let each = 0; each < 3; each++) statuses.push((await call("GET", `${AT}/servers`)).status);
		expect(statuses).toEqual([200, 200, 429]);
		clock.advance(3_600_001);
	});
});

describe("the network", () => {
	const NETWORK = "/RegionOne/network/v2.0";

	test("a port has one floating IP at the most, which outlives its server", async () => {
		const { call, create } = await world();
		const { id } = (await create("a", { networks: [{ uuid: idOf("private") }] })).body.server;
		const [port] = (await call("GET", `${NETWORK}/ports?device_id=${id}`)).body.ports;
		const wanted = { floatingip: { floating_network_id: idOf("public"), port_id: port.id, description: "a" } };
		const made = await call("POST", `${NETWORK}/floatingips`, wanted);
		expect(made.status).toBe(201);
		expect((await call("POST", `${NETWORK}/floatingips`, wanted)).body.NeutronError.type).toBe("FloatingIPPortAlreadyAssociated");
		await call("DELETE", `${AT}/servers/${id}`);
		const [left] = (await call("GET", `${NETWORK}/floatingips`)).body.floatingips;
		expect(left).toMatchObject({ id: made.body.floatingip.id, port_id: null, status: "DOWN" });
		expect((await call("DELETE", `${NETWORK}/floatingips/${left.id}`)).status).toBe(204);
	});

	test("security groups let everything out and nothing in; names and rules: two of a name, none twice", async () => {
		const { call } = await world();
		const group = async () => (await call("POST", `${NETWORK}/security-groups`, { security_group: { name: "g" } })).body.security_group;
		const { id, security_group_rules } = await group();
		expect(security_group_rules.map(({ direction }: { direction: string }) => direction)).toEqual(["egress", "egress"]);
		expect((await group()).id).not.toBe(id);
		const rule = { security_group_id: id, direction: "ingress", protocol: "tcp", port_range_min: 8899, port_range_max: 8899 };
		const add = async (more: object) =>
			(await call("POST", `${NETWORK}/security-group-rules`, { security_group_rule: { ...rule, ...more } })).status;
		expect([await add({}), await add({}), await add({ remote_ip_prefix: "::/0" })]).toEqual([201, 409, 400]);
	});
});
