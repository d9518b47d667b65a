import { beforeEach, describe, expect, it } from "vitest";
import type { ProviderContext } from "../../../src/providers/base/provider.ts";
import { gcp } from "../../../src/providers/gcp/driver.ts";
import type { GcpAccount } from "../../../src/providers/gcp/settings.ts";
import { refuse } from "../../cloud/gcp-answers.ts";
import { serviceAccountKeyFile } from "../../cloud/gcp-credentials.ts";
import type { Firewall } from "../../cloud/gcp-firewalls.ts";
import { atLocalCloud, type Seen } from "./at-local-cloud.ts";
import { ASK, answer, failureOf } from "./scripted.ts";

const INSTANCES = "/gcp/compute/v1/projects/muster-test/zones/us-central1-a/instances";
const OPERATIONS = "/gcp/compute/v1/projects/muster-test/zones/us-central1-a/operations";
const FIREWALLS = "/gcp/compute/v1/projects/muster-test/global/firewalls";
let accounts = 0;
let email: string;
let world: ReturnType<typeof atLocalCloud>;
beforeEach(() => {
	email = `local-${++accounts}@muster-test.iam.gserviceaccount.com`;
	world = atLocalCloud("gcp");
});

const keyFile = () => serviceAccountKeyFile(email, `${world.base}/token`);
const accountOf = (settings: Partial<Record<keyof GcpAccount, string>> = {}) =>
	gcp.schema.parse({ project: "muster-test", service_account_key: keyFile(), api_url: world.base, ...settings });
const open = (settings: Parameters<typeof accountOf>[0] = {}, more: Partial<ProviderContext> = {}) =>
	gcp.create(accountOf(settings), world.context(more));
const create = (settings: Parameters<typeof accountOf>[0] = {}, ask = ASK) => world.done(open(settings).create(ask));
const lines = () => world.calls.map(({ method, url }) => `${method} ${url.pathname}`);
const sent = (method: string, path: string) => {
	const found = world.calls.findLast((call) => call.method === method && call.url.pathname === path);
	return found === undefined ? null : JSON.parse(found.text);
};
const on = (method: string, path: string | RegExp, respond: (call: Seen) => Response | Promise<Response>) => {
	world.intercept = (call) => {
		const isIt = call.method === method && (typeof path === "string" ? call.url.pathname === path : path.test(call.url.pathname));
		return isIt ? respond(call) : null;
	};
};
const rules = () => Object.values(Object.values(world.cloud.fleet.collections)[0]?.firewalls ?? {}) as unknown as Firewall[];
const lookUp = (vm: string | null = null) => ({ vm, name: ASK.name, tags: ASK.tags });

describe("settings", () => {
	it("have the documented defaults, and are shown without secrets", () => {
		const account = accountOf({ api_url: undefined as never });
		const shown = { project: "muster-test", size: "e2-micro", zone: "us-central1-a", image_project: "ubuntu-os-cloud", spot: false };
		expect(account).toMatchObject({ ...shown, image_family: null, api_url: "https://compute.googleapis.com" });
		const { service_account_key: _, ...open } = account;
		expect(gcp.shown(open)).toEqual({
			...shown,
			region: "us-central1-a",
			image_family: "ubuntu-minimal-2404-lts-amd64",
			api_url: "https://compute.googleapis.com",
		});
	});

	it("take the key as its file says it, by default with Google's own token server", () => {
		const file = JSON.parse(keyFile()) as Record<string, string>;
		expect(accountOf().service_account_key).toMatchObject({ email, keyId: "local-1", tokenUri: `${world.base}/token` });
		delete file.token_uri;
		const parsed = accountOf({ service_account_key: JSON.stringify(file, null, 2) });
		expect(parsed.service_account_key.tokenUri).toBe("https://oauth2.googleapis.com/token");
	});

	it.each([
		["no JSON", "secret-text"],
		["not an object", "7"],
		["no key", JSON.stringify({ client_email: "a@b.example" })],
		["no PEM", JSON.stringify({ client_email: "a@b.example", private_key: "secret-text" })],
		["another address", JSON.stringify({ ...JSON.parse(serviceAccountKeyFile("a@b", "ftp://x/")), token_uri: "ftp://x/" })],
	])("refuse a key that is %s without repeating it", (_, text) => {
		const refused = gcp.schema.safeParse({ project: "p", service_account_key: text });
		expect(refused.error?.issues.map(({ message }) => message)).toEqual([
			"the JSON of a service account's key, with client_email, private_key and token_uri",
		]);
	});
});

