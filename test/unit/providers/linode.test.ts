import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { linode } from "../../../src/providers/linode/driver.ts";
import type { LinodeAccount } from "../../../src/providers/linode/settings.ts";
import { ASK, answer, failureOf, scripted } from "./scripted.ts";

const TAGS = ["muster", "muster-deployment:dep1", "muster-pool:pool1", "muster-intent:intent0001"];
const one = (more: object = {}) => ({ id: 7, label: ASK.name, status: "provisioning", ipv4: ["192.0.2.7"], tags: TAGS, ...more });
const pageOf = (data: readonly unknown[], page = 1, pages = 1) => answer(200, { data, page, pages, results: data.length });
const rule = (addresses: object, more: object = {}) => ({ action: "ACCEPT", protocol: "TCP", ports: "8899", addresses, ...more });
const rules = (...inbound: object[]) => ({ inbound, inbound_policy: "DROP", outbound: [], outbound_policy: "ACCEPT" });
const OPEN = rules(rule({ ipv4: ["0.0.0.0/0"], ipv6: ["::/0"] }));
const firewall = (more: object = {}) => ({ id: 5, label: "muster-dep1", status: "enabled", rules: OPEN, ...more });
const refuse = (status: number, reason: string, field?: string) => answer(status, { errors: [{ reason, field }] });
const done = () => answer(200, {});

const bodyOf = (call: { readonly body: unknown } | undefined) => call?.body ?? {};

let accounts = 0;
/** A driver with an account of its own, hence its own memory of firewalls. */
function world(script: Parameters<typeof scripted>[0], settings: Partial<Record<keyof LinodeAccount, string>> = {}) {
	const account = linode.schema.parse({ access_token: `token-${++accounts}`, ...settings });
	const cloud = scripted({
		"GET /v4/networking/firewalls": () => pageOf([firewall()]),
		"POST /v4/linode/instances": () => answer(200, one()),
		...script,
	});
	return { ...cloud, account, open: (more = {}) => linode.create(account, cloud.context(more)) };
}

describe("settings", () => {
	it("have the documented defaults", () => {
		const defaults = {
			size: "g6-nanode-1",
			region: "us-ord",
			image: "linode/ubuntu24.04",
			interface_generation: "legacy_config",
			api_url: "https://api.linode.com",
		};
		expect(linode.schema.parse({ access_token: "t" })).toEqual({ access_token: "t", ...defaults });
		expect(linode.shown(linode.schema.parse({ access_token: "t" }))).toEqual(defaults);
		expect(linode.schema.safeParse({ access_token: "t", image: "ubuntu" }).error?.issues[0]?.message).toContain("linode/ubuntu24.04");
	});
});

describe("create", () => {
	it("makes one small, tagged Linode behind the firewall, with user data gzipped and a password that nobody keeps", async () => {
		const { open, calls } = world({});
		expect(await open().create(ASK)).toEqual({ vm: "7", name: ASK.name, state: "starting", address: "192.0.2.7", tags: ASK.tags });
		expect(calls.map(({ line }) => line)).toEqual(["GET /v4/networking/firewalls?page=1&page_size=500", "POST /v4/linode/instances"]);
		expect(calls[0]?.headers.get("x-filter")).toBe('{"label":"muster-dep1"}');
		const { metadata, root_pass, ...rest } = bodyOf(calls[1]) as { metadata: { user_data: string }; root_pass: string };
		expect(gunzipSync(Buffer.from(metadata.user_data, "base64")).toString()).toBe(ASK.userData);
		expect(root_pass).toMatch(/^Aa1-[\w-]{64}$/);
		expect(rest).toEqual({
			region: "us-ord",
			type: "g6-nanode-1",
			image: "linode/ubuntu24.04",
			label: ASK.name,
			tags: TAGS,
			private_ip: false,
			backups_enabled: false,
			booted: true,
			interface_generation: "legacy_config",
			firewall_id: 5,
		});
	});

	it("names the firewall at the interface where the account has Linode interfaces", async () => {
		const { open, calls } = world({}, { interface_generation: "linode" });
		await open().create(ASK);
		const { firewall_id, interfaces } = bodyOf(calls[1]) as { firewall_id?: number; interfaces: object[] };
		const ipv4 = { addresses: [{ address: "auto", primary: true }] };
		expect([firewall_id, interfaces]).toEqual([undefined, [{ public: { ipv4 }, default_route: { ipv4: true }, firewall_id: 5 }]]);
	});

	it.each([
		[403, "The Linode plan you chose is not currently available in the selected region. …", "capacity"],
		[403, "Unauthorized", "auth"],
		[400, "Account Limit reached. Please open a support ticket.", "quota"],
		[400, "Label must be unique", "conflict"],
		[400, "region is not valid", "invalid"],
		[408, "Please try again", "unknown"],
		[429, "Too many requests", "rate"],
		[502, "Bad Gateway", "unknown"],
	])("%s %s is %s", async (status, reason, kind) => {
		const { open } = world({ "POST /v4/linode/instances": () => refuse(status, reason) });
		expect(await failureOf(open().create(ASK))).toMatchObject({ kind, message: expect.stringContaining(reason) });
	});

	it("looks for the firewall anew after the create said that something is not there", async () => {
		let calls = 0;
		const script = { "POST /v4/linode/instances": () => (calls++ === 0 ? refuse(400, "Firewall does not exist") : answer(200, one())) };
		const { open, calls: made } = world(script);
		await failureOf(open().create(ASK));
		await open().create(ASK);
		expect(made.filter(({ method }) => method === "GET")).toHaveLength(2);
	});

	it("believes no moment in the past that a negative Retry-After would be", async () => {
		const { open } = world({
			"POST /v4/linode/instances": () => answer(429, { errors: [{ reason: "x" }] }, { "retry-after": "-1509450059" }),
		});
		const { retryAt = null } = (await failureOf(open().create(ASK))) as { retryAt?: number };
		expect(retryAt).toBeNull();
	});
});

