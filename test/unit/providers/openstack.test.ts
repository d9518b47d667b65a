import { describe, expect, it } from "vitest";
import { openstack } from "../../../src/providers/openstack/driver.ts";
import type { OpenStackAccount } from "../../../src/providers/openstack/settings.ts";
import { ASK, answer, failureOf, NOW, scripted } from "./scripted.ts";

const TAGS = ["muster", "muster-deployment:dep1", "muster-pool:pool1", "muster-intent:intent0001"];
const ID = "6b4d1f3a-1f84-404f-aa84-000000000001";
const server = (more: object = {}) => ({ id: ID, name: ASK.name, status: "ACTIVE", tags: TAGS, addresses: {}, ...more });
const at = (addr: string, version = 4, type = "fixed") => ({ addr, version, "OS-EXT-IPS:type": type });

const endpoint = (url: string, region_id = "RegionOne", kind = "public") => ({ interface: kind, region_id, url });
const CATALOG = [
	{ type: "compute", endpoints: [endpoint("https://inside.test/v2.1", "RegionOne", "internal"), endpoint("https://nova.test/v2.1/p1")] },
	{ type: "network", endpoints: [endpoint("https://neutron.test/")] },
	{ type: "image", endpoints: [endpoint("https://glance.test:9292")] },
];
const signedIn = (catalog: object = CATALOG) => {
	const token = { expires_at: new Date(NOW + 3_600_000).toISOString(), catalog };
	return answer(201, { token }, { "x-subject-token": "gAAAA-token" });
};

let accounts = 0;
/** A driver with an account of its own, hence its own session. */
function world(script: Parameters<typeof scripted>[0], settings: Partial<Record<keyof OpenStackAccount, string>> = {}) {
	const id = `credential${++accounts}`;
	const account = openstack.schema.parse({
		auth_url: "https://keystone.test/identity",
		application_credential_id: id,
		application_credential_secret: "a-secret-of-mine",
		size: "m1",
		...settings,
	});
	const cloud = scripted({ "POST /identity/v3/auth/tokens": () => signedIn(), ...script });
	return { ...cloud, account, open: (more = {}) => openstack.create(account, cloud.context(more)) };
}
const listing = (servers: readonly object[], more: object = {}) => answer(200, { servers, ...more });

describe("the catalogue", () => {
	it("says where services are, whose versions are added where they lack", async () => {
		const { open, calls } = world({
			"GET /v2.1/p1/servers/detail": () => listing([]),
			"GET /v2.0/security-groups": () => answer(200, { security_groups: [] }),
		});
		await open().list();
		await failureOf(open().protect(ASK)).catch(() => undefined);
		expect(calls.map(({ url }) => `${url.origin}${url.pathname}`).slice(0, 3)).toEqual([
			"https://keystone.test/identity/v3/auth/tokens",
			"https://nova.test/v2.1/p1/servers/detail",
			"https://neutron.test/v2.0/security-groups",
		]);
		expect(calls[1]?.headers.get("x-auth-token")).toBe("gAAAA-token");
		expect(calls[1]?.headers.get("openstack-api-version")).toBe("compute 2.52");
	});

	it("leads no token over a line that is not encrypted, but to the host of the identity service", async () => {
		const plain = (url: string) => ({ "POST /identity/v3/auth/tokens": () => signedIn([{ type: "compute", endpoints: [endpoint(url)] }]) });
		const { open, calls } = world(plain("http://nova.test/v2.1"));
		expect(await failureOf(open().list())).toMatchObject({ kind: "invalid", message: expect.stringContaining("not https") });
		expect(calls).toHaveLength(1);
		const same = world(
			{ ...plain("http://keystone.test/compute/v2.1"), "GET /compute/v2.1/servers/detail": () => listing([]) },
			{ auth_url: "http://keystone.test/identity" },
		);
		expect(await same.open().list()).toEqual([]);
	});
});