describe("tokens", () => {
	const fetches = () => lines().filter((line) => line === "POST /gcp/token").length;

	it("are fetched once for all who ask at once, kept, and renewed some minutes before they end", async () => {
		await Promise.all([1, 2, 3].map(() => open().list()));
		world.clock.advance(50 * 60_000);
		await open().list();
		expect(fetches()).toBe(1);
		world.clock.advance(5 * 60_000);
		await open().list();
		expect(fetches()).toBe(2);
		expect(world.calls.filter(({ headers }) => headers.get("authorization")?.startsWith("Bearer ya29."))).toHaveLength(5);
	});

	it("that end before their time are an auth failure once, and replaced by the next call", async () => {
		await open().list();
		on("GET", INSTANCES, () => refuse(401, "authError", "Request had invalid authentication credentials."));
		expect((await failureOf(open().list())).kind).toBe("auth");
		world.intercept = () => null;
		expect(await open().list()).toEqual([]);
		expect(fetches()).toBe(2);
	});

	it("are asked for at the key's own server, for Compute Engine only, for an hour at most", async () => {
		await open().list();
		const { form } = world.calls[0] ?? {};
		const [, payload = ""] = form?.get("assertion")?.split(".") ?? [];
		expect(form?.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
		const { iat, exp, ...claim } = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, number>;
		expect(claim).toEqual({ iss: email, scope: "https://www.googleapis.com/auth/compute", aud: `${world.base}/token` });
		expect([(exp ?? 0) - (iat ?? 0), world.clock.now() / 1000 - (iat ?? 0)]).toEqual([3600, 10]);
	});

	it.each([
		[
			"auth",
			400,
			{ error: "invalid_grant", error_description: "Invalid JWT Signature." },
			"GCP: invalid_grant: Invalid JWT Signature. (HTTP 400)",
		],
		["transient", 503, {}, "GCP: HTTP 503"],
		["transient", 200, {}, "GCP: HTTP 200 with a body that cannot be read; access_token: invalid_type"],
	])("that are not given are a failure as %s on %i", async (kind, status, body, message) => {
		on("POST", "/gcp/token", () => answer(status, body));
		expect(await failureOf(open().list())).toEqual({ kind, message });
		expect(await failureOf(open().create(ASK))).toEqual({ kind, message });
	});

	it("cannot be asked for with a key that cannot be read, and it is not quoted", async () => {
		const private_key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXRleHQ=\n-----END PRIVATE KEY-----\n";
		const service_account_key = JSON.stringify({ client_email: email, private_key });
		const failure = await failureOf(open({ service_account_key }).list());
		expect(failure).toEqual({ kind: "invalid", message: "GCP: the private key of GCP_SERVICE_ACCOUNT_KEY cannot be read" });
		expect(world.calls).toEqual([]);
	});
});

describe("create", () => {
	it("asks for one labelled VM without an account of its own, and waits for what comes of it", async () => {
		expect(await create()).toEqual({ vm: `us-central1-a/${ASK.name}`, name: ASK.name, state: "starting", address: null, tags: ASK.tags });
		expect(lines().slice(-2)).toEqual([`POST ${INSTANCES}`, expect.stringMatching(/^POST .*\/operations\/operation-\d+\/wait$/)]);
		const labels = { muster: "true", "muster-deployment": "dep1", "muster-pool": "pool1", "muster-intent": "intent0001" };
		expect(sent("POST", INSTANCES)).toEqual({
			name: ASK.name,
			machineType: "zones/us-central1-a/machineTypes/e2-micro",
			labels,
			tags: { items: ["muster-dep1"] },
			disks: [
				{
					boot: true,
					autoDelete: true,
					initializeParams: { sourceImage: "projects/ubuntu-os-cloud/global/images/family/ubuntu-minimal-2404-lts-amd64", labels },
				},
			],
			networkInterfaces: [{ network: "global/networks/default", accessConfigs: [{ type: "ONE_TO_ONE_NAT", name: "External NAT" }] }],
			metadata: { items: [{ key: "user-data", value: ASK.userData }] },
		});
	});

	it("is known again by its request id, which derives from its name", async () => {
		await create();
		await create({}, { ...ASK, name: "muster-dep1-other" });
		await create();
		const ids = world.calls
			.filter(({ method, url }) => method === "POST" && url.pathname === INSTANCES)
			.map(({ url }) => url.searchParams.get("requestId"));
		expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
		expect([ids[0] === ids[2], ids[0] === ids[1]]).toEqual([true, false]);
		expect(world.cloud.fleet.vms()).toHaveLength(2);
	});

	it("takes the image that fits an Arm machine, the operator's own, and spot capacity", async () => {
		await create({ size: "t2a-standard-1", spot: "True" });
		expect(sent("POST", INSTANCES)).toMatchObject({
			disks: [{ initializeParams: { sourceImage: expect.stringMatching(/-arm64$/) } }],
			scheduling: { provisioningModel: "SPOT", instanceTerminationAction: "DELETE" },
		});
		on("POST", INSTANCES, () => answer(200, { name: "operation-1", status: "DONE" }));
		await create({ image_project: "mine", image_family: "proxies" });
		expect(sent("POST", INSTANCES).disks[0].initializeParams.sourceImage).toBe("projects/mine/global/images/family/proxies");
	});

	it.each([
		["capacity", "ZONE_RESOURCE_POOL_EXHAUSTED"],
		["capacity", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"],
		["quota", "QUOTA_EXCEEDED"],
		["conflict", "RESOURCE_ALREADY_EXISTS"],
		["invalid", "INVALID_FIELD_VALUE"],
		["unknown", "INTERNAL_ERROR"],
	])("that was accepted and then failed is %s by %s, in its own words", async (kind, code) => {
		const error = { errors: [{ code, message: "No room here." }] };
		on("POST", new RegExp(`^${OPERATIONS}/`), () => answer(200, { name: "operation-1", status: "DONE", error }));
		expect(await world.done(failureOf(open().create(ASK)))).toEqual({ kind, message: `GCP: ${code}: No room here.` });
	});

	it("that was accepted is a VM, also when what came of it cannot be seen", async () => {
		on("POST", new RegExp(`^${OPERATIONS}/`), () => Promise.reject(new TypeError("connection lost")));
		expect(await create()).toMatchObject({ name: ASK.name, state: "starting" });
		on("POST", new RegExp(`^${OPERATIONS}/`), () => answer(200, { name: "operation-1", status: "RUNNING" }));
		expect(await create({}, { ...ASK, name: "muster-dep1-other" })).toMatchObject({ state: "starting" });
	});

	it.each([
		["rate", 403, "rateLimitExceeded"],
		["rate", 403, "userRateLimitExceeded"],
		["quota", 403, "quotaExceeded"],
		["auth", 403, "forbidden"],
		["auth", 403, "accessNotConfigured"],
		["auth", 401, "authError"],
		["capacity", 503, "ZONE_RESOURCE_POOL_EXHAUSTED"],
		["conflict", 409, "alreadyExists"],
		["invalid", 400, "invalid"],
		["invalid", 404, "notFound"],
		["unknown", 503, "backendError"],
		["unknown", 500, "internalError"],
	])("fails as %s on %i %s, in Google's own words", async (kind, status, reason) => {
		on("POST", INSTANCES, () => refuse(status, reason, "A sentence of Google's."));
		expect(await failureOf(open().create(ASK))).toEqual({ kind, message: `GCP: A sentence of Google's. (HTTP ${status})` });
	});
});

describe("the firewall", () => {
	it("takes no IPv6 range, which no proxy could be reached from, and never becomes one without any range", async () => {
		await create({}, { ...ASK, allow: ["192.0.2.1/32", "2001:db8::/32"] });
		expect(rules().map(({ sourceRanges, targetTags }) => [sourceRanges, targetTags])).toEqual([[["192.0.2.1/32"], ["muster-dep1"]]]);
		const refused = await failureOf(open().create({ ...ASK, name: "muster-dep1-other", allow: ["2001:db8::/32"] }));
		expect(refused).toMatchObject({ kind: "invalid", message: expect.stringContaining("HOST_IP names no IPv4 address") });
		expect(world.cloud.fleet.vms()).toHaveLength(1);
	});

	it.each([
		["is disabled", { disabled: true }],
		["has another port", { allowed: [{ IPProtocol: "tcp", ports: ["22"] }] }],
		["has every port", { allowed: [{ IPProtocol: "tcp" }] }],
		["lets in by tag as well", { sourceTags: ["web"] }],
		["applies to other VMs", { targetTags: ["web"] }],
	])("is mended when it %s", async (_, drift) => {
		await create();
		const [rule] = rules();
		const kept = Object.values(world.cloud.fleet.collections)[0]?.firewalls ?? {};
		const key = Object.keys(kept)[0] ?? "";
		kept[key] = { ...rule, ...drift } as Firewall;
		world.clock.advance(3_600_000);
		await create({}, { ...ASK, name: "muster-dep1-other" });
		expect(rules()).toEqual([rule]);
		expect(lines()).toContain(`PATCH ${FIREWALLS}/muster-dep1`);
	});

	it("is not missed by the isolate that came second", async () => {
		let isFirst = true;
		world.intercept = async ({ method, url, headers, text }) => {
			if (method !== "POST" || url.pathname !== FIREWALLS || !isFirst) return null;
			isFirst = false;
			// Between this isolate's look and its POST another one makes the very same.
			await world.cloud.fetch(new Request(url, { method, headers, body: text }));
			return null;
		};
		await create();
		expect([rules().length, world.cloud.fleet.vms().length]).toEqual([1, 1]);
	});
});

describe("lists and finds", () => {
	it("ask for what is needed of each VM, and not for its user data", async () => {
		await create();
		world.calls.length = 0;
		const bodies: string[] = [];
		world.intercept = async ({ method, url, headers }) => {
			const response = await world.cloud.fetch(new Request(url, { method, headers }));
			bodies.push(await response.clone().text());
			return response;
		};
		expect(await open().list()).toHaveLength(1);
		expect(await open().find(lookUp())).toMatchObject({ name: ASK.name });
		expect(bodies.filter((body) => body.includes("user-data") || body.includes("disks"))).toEqual([]);
		expect(world.calls.map(({ url }) => url.searchParams.get("filter"))).toEqual(["labels.muster=true", null]);
	});

	it.each([
		["PROVISIONING", "starting"],
		["STAGING", "starting"],
		["RUNNING", "running"],
		["REPAIRING", "running"],
		["STOPPING", "off"],
		["TERMINATED", "off"],
		["SUSPENDED", "off"],
	])("read %s as %s", async (status, state) => {
		on("GET", INSTANCES, () => answer(200, { items: [{ name: "a", status }] }));
		expect(await open().list()).toEqual([
			{ vm: "us-central1-a/a", name: "a", state, address: null, tags: { deployment: null, pool: null, intent: null } },
		]);
	});

	it("go to the zone where a VM is, also when the setting has changed since", async () => {
		const { vm } = await create();
		const elsewhere = open({ zone: "us-east1-b" });
		expect(await elsewhere.list()).toEqual([]);
		expect(await elsewhere.find(lookUp(vm))).toMatchObject({ vm });
		await elsewhere.delete(vm);
		expect(world.cloud.fleet.vms()).toEqual([]);
	});

	it("are not made for what is no id", async () => {
		for (const vm of ["", "name", "../firewalls", "zone/name/stop", "zone/?x"])
			expect((await failureOf(open().delete(vm))).kind).toBe("notFound");
		expect(world.calls).toEqual([]);
	});
});

it("a restart stops and starts, waits while the VM is still stopping, and gives another address", async () => {
	const { vm } = await create();
	world.clock.advance(1000);
	const before = await open().find(lookUp(vm));
	await open().restart(vm, "off");
	expect(await open().find(lookUp(vm))).toMatchObject({ state: "off", address: null });
	expect((await failureOf(open().restart(vm, "on"))).kind).toBe("conflict");
	world.clock.advance(1000);
	await open().restart(vm, "on");
	world.clock.advance(1000);
	const after = await open().find(lookUp(vm));
	expect(after).toMatchObject({ state: "running" });
	expect(after?.address).not.toBe(before?.address);
	expect(gcp.twoStepRestart).toBe(true);
});
