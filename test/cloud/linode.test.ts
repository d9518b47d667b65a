import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { localCloud } from "./helpers.ts";

const LINODE = { region: "us-ord", type: "g6-nanode-1", image: "linode/ubuntu24.04", root_pass: "Correct-Horse-9-Battery" };

function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { call, cloud, ...rest } = localCloud(options);
	const linode = (method: string, path: string, body?: unknown, token?: string | null) => call(method, `/linode/v4${path}`, body, token);
	const filtered = async (path: string, filter: string) => {
		const headers = { authorization: "Bearer local-test", "x-filter": filter };
		const answer = await cloud.fetch(new Request(`http://cloud.test/linode/v4${path}`, { headers }));
		return { status: answer.status, body: await answer.json() } as {
			status: number;
			body: { data: { label: string }[]; errors: object[] };
		};
	};
	const create = async (label: string, more: object = {}) =>
		(await linode("POST", "/linode/instances", { ...LINODE, label, ...more })).body.id as number;
	return { ...rest, call, cloud, linode, filtered, create };
}

describe("accounts", () => {
	test("a token that does not begin with local, or none, is refused in the real API's form", async () => {
		const { linode } = world();
		for (const token of ["abc", null]) {
			const { status, body } = await linode("GET", "/linode/instances", undefined, token);
			expect([status, body]).toEqual([401, { errors: [{ reason: "Invalid Token" }] }]);
		}
	});

	test("types and regions are shown to everyone", async () => {
		const { linode } = world();
		for (const path of ["/linode/types", "/linode/types/g6-nanode-1", "/regions", "/regions/us-ord"])
			expect((await linode("GET", path, undefined, null)).status).toBe(200);
	});
});

describe("the life of a Linode", () => {
	test("it has its address at once, and is deleted while it is provisioned", async () => {
		const { linode, clock } = world({ bootMs: 1000 });
		const { status, body } = await linode("POST", "/linode/instances", { ...LINODE, label: "one", tags: ["muster"] });
		expect([status, body]).toMatchObject([200, { label: "one", status: "provisioning", tags: ["muster"], ipv4: [expect.any(String)] }]);
		expect((await linode("DELETE", `/linode/instances/${body.id}`)).body).toEqual({});
		clock.advance(1000);
		expect((await linode("GET", `/linode/instances/${body.id}`)).body.errors).toEqual([{ reason: "Not found" }]);
	});

	test("it does one job after another, and cannot be rebooted when it is off", async () => {
		const { linode, create, clock } = world({ bootMs: 1000 });
		const id = await create("one");
		const act = async (what: string) => {
			const { status, body } = await linode("POST", `/linode/instances/${id}/${what}`);
			return status === 200 ? "done" : body.errors[0].reason;
		};
		expect(await act("reboot")).toBe("Linode busy.");
		clock.advance(1000);
		expect([await act("reboot"), await act("reboot")]).toEqual(["done", "Linode busy."]);
		clock.advance(1000);
		expect([await act("shutdown"), await act("reboot"), await act("boot")]).toEqual(["done", "Linode is not running", "done"]);
	});

	test("it boots from user data that were sent plain or gzipped", async () => {
		const { cloud, create } = world();
		await create("plain", { metadata: { user_data: btoa("#cloud-config\n") } });
		await create("packed", { metadata: { user_data: gzipSync("#cloud-config\n").toString("base64") } });
		expect(cloud.fleet.vms().map(({ userData }) => userData)).toEqual(["#cloud-config\n", "#cloud-config\n"]);
	});
});

describe("lists", () => {
	test("are narrowed by X-Filter to what has these fields, and refuse others", async () => {
		const { filtered, create } = world();
		await create("one", { tags: ["blue", "red"] });
		await create("two", { tags: ["red"] });
		const labels = async (filter: object) =>
			(await filtered("/linode/instances", JSON.stringify(filter))).body.data.map(({ label }) => label);
		expect(await labels({ tags: "red" })).toEqual(["one", "two"]);
		expect(await labels({ tags: "red", label: "two" })).toEqual(["two"]);
		expect(await labels({ label: { "+contains": "O" } })).toEqual(["one", "two"]);
		expect((await filtered("/linode/instances", '{"nonsense":1}')).body.errors).toEqual([{ reason: "Cannot filter on nonsense" }]);
		expect((await filtered("/linode/instances", "[")).status).toBe(400);
	});

	test("come in pages, of which there is none beyond the last", async () => {
		const { linode, create } = world();
		for (let each = 0; each < 26; each++) await create(`linode-${each}`);
		const second = await linode("GET", "/linode/instances?page=2&page_size=25");
		expect(second.body).toMatchObject({ page: 2, pages: 2, results: 26, data: [{ label: "linode-25" }] });
		expect((await linode("GET", "/linode/instances?page=3&page_size=25")).status).toBe(404);
		expect((await linode("GET", "/linode/instances?page_size=24")).status).toBe(400);
	});
});

