import { describe, expect, it } from "vitest";
import type { Rate } from "../../../src/core/model/state.ts";
import { hetzner } from "../../../src/providers/hetzner/driver.ts";
import type { HetznerAccount } from "../../../src/providers/hetzner/settings.ts";
import { ASK, answer, type Call, failureOf, NOW, scripted } from "./scripted.ts";

const FIREWALL = {
	id: 38,
	name: "muster-dep1",
	rules: [{ direction: "in", protocol: "tcp", port: "8899", source_ips: ["0.0.0.0/0", "::/0"], destination_ips: [] }],
};
const LABELS = { muster: "true", "muster-deployment": "dep1", "muster-pool": "pool1", "muster-intent": "intent0001" };
const server = (more: object = {}) => ({
	id: 42,
	name: ASK.name,
	status: "initializing",
	public_net: { ipv4: { ip: "192.0.2.7" } },
	labels: LABELS,
	...more,
});
const pageOf = (key: string, items: readonly unknown[], next: number | null = null) =>
	answer(200, { [key]: items, meta: { pagination: { page: 1, next_page: next } } });
const refuse = (status: number, code: string, message = code) => answer(status, { error: { code, message, details: null } });

let accounts = 0;
/** A driver with an account of its own, hence its own memory of firewalls. */
function world(script: Parameters<typeof scripted>[0], settings: Partial<Record<keyof HetznerAccount, string>> = {}) {
	const account = hetzner.schema.parse({ access_token: `token-${++accounts}`, ...settings });
	const cloud = scripted({
		"GET /v1/firewalls": () => pageOf("firewalls", [FIREWALL]),
		"POST /v1/servers": () => answer(201, { server: server() }),
		...script,
	});
	return { ...cloud, account, open: (more = {}) => hetzner.create(account, cloud.context(more)) };
}

describe("settings", () => {
	it("have the documented defaults, and a data center is reduced to its location", () => {
		expect(hetzner.schema.parse({ access_token: "t" })).toEqual({
			access_token: "t",
			size: "cx23",
			location: "nbg1",
			image: "ubuntu-24.04",
			api_url: "https://api.hetzner.cloud",
		});
		const account = hetzner.schema.parse({ access_token: "t", datacenter: "fsn1-dc14" });
		expect(hetzner.shown(account)).toEqual({
			size: "cx23",
			region: "fsn1",
			location: "fsn1",
			image: "ubuntu-24.04",
			api_url: "https://api.hetzner.cloud",
		});
	});
});

describe("create", () => {
	it("makes one labelled server with an IPv4 address only, behind the firewall, and knows its address at once", async () => {
		const { open, calls, account } = world({});
		expect(await open().create(ASK)).toEqual({ vm: "42", name: ASK.name, state: "starting", address: "192.0.2.7", tags: ASK.tags });
		expect(calls.map(({ line }) => line)).toEqual(["GET /v1/firewalls?name=muster-dep1&per_page=50&page=1", "POST /v1/servers"]);
		expect(calls[1]?.headers.get("authorization")).toBe(`Bearer ${account.access_token}`);
		expect(calls[1]?.body).toEqual({
			name: ASK.name,
			server_type: "cx23",
			image: "ubuntu-24.04",
			location: "nbg1",
			user_data: ASK.userData,
			labels: LABELS,
			firewalls: [{ firewall: 38 }],
			public_net: { enable_ipv4: true, enable_ipv6: false },
		});
	});

	it.each([
		["auth", 401, "unauthorized"],
		["auth", 403, "forbidden"],
		["auth", 403, "token_readonly"],
		["quota", 403, "resource_limit_exceeded"],
		["capacity", 412, "resource_unavailable"],
		["capacity", 422, "placement_error"],
		["conflict", 409, "uniqueness_error"],
		["transient", 409, "conflict"],
		["invalid", 422, "invalid_input"],
		["invalid", 404, "not_found"],
		["unknown", 503, "unavailable"],
		["unknown", 504, "timeout"],
	])("fails as %s on %i %s", async (kind, status, code) => {
		const { open } = world({ "POST /v1/servers": () => refuse(status, code, "so says the cloud") });
		expect(await failureOf(open().create(ASK))).toEqual({ kind, message: `Hetzner: so says the cloud (HTTP ${status})` });
	});

	it("waits no longer than a minute for a quota that is refilled all the time, whenever it will be full", async () => {
		const headers = { "ratelimit-limit": "3600", "ratelimit-remaining": "0", "ratelimit-reset": String(NOW / 1000 + 3600) };
		const rates: Rate[] = [];
		const { open } = world({ "POST /v1/servers": () => answer(429, { error: { code: "rate_limit_exceeded", message: "slow" } }, headers) });
		const driver = open({ observeRate: (rate: Rate) => rates.push(rate) });
		expect(await failureOf(driver.create(ASK))).toMatchObject({ kind: "rate", retryAt: NOW + 60_000 });
		expect(rates).toEqual([{ limit: 3600, remaining: 0, resetAt: NOW + 60_000 }]);
	});
});