describe("a server", () => {
	it.each([
		["IPv6 before IPv4", {}, { net: [at("2001:db8::1", 6), at("192.0.2.9")] }, "192.0.2.9"],
		["a private and a floating one", {}, { net: [at("10.0.0.4"), at("192.0.2.9", 4, "floating")] }, "192.0.2.9"],
		["private ones alone", {}, { net: [at("172.20.0.4"), at("100.64.0.1")] }, null],
		["none yet", {}, {}, null],
	])("with %s has the address %4$s", async (_, settings, addresses, address) => {
		const { open } = world({ [`GET /v2.1/p1/servers/${ID}`]: () => answer(200, { server: server({ addresses }) }) }, settings);
		expect((await open().get?.(`RegionOne/${ID}`))?.address).toBe(address);
	});

	it("whose floating IP Nova does not show yet has it from Neutron", async () => {
		const floating = { id: "f", floating_ip_address: "192.0.2.9", port_id: "p", description: ASK.name };
		const { open } = world(
			{
				"GET /v2.1/p1/servers/detail": () => listing([server({ addresses: { net: [at("10.0.0.4")] } })]),
				"GET /v2.0/floatingips": () => answer(200, { floatingips: [floating] }),
			},
			{ floating_network: "public" },
		);
		expect(await open().list()).toMatchObject([{ address: "192.0.2.9" }]);
	});

	it.each([
		["BUILD", null, "starting"],
		["ACTIVE", "deleting", "going"],
		["ERROR", null, "off"],
		["SHELVED_OFFLOADED", null, "off"],
		["REBOOT", "rebooting", "running"],
		["A_STATUS_OF_ANOTHER_DAY", null, "running"],
	])("that is %s (%s) counts as %s", async (status, task, state) => {
		const { open } = world({ "GET /v2.1/p1/servers/detail": () => listing([server({ status, "OS-EXT-STS:task_state": task })]) });
		expect(await open().list()).toMatchObject([{ state }]);
	});

	it("of a part of the cloud that does not answer is not taken for gone, and one that is kept deleted is", async () => {
		let shown: object = { id: ID, status: "UNKNOWN" };
		const { open } = world({ [`GET /v2.1/p1/servers/${ID}`]: () => answer(200, { server: shown }) });
		const look = () => open().find({ vm: `RegionOne/${ID}`, name: ASK.name, tags: ASK.tags });
		expect((await failureOf(look())).kind).toBe("transient");
		shown = server({ status: "SOFT_DELETED" });
		expect(await look()).toBeNull();
	});
});

it("a list goes on behind its last server, whatever host the link names", async () => {
	const next = { servers_links: [{ rel: "next", href: "http://10.0.0.5/v2.1/servers/detail?marker=nonsense" }] };
	const { open, calls } = world({
		"GET /v2.1/p1/servers/detail?tags=muster": () => listing([server()], next),
		[`GET /v2.1/p1/servers/detail?tags=muster&marker=${ID}`]: () => listing([server({ id: ID.replace(/1$/, "2") })]),
	});
	expect(await open().list()).toHaveLength(2);
	expect(calls.slice(1).every(({ url }) => url.host === "nova.test")).toBe(true);
});

describe("errors", () => {
	it.each([
		[403, { forbidden: { code: 403, message: "Quota exceeded for instances: Requested 1" } }, "quota"],
		[403, { forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:servers:create" } }, "auth"],
		[403, { forbidden: { code: 403, message: "It is not allowed to create an interface on external network x" } }, "invalid"],
		[409, { NeutronError: { type: "OverQuota", message: "Quota exceeded for resources", detail: "" } }, "quota"],
		[409, { NeutronError: { type: "IpAddressGenerationFailure", message: "No more IP addresses" } }, "capacity"],
		[400, { NeutronError: { type: "ExternalIpAddressExhausted", message: "Unable to find any IP address" } }, "capacity"],
		[413, { overLimit: { code: 413, message: "This request was rate-limited." } }, "rate"],
		[429, { error: { status: "429", message: "Too many requests" } }, "rate"],
		[401, { error: { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." } }, "auth"],
		[502, "<html>Bad Gateway</html>", "transient"],
	])("%s %j is %s", async (status, body, kind) => {
		const { open } = world({ "GET /v2.1/p1/servers/detail": () => answer(status, body) });
		expect((await failureOf(open().list())).kind).toBe(kind);
	});

	it("of a sign-in repeat no secret", async () => {
		const refused = { error: { code: 401, message: "no such credential: a-secret-of-mine" } };
		const { open } = world({ "POST /identity/v3/auth/tokens": () => answer(401, refused) });
		expect(await failureOf(open().list())).toEqual({ kind: "auth", message: "OpenStack: no such credential: *** (HTTP 401)" });
	});
});
