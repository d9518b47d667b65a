import { describe, expect, it } from "vitest";
import { vultr } from "../../../src/providers/vultr/driver.ts";
import type { VultrAccount } from "../../../src/providers/vultr/settings.ts";
import { ASK, answer, failureOf, scripted } from "./scripted.ts";

const TAGS = ["muster", "muster-deployment:dep1", "muster-pool:pool1", "muster-intent:intent0001"];
const instance = (more: object = {}) => ({
	id: "b3a1",
	label: ASK.name,
	main_ip: "0.0.0.0",
	status: "pending",
	power_status: "running",
	server_status: "none",
	tags: TAGS,
	...more,
});
const group = (id: string, more: object = {}) => ({ id, description: "muster-dep1", date_created: "2026-01-01T00:00:00+00:00", ...more });
const rule = (id: number, more: object = {}) => ({
	id,
	ip_type: "v4",
	protocol: "tcp",
	port: "8899",
	subnet: "0.0.0.0",
	subnet_size: 0,
	source: "",
	...more,
});
const EVERYWHERE = [rule(1), rule(2, { ip_type: "v6", subnet: "::" })];
const pageOf = (key: string, items: readonly unknown[], next = "") =>
	answer(200, { [key]: items, meta: { total: 9, links: { next, prev: "" } } });
const refuse = (status: number, error: string) => answer(status, { error, status });
const done = () => new Response(null, { status: 204 });

let accounts = 0;
/** A driver with an account of its own, hence its own memory of firewall groups. */
function world(script: Parameters<typeof scripted>[0], settings: Partial<Record<keyof VultrAccount, string>> = {}) {
	const account = vultr.schema.parse({ api_token: `token-${++accounts}`, ...settings });
	const cloud = scripted({
		"GET /v2/firewalls": () => pageOf("firewall_groups", [group("g1")]),
		"GET /v2/firewalls/g1/rules": () => pageOf("firewall_rules", EVERYWHERE),
		"POST /v2/instances": () => answer(202, { instance: instance() }),
		...script,
	});
	return { ...cloud, account, open: (more = {}) => vultr.create(account, cloud.context(more)) };
}

describe("settings", () => {
	it("have the documented defaults; the system is a number", () => {
		const defaults = { plan: "vc2-1c-1gb", region: "ewr", os_id: 2284, api_url: "https://api.vultr.com" };
		const account = vultr.schema.parse({ api_token: "t" });
		expect(account).toEqual({ api_token: "t", ...defaults });
		expect(vultr.shown(account)).toEqual({ ...defaults, size: "vc2-1c-1gb" });
		expect(vultr.schema.parse({ api_token: "t", os_id: "2136" }).os_id).toBe(2136);
		expect(vultr.schema.safeParse({ api_token: "t", os_id: "ubuntu" }).error?.issues[0]?.message).toContain("such as 2284");
	});
});

describe("create", () => {
	it("makes one small, tagged instance, whose address is not known yet", async () => {
		const { open, calls } = world({});
		expect(await open().create(ASK)).toEqual({ vm: "b3a1", name: ASK.name, state: "starting", address: null, tags: ASK.tags });
		expect(calls.map(({ line }) => line)).toEqual([
			"GET /v2/firewalls?per_page=500",
			"GET /v2/firewalls/g1/rules?per_page=500",
			"POST /v2/instances",
		]);
		expect(calls[2]?.body).toEqual({
			region: "ewr",
			plan: "vc2-1c-1gb",
			os_id: 2284,
			label: ASK.name,
			hostname: ASK.name,
			tags: TAGS,
			user_data: btoa(ASK.userData),
			firewall_group_id: "g1",
			enable_ipv6: false,
			backups: "disabled",
			activation_email: false,
		});
	});

	it.each([
		["quota", 400, "Server add failed: You have reached the maximum number of active virtual machines for this account."],
		["quota", 400, "Server add failed: You have reached the maximum monthly fee limit for this account."],
		["quota", 500, "Your account limit of 10 instances would be exceeded"],
		["capacity", 400, "Plan is not available in the selected region."],
		["capacity", 500, "The selected plan is currently sold out in this location"],
		["rate", 429, "Too many requests"],
		["rate", 503, "Rate limit reached - please try your request again later."],
		["auth", 401, "Invalid API token."],
		["auth", 403, "Forbidden"],
		["invalid", 400, "Invalid plan chosen."],
		["invalid", 404, "Not found"],
		["unknown", 500, "Internal server error"],
	])("fails as %s on %i %s", async (kind, status, sentence) => {
		const { open } = world({ "POST /v2/instances": () => refuse(status, sentence) });
		expect(await failureOf(open().create(ASK))).toEqual({ kind, message: `Vultr: ${sentence} (HTTP ${status})` });
	});

	it("says what to do when the key does not admit our address", async () => {
		const { open } = world({ "GET /v2/instances": () => refuse(401, "Unauthorized IP address: 203.0.113.9") });
		const failure = await failureOf(open().list());
		expect(failure.kind).toBe("auth");
		expect(failure.message).toContain("Unauthorized IP address: 203.0.113.9. Vultr admits calls with this key from listed addresses only");
		expect(failure.message).toContain("allow any IPv4 and any IPv6 address");
	});
});