describe("the firewall", () => {
	it("is mended by its rules, and switched on again", async () => {
		const found = firewall({ status: "disabled", rules: rules(rule({ ipv4: ["198.51.100.0/24"] })) });
		const { open, calls } = world({
			"GET /v4/networking/firewalls": () => pageOf([found]),
			"PUT /v4/networking/firewalls/5/rules": done,
			"PUT /v4/networking/firewalls/5": done,
		});
		await open().protect(ASK);
		expect(calls.slice(1).map(({ line, body }) => [line, body])).toEqual([
			["PUT /v4/networking/firewalls/5/rules", OPEN],
			["PUT /v4/networking/firewalls/5", { status: "enabled" }],
		]);
	});

	it("is left alone when its rules say the same in other words", async () => {
		const split = rules(rule({ ipv6: ["::/0"] }), rule({ ipv4: ["0.0.0.0/0"] }));
		const { open, calls } = world({ "GET /v4/networking/firewalls": () => pageOf([firewall({ rules: split })]) });
		await open().protect(ASK);
		expect(calls).toHaveLength(1);
	});

	it.each([
		["lets nothing out", { ...OPEN, outbound_policy: "DROP" }],
		["lets everything in", { ...OPEN, inbound_policy: "ACCEPT" }],
		["goes by a set of rules kept elsewhere", rules(...OPEN.inbound, { ruleset: 4 })],
	])("that %s is mended", async (_, found) => {
		const script = {
			"GET /v4/networking/firewalls": () => pageOf([firewall({ rules: found })]),
			"PUT /v4/networking/firewalls/5/rules": done,
		};
		const { open, calls } = world(script);
		await open().protect(ASK);
		expect(calls).toHaveLength(2);
	});

	it("spreads networks over rules of 255, and names no list without any", async () => {
		const allow = Array.from({ length: 300 }, (_, n) => `10.0.${n >> 8}.${n & 255}/32`);
		const script = { "GET /v4/networking/firewalls": () => pageOf([]), "POST /v4/networking/firewalls": () => answer(200, firewall()) };
		const { open, calls } = world(script);
		await open().protect({ ...ASK, allow });
		const { inbound } = (bodyOf(calls[1]) as { rules: { inbound: { addresses: { ipv4: string[]; ipv6?: string[] } }[] } }).rules;
		expect(inbound.map(({ addresses }) => [addresses.ipv4.length, addresses.ipv6])).toEqual([
			[255, undefined],
			[45, undefined],
		]);
	});
});

describe("what exists", () => {
	it("is listed by tag, page by page, with states and public addresses", async () => {
		const { open, calls } = world({
			"GET /v4/linode/instances?page=1&page_size=500": () =>
				pageOf([one({ status: "running", ipv4: ["192.168.131.4", "192.0.2.7"] })], 1, 2),
			"GET /v4/linode/instances?page=2&page_size=500": () => pageOf([one({ id: 8, status: "offline", ipv4: ["192.168.200.4"] })], 2, 2),
		});
		expect((await open().list()).map(({ vm, state, address }) => [vm, state, address])).toEqual([
			["7", "running", "192.0.2.7"],
			["8", "off", null],
		]);
		expect(calls.map(({ headers }) => headers.get("x-filter"))).toEqual(['{"tags":"muster"}', '{"tags":"muster"}']);
	});

	it.each([
		["booting", "starting"],
		["rebooting", "running"],
		["stopped", "off"],
		["billing_suspension", "off"],
		["deleting", "going"],
		["a status of another day", "running"],
	])("%s counts as %s", async (status, state) => {
		const { open } = world({ "GET /v4/linode/instances/7": () => answer(200, one({ status })) });
		expect((await open().get?.("7"))?.state).toBe(state);
	});
});

describe("restart", () => {
	it("boots a Linode that is not running", async () => {
		const { open, calls } = world({
			"POST /v4/linode/instances/7/reboot": () => refuse(400, "Linode is not running"),
			"POST /v4/linode/instances/7/boot": done,
		});
		await open().restart("7", "off");
		expect(calls).toHaveLength(2);
	});

	it("does not when it is busy", async () => {
		const { open } = world({ "POST /v4/linode/instances/7/reboot": () => refuse(400, "Linode busy.") });
		expect((await failureOf(open().restart("7", "off"))).kind).toBe("conflict");
	});
});

describe("the price", () => {
	const types = {
		"GET /v4/linode/types": () =>
			pageOf([{ id: "g6-nanode-1", price: { hourly: 0.0075 }, region_prices: [{ id: "br-gru", hourly: 0.0105 }] }]),
	};

	it.each([
		["us-ord", 0.0075],
		["br-gru", 0.0105],
	])("in %s is %s", async (region, hourly) => {
		expect(await world(types, { region }).open().hourlyPrice()).toMatchObject({ hourly, currency: "USD" });
	});
});