describe("the firewall", () => {
	const setRules = "POST /v1/firewalls/38/actions/set_rules";
	const sources = (call: Call | undefined) =>
		(call?.body as { rules: { source_ips: string[] }[] } | undefined)?.rules.map(({ source_ips }) => source_ips) ?? [];

	it("is made with the port in and nothing about what goes out", async () => {
		const { open, calls } = world({
			"GET /v1/firewalls": () => pageOf("firewalls", []),
			"POST /v1/firewalls": () => answer(201, { firewall: FIREWALL, actions: [] }),
		});
		await open().create(ASK);
		expect(calls[1]?.body).toEqual({
			name: "muster-dep1",
			labels: { muster: "true", "muster-deployment": "dep1" },
			rules: [{ direction: "in", protocol: "tcp", port: "8899", source_ips: ["0.0.0.0/0", "::/0"] }],
		});
	});

	it("names at most a hundred addresses in a rule, and is right however they are spread over rules", async () => {
		const allow = Array.from({ length: 250 }, (_, n) => `192.0.2.${n}/32`);
		const { open, calls } = world({ [setRules]: () => answer(201, { actions: [] }) });
		await open().create({ ...ASK, allow });
		expect(sources(calls[1]).map(({ length }) => length)).toEqual([100, 100, 50]);

		const spread = allow.map((source) => ({ ...FIREWALL.rules[0], source_ips: [source] }));
		const other = world({ "GET /v1/firewalls": () => pageOf("firewalls", [{ ...FIREWALL, rules: spread }]) });
		await other.open().create({ ...ASK, allow });
		expect(other.calls.map(({ method }) => method)).toEqual(["GET", "POST"]);
	});

	it.each([
		["a further port", [FIREWALL.rules[0], { ...FIREWALL.rules[0], port: "22" }]],
		["a further protocol", [FIREWALL.rules[0], { ...FIREWALL.rules[0], protocol: "udp" }]],
		[
			"a rule about what goes out",
			[FIREWALL.rules[0], { ...FIREWALL.rules[0], direction: "out", source_ips: [], destination_ips: ["::/0"] }],
		],
		["no rule", []],
	])("is mended when it has %s", async (_, rules) => {
		const { open, calls } = world({
			"GET /v1/firewalls": () => pageOf("firewalls", [{ ...FIREWALL, rules }]),
			[setRules]: () => answer(201, { actions: [] }),
		});
		await open().create(ASK);
		expect(sources(calls[1])).toEqual([["0.0.0.0/0", "::/0"]]);
	});

	it("is another isolate's where that was faster, and is tried again where it is not right", async () => {
		let looks = 0;
		const script = (second: unknown) => ({
			"GET /v1/firewalls": () => pageOf("firewalls", looks++ === 0 ? [] : [second]),
			"POST /v1/firewalls": () => refuse(409, "uniqueness_error"),
		});
		await world(script(FIREWALL)).open().create(ASK);
		looks = 0;
		expect(
			(
				await failureOf(
					world(script({ ...FIREWALL, rules: [] }))
						.open()
						.create(ASK),
				)
			).kind,
		).toBe("transient");
	});

	it("that somebody removed is looked for again by the create after the one that failed for it", async () => {
		let isThere = true;
		const { open, calls } = world({ "POST /v1/servers": () => (isThere ? answer(201, { server: server() }) : refuse(404, "not_found")) });
		await open().create(ASK);
		isThere = false;
		expect((await failureOf(open().create(ASK))).kind).toBe("invalid");
		isThere = true;
		await open().create(ASK);
		expect(calls.map(({ method }) => method)).toEqual(["GET", "POST", "POST", "GET", "POST"]);
	});
});

describe("list, find, delete, restart", () => {
	it("lists by label in the order of ids, all pages, and reads every state", async () => {
		const states = ["running", "initializing", "starting", "stopping", "off", "deleting", "migrating", "rebuilding", "unknown"];
		const servers = states.map((status, id) => server({ id, status, public_net: { ipv4: null } }));
		const { open, calls } = world({
			"GET /v1/servers": ({ url }) =>
				url.searchParams.get("page") === "1" ? pageOf("servers", servers.slice(0, 5), 2) : pageOf("servers", servers.slice(4)),
		});
		const vms = await open().list();
		expect(vms.map(({ state }) => state)).toEqual([
			"running",
			"starting",
			"starting",
			"running",
			"off",
			"going",
			"running",
			"running",
			"running",
		]);
		expect(vms.every(({ address }) => address === null)).toBe(true);
		expect(calls[1]?.line).toBe("GET /v1/servers?label_selector=muster&sort=id:asc&per_page=50&page=2");
	});

	it("ends a list that goes in circles", async () => {
		const { open, calls } = world({ "GET /v1/servers": () => pageOf("servers", [], 1) });
		expect((await failureOf(open().list())).kind).toBe("transient");
		expect(calls.length).toBe(1);
	});

	it("deletes by id alone, and takes a protected or busy server for busy", async () => {
		for (const [status, code] of [
			[403, "protected"],
			[423, "locked"],
		] as const) {
			const { open } = world({ "DELETE /v1/servers/42": () => refuse(status, code) });
			expect((await failureOf(open().delete("42"))).kind).toBe("conflict");
		}
		const { open, calls } = world({ "DELETE /v1/servers/%3Fname%3Da": () => refuse(404, "not_found") });
		expect((await failureOf(open().delete("?name=a"))).kind).toBe("notFound");
		expect(calls[0]?.url.search).toBe("");
	});

	it("reboots in one step, and pushes the reset button only where a reboot is refused as impossible", async () => {
		const reset = { "POST /v1/servers/42/actions/reset": () => answer(201, { action: {} }) };
		const well = world({ "POST /v1/servers/42/actions/reboot": () => answer(201, { action: {} }), ...reset });
		await well.open().restart("42", "off");
		await well.open().restart("42", "on");
		expect(well.calls.length).toBe(1);

		const off = world({ "POST /v1/servers/42/actions/reboot": () => refuse(422, "invalid_server_status"), ...reset });
		await off.open().restart("42", "off");
		expect(off.calls.length).toBe(2);

		const busy = world({ "POST /v1/servers/42/actions/reboot": () => refuse(423, "locked"), ...reset });
		expect((await failureOf(busy.open().restart("42", "off"))).kind).toBe("conflict");
		expect(busy.calls.length).toBe(1);
	});
});