describe("the firewall", () => {
	const RULES = "/v2/firewalls/g1/rules";
	const changes = (calls: ReturnType<typeof world>["calls"]) => calls.filter(({ method }) => method !== "GET").map(({ line }) => line);

	it("is made with one rule for each network, before the instance", async () => {
		let looks = 0;
		const { open, calls } = world({
			"GET /v2/firewalls": () => pageOf("firewall_groups", looks++ === 0 ? [] : [group("g1")]),
			"POST /v2/firewalls": () => answer(201, { firewall_group: group("g1") }),
			[`GET ${RULES}`]: () => pageOf("firewall_rules", []),
			[`POST ${RULES}`]: () => answer(201, { firewall_rule: {} }),
		});
		await open().create({ ...ASK, allow: ["192.0.2.1/32", "2001:db8::/32"] });
		expect(calls.find(({ line }) => line === "POST /v2/firewalls")?.body).toEqual({ description: "muster-dep1" });
		expect(calls.filter(({ line }) => line === `POST ${RULES}`).map(({ body }) => body)).toEqual([
			{ ip_type: "v4", protocol: "tcp", subnet: "192.0.2.1", subnet_size: 32, port: "8899" },
			{ ip_type: "v6", protocol: "tcp", subnet: "2001:db8::", subnet_size: 32, port: "8899" },
		]);
		expect(calls.at(-1)?.line).toBe("POST /v2/instances");
	});

	it("is the oldest of two that isolates made at once, and the other is removed", async () => {
		let looks = 0;
		const older = group("g1");
		const { open, calls } = world({
			"GET /v2/firewalls": () =>
				pageOf("firewall_groups", looks++ === 0 ? [] : [group("g2", { date_created: "2026-01-01T00:00:01+00:00" }), older]),
			"POST /v2/firewalls": () => answer(201, { firewall_group: group("g2", { date_created: "2026-01-01T00:00:01+00:00" }) }),
			"DELETE /v2/firewalls/g2": done,
		});
		await open().create(ASK);
		expect(changes(calls)).toEqual(["POST /v2/firewalls", "DELETE /v2/firewalls/g2", "POST /v2/instances"]);
		expect(calls.at(-1)?.body).toMatchObject({ firewall_group_id: "g1" });
	});

	it.each([
		["a further rule", [...EVERYWHERE, rule(7, { subnet: "10.0.0.0", subnet_size: 8 })], [`DELETE ${RULES}/7`]],
		["a rule twice", [...EVERYWHERE, rule(7)], [`DELETE ${RULES}/7`]],
		["another port", [rule(7, { port: "22" }), EVERYWHERE[1]], [`DELETE ${RULES}/7`, `POST ${RULES}`]],
		["a source that is no subnet", [rule(7, { source: "cloudflare" }), EVERYWHERE[1]], [`DELETE ${RULES}/7`, `POST ${RULES}`]],
		["a rule too few", [rule(1)], [`POST ${RULES}`]],
	])("is mended when it has %s", async (_, rules, expected) => {
		const { open, calls } = world({
			[`GET ${RULES}`]: () => pageOf("firewall_rules", rules),
			[`DELETE ${RULES}/7`]: done,
			[`POST ${RULES}`]: () => answer(201, { firewall_rule: {} }),
		});
		await open().create(ASK);
		expect(changes(calls)).toEqual([...expected, "POST /v2/instances"]);
	});

	it("is right however its rules are spelt, and though another isolate makes a rule meanwhile", async () => {
		const { open, calls } = world({
			[`GET ${RULES}`]: () => pageOf("firewall_rules", [rule(1, { protocol: "TCP" }), rule(2, { ip_type: "v6", subnet: "0::0" })]),
		});
		await open().create(ASK);
		expect(changes(calls)).toEqual(["POST /v2/instances"]);
		const other = world({
			[`GET ${RULES}`]: () => pageOf("firewall_rules", [rule(1)]),
			[`POST ${RULES}`]: () => refuse(400, "This firewall rule is already defined."),
		});
		await other.open().create(ASK);
		expect(changes(other.calls)).toEqual([`POST ${RULES}`, "POST /v2/instances"]);
	});

	it("that somebody removed is looked for again by the create after the one that failed for it", async () => {
		let isThere = true;
		const { open, calls } = world({
			"POST /v2/instances": () => (isThere ? answer(202, { instance: instance() }) : refuse(400, "Invalid firewall group.")),
		});
		await open().create(ASK);
		isThere = false;
		expect((await failureOf(open().create(ASK))).kind).toBe("invalid");
		isThere = true;
		await open().create(ASK);
		expect(calls.map(({ method }) => method).join(" ")).toBe("GET GET POST POST GET GET POST");
	});
});