describe("requests that the real API refuses", () => {
	test.each([
		["an unknown region", { region: "mars" }, "region is not valid"],
		["an unknown type", { type: "g9" }, "A valid plan type by that ID was not found"],
		["an unknown image", { image: "linode/none" }, "image is not valid"],
		["neither a password nor keys", { root_pass: undefined }, "Must provide valid root_pass"],
		["a password of letters alone", { root_pass: "onlylettershere" }, "Password does not meet strength requirement"],
		["a label with two dashes", { label: "a--b" }, "label must begin with a letter"],
		["a tag of two characters", { tags: ["ab"] }, "Length must be 3-50 characters"],
		["user data where the region has no metadata", { region: "us-old", metadata: { user_data: btoa("#!") } }, "Metadata is not available"],
		["user data for an image without cloud-init", { image: "linode/slackware15.0", metadata: { user_data: btoa("#!") } }, "cloud-init"],
		["user data that are too long", { metadata: { user_data: btoa("x".repeat(16_385)) } }, "too long"],
		["user data that are not base64", { metadata: { user_data: "#cloud-config" } }, "must be base64-encoded"],
		["a firewall that does not exist", { firewall_id: 7 }, "Firewall does not exist"],
		[
			"a firewall beside Linode interfaces",
			{ interface_generation: "linode", firewall_id: -1, interfaces: [] },
			"firewall_id must be given",
		],
		["a Linode interface without a firewall", { interface_generation: "linode", interfaces: [{}] }, "No default firewall"],
		["an unknown field", { labels: "a" }, "unknown field labels"],
	])("a Linode with %s", async (_, change, sentence) => {
		const { linode } = world();
		const { status, body } = await linode("POST", "/linode/instances", { ...LINODE, ...change });
		expect([status, body.errors[0].reason]).toEqual([400, expect.stringContaining(sentence)]);
	});

	test("a second Linode of a label, and one above the account's limit", async () => {
		const { linode, create } = world({ limit: 1 });
		await create("one");
		const refusal = async (label: string) => (await linode("POST", "/linode/instances", { ...LINODE, label })).body.errors[0];
		expect(await refusal("one")).toEqual({ reason: "Label must be unique", field: "label" });
		expect(await refusal("two")).toEqual({ reason: "Account Limit reached. Please open a support ticket." });
	});

	test("calls above an account's limit, and say until when", async () => {
		const { linode, clock } = world({ limits: { requestsPerHour: 2 } });
		const answers = [];
		for (let each = 0; each < 3; each++) answers.push(await linode("GET", "/linode/instances"));
		expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
		expect(answers[1]?.headers.get("x-ratelimit-remaining")).toBe("0");
		expect(answers[2]?.headers.get("retry-after")).toBe("3600");
		clock.advance(3_600_001);
		expect((await linode("GET", "/linode/instances")).status).toBe(200);
	});
});

describe("firewalls", () => {
	const addresses = { ipv4: ["0.0.0.0/0"] };
	const rule = { action: "ACCEPT", protocol: "TCP", ports: "8899", addresses };
	const rules = (...inbound: object[]) => ({ inbound, inbound_policy: "DROP", outbound_policy: "ACCEPT" });

	test("are made, changed, disabled and deleted; their labels are unique, and they show the Linodes behind them", async () => {
		const { linode, create } = world();
		const path = "/networking/firewalls";
		const made = await linode("POST", path, { label: "muster-a", rules: rules(rule) });
		expect(made.body).toMatchObject({ label: "muster-a", status: "enabled", rules: { inbound: [rule], outbound: [] } });
		expect((await linode("POST", path, { label: "muster-a", rules: rules() })).body.errors[0].reason).toBe("Label must be unique");
		const one = `${path}/${made.body.id}`;
		await create("behind", { firewall_id: made.body.id });
		expect((await linode("GET", `${one}/devices`)).body.data).toMatchObject([{ entity: { label: "behind", type: "linode" } }]);
		expect((await linode("PUT", `${one}/rules`, rules())).body).toMatchObject({ inbound: [], inbound_policy: "DROP" });
		expect((await linode("PUT", one, { status: "disabled" })).body.status).toBe("disabled");
		expect((await linode("DELETE", one)).status).toBe(200);
		expect((await linode("GET", one)).status).toBe(404);
	});

	test.each([
		["no networks", { ...rule, addresses: {} }],
		["a list without networks", { ...rule, addresses: { ipv4: [] } }],
		["a network that is none", { ...rule, addresses: { ipv4: ["1.2.3.4/99"] } }],
		["a port that is none", { ...rule, ports: "all" }],
		["an unknown action", { ...rule, action: "accept" }],
	])("refuse a rule with %s", async (_, bad) => {
		const { linode } = world();
		expect((await linode("POST", "/networking/firewalls", { label: "muster-a", rules: rules(bad) })).status).toBe(400);
	});

	test("have 25 rules at the most", async () => {
		const { linode } = world();
		const wanted = rules(...Array.from({ length: 26 }, () => rule));
		expect((await linode("POST", "/networking/firewalls", { label: "muster-a", rules: wanted })).status).toBe(400);
	});
});