describe("list, find, delete, restart", () => {
	it.each([
		["starting", "pending", "stopped", "none"],
		["starting", "active", "running", "installingbooting"],
		["starting", "active", "stopped", "none"],
		["running", "active", "running", "ok"],
		["running", "active", "running", "locked"],
		["running", "resizing", "running", "ok"],
		["off", "active", "stopped", "ok"],
		["off", "suspended", "running", "ok"],
	])("reads as %s an instance that is %s, %s and %s", async (state, status, power_status, server_status) => {
		const shown = instance({ status, power_status, server_status, main_ip: "192.0.2.7" });
		const { open } = world({ "GET /v2/instances": () => pageOf("instances", [shown]) });
		expect(await open().list()).toMatchObject([{ state, address: "192.0.2.7" }]);
	});

	it("lists by tag, follows the cursors, and ends where they go in circles", async () => {
		const { open, calls } = world({
			"GET /v2/instances": ({ url }) =>
				pageOf("instances", [instance({ id: url.searchParams.get("cursor") ?? "a" })], url.searchParams.has("cursor") ? "" : "n+xt=="),
		});
		expect((await open().list()).map(({ vm }) => vm)).toEqual(["a", "n+xt=="]);
		expect(calls.map(({ line }) => line)).toEqual([
			"GET /v2/instances?tag=muster&per_page=500",
			"GET /v2/instances?tag=muster&per_page=500&cursor=n%2Bxt%3D%3D",
		]);
		const circles = world({ "GET /v2/instances": () => pageOf("instances", [], "again") });
		expect((await failureOf(circles.open().list())).kind).toBe("transient");
		expect(circles.calls.length).toBe(2);
	});

	it("finds by label, the same of two each time", async () => {
		const twins = [
			instance({ id: "b" }),
			instance({ id: "a" }),
			instance({ id: "c", tags: [] }),
			instance({ id: "0", label: `${ASK.name}0` }),
		];
		const { open, calls } = world({ "GET /v2/instances": () => pageOf("instances", twins) });
		expect((await open().find({ vm: null, name: ASK.name, tags: ASK.tags }))?.vm).toBe("a");
		expect(calls[0]?.line).toBe(`GET /v2/instances?label=${ASK.name}&per_page=500`);
	});

	it("takes an instance that is being installed for busy, and one that is being destroyed for deleted", async () => {
		const locked = world({
			"DELETE /v2/instances/a": () => refuse(500, "Unable to destroy server: Unable to remove VM: Server is currently locked"),
		});
		expect((await failureOf(locked.open().delete("a"))).kind).toBe("conflict");
		const going = world({ "DELETE /v2/instances/a": () => refuse(500, "This server is already pending destruction.") });
		await going.open().delete("a");
		const lost = world({ "DELETE /v2/instances/a": () => refuse(500, "Internal server error") });
		expect((await failureOf(lost.open().delete("a"))).kind).toBe("unknown");
	});

	it("reboots in one step", async () => {
		const { open, calls } = world({ "POST /v2/instances/a/reboot": done });
		await open().restart("a", "off");
		await open().restart("a", "on");
		expect(calls.map(({ line }) => line)).toEqual(["POST /v2/instances/a/reboot"]);
	});
});
