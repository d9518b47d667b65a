import { createSign, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { serviceAccountKeyFile } from "./gcp-credentials.ts";
import { localCloud } from "./helpers.ts";

const ZONE = "/compute/v1/projects/p/zones/us-central1-a";
const FIREWALLS = "/compute/v1/projects/p/global/firewalls";
const INSTANCE = {
	name: "a",
	machineType: "zones/us-central1-a/machineTypes/e2-micro",
	disks: [
		{
			boot: true,
			autoDelete: true,
			initializeParams: { sourceImage: "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64" },
		},
	],
	networkInterfaces: [{ network: "global/networks/default", accessConfigs: [{ type: "ONE_TO_ONE_NAT" }] }],
	metadata: { items: [{ key: "user-data", value: "#cloud-config\n" }] },
};
const keyFile = JSON.parse(serviceAccountKeyFile("local-test@p.iam", "http://cloud.test/gcp/token")) as Record<string, string>;

/** A local cloud with time turned by hand, and an account's calls of its Compute Engine. */
function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { cloud, clock } = localCloud({ bootMs: 1000, ...options });
	const send = async (method: string, path: string, headers: Readonly<Record<string, string>>, body: string | null) => {
		const response = await cloud.fetch(
			new Request(`http://cloud.test/gcp${path}`, { method, headers, ...(body === null ? {} : { body }) }),
		);
		const text = await response.text();
		return { status: response.status, text, body: text === "" ? null : JSON.parse(text) };
	};
	/** `claim` over what a right claim says. */
	const token = async (claim: object = {}, key = keyFile.private_key ?? "") => {
		const now = Math.floor(clock.now() / 1000);
		const right = {
			iss: keyFile.client_email,
			scope: "https://www.googleapis.com/auth/compute",
			aud: keyFile.token_uri,
			iat: now,
			exp: now + 3600,
		};
		const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
		const unsigned = `${encode({ alg: "RS256", typ: "JWT" })}.${encode({ ...right, ...claim })}`;
		const assertion = `${unsigned}.${createSign("RSA-SHA256").update(unsigned).sign(key, "base64url")}`;
		const form = new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion });
		return send("POST", "/token", { "content-type": "application/x-www-form-urlencoded" }, form.toString());
	};
	const gcp = async (method: string, path: string, body?: unknown) => {
		const { access_token } = (await token()).body;
		return send(method, path, { authorization: `Bearer ${access_token}` }, body === undefined ? null : JSON.stringify(body));
	};
	const insert = (more: object = {}, requestId = "") =>
		gcp("POST", `${ZONE}/instances${requestId && `?requestId=${requestId}`}`, { ...INSTANCE, ...more });
	return { cloud, clock, send, token, gcp, insert };
}

describe("tokens", () => {
	test("a claim that the account's key signed gets one, which is good for an hour", async () => {
		const { clock, send, token } = world();
		const { status, body } = await token();
		expect([status, body]).toEqual([200, { access_token: expect.stringMatching(/^ya29\./), expires_in: 3599, token_type: "Bearer" }]);
		const list = () => send("GET", `${ZONE}/instances`, { authorization: `Bearer ${body.access_token}` }, null);
		expect((await list()).status).toBe(200);
		clock.advance(3_600_000);
		expect(await list()).toMatchObject({ status: 401, body: { error: { errors: [{ reason: "authError" }] } } });
	});

	test.each<[string, object, string]>([
		["for longer than an hour", { exp: 9_999_999_999 }, "invalid_grant"],
		["that ended", { iat: 1, exp: 2 }, "invalid_grant"],
		["for another server", { aud: "https://example.com/other" }, "invalid_grant"],
		["for another service", { scope: "https://www.googleapis.com/auth/drive" }, "invalid_scope"],
		["of an account that is not here", { iss: "other@p.iam" }, "invalid_grant"],
	])("a claim %s gets none", async (_, claim, error) => expect(await world().token(claim)).toMatchObject({ status: 400, body: { error } }));

	test.each([
		"https://oauth2.googleapis.com/token",
		"https://accounts.google.com/o/oauth2/token",
		"https://www.googleapis.com/oauth2/v4/token",
	])("a claim for Google's own token server at %s gets one, wherever it is sent", async (aud) =>
		expect((await world().token({ aud })).status).toBe(200),
	);

	test("a claim that is signed for Compute Engine itself is as good as a token", async () => {
		const { clock, send } = world();
		const now = Math.floor(clock.now() / 1000);
		const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
		const list = (claim: object, key = keyFile.private_key ?? "") => {
			const right = { iss: keyFile.client_email, sub: keyFile.client_email, iat: now, exp: now + 3600 };
			const unsigned = `${encode({ alg: "RS256", typ: "JWT" })}.${encode({ ...right, ...claim })}`;
			const jwt = `${unsigned}.${createSign("RSA-SHA256").update(unsigned).sign(key, "base64url")}`;
			return send("GET", `${ZONE}/instances`, { authorization: `Bearer ${jwt}` }, null);
		};
		const another = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
		const aud = "https://compute.googleapis.com/";
		expect((await list({ aud })).status).toBe(200);
		expect((await list({ scope: "https://www.googleapis.com/auth/cloud-platform" })).status).toBe(200);
		expect((await list({ aud: "https://storage.googleapis.com/" })).status).toBe(401);
		expect((await list({ aud, exp: now })).status).toBe(401);
		expect((await list({ aud }, another)).status).toBe(401);
	});

	test("a claim that another key signed, a changed token and none are refused", async () => {
		const { send, token } = world();
		const another = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
		expect((await token({}, another)).body).toEqual({ error: "invalid_grant", error_description: "Invalid JWT Signature." });
		const { access_token } = (await token()).body;
		for (const headers of [{ authorization: `Bearer ${access_token}x` }, {}])
			expect((await send("GET", `${ZONE}/instances`, headers, null)).status).toBe(401);
	});
});

describe("the life of an instance", () => {
	test("an insert is running when it is answered and done when the VM is; then it stops, starts at another address, and goes", async () => {
		const { cloud, clock, gcp, insert } = world();
		const { body: operation } = await insert();
		expect(operation).toMatchObject({ kind: "compute#operation", operationType: "insert", status: "RUNNING" });
		const status = async () => (await gcp("GET", `${ZONE}/instances/a?fields=status`)).body;
		expect(await status()).toEqual({ status: "STAGING" });
		clock.advance(500);
		expect((await gcp("GET", `${ZONE}/operations/${operation.name}`)).body).toMatchObject({ status: "DONE" });
		const address = cloud.fleet.vms()[0]?.address;
		expect((await gcp("GET", `${ZONE}/instances/a`)).body.networkInterfaces[0].accessConfigs[0].natIP).toBe(address);
		await gcp("POST", `${ZONE}/instances/a/stop`);
		expect([await status(), (await gcp("POST", `${ZONE}/instances/a/start`)).body.error.errors[0].reason]).toEqual([
			{ status: "STOPPING" },
			"resourceNotReady",
		]);
		clock.advance(1000);
		expect(await status()).toEqual({ status: "TERMINATED" });
		await gcp("POST", `${ZONE}/instances/a/start`);
		clock.advance(1000);
		expect([await status(), cloud.fleet.vms()[0]?.address === address]).toEqual([{ status: "RUNNING" }, false]);
		await gcp("POST", `${ZONE}/instances/a/reset`);
		expect(await status()).toEqual({ status: "RUNNING" });
		expect((await gcp("DELETE", `${ZONE}/instances/a`)).status).toBe(200);
		expect([await status(), (await gcp("DELETE", `${ZONE}/instances/a`)).status]).toEqual([{ status: "STOPPING" }, 200]);
		clock.advance(1000);
		expect([(await gcp("GET", `${ZONE}/instances/a`)).status, (await gcp("DELETE", `${ZONE}/instances/a`)).status]).toEqual([404, 404]);
	});

	test("an insert can fail after its 200: the VM was there and is gone, and its operation says that there was no room", async () => {
		const { cloud, clock, gcp, insert } = world();
		cloud.faults.add({ provider: "gcp", operation: "create", failLater: true });
		const { body: operation } = await insert();
		expect((await gcp("GET", `${ZONE}/instances/a`)).status).toBe(200);
		let isOver = false;
		const waiting = gcp("POST", `${ZONE}/operations/${operation.name}/wait`).finally(() => {
			isOver = true;
		});
		for (let steps = 0; steps < 100 && !isOver; steps++) {
			await new Promise((resolve) => setImmediate(resolve));
			clock.advance(50);
		}
		expect((await waiting).body).toMatchObject({ status: "DONE", error: { errors: [{ code: "ZONE_RESOURCE_POOL_EXHAUSTED" }] } });
		expect((await gcp("GET", `${ZONE}/instances/a`)).status).toBe(404);
	});
});

describe("idempotence", () => {
	const id = "01234567-89ab-8cde-8f01-23456789abcd";

	test("the same request id gives the same operation; the same name without it is refused", async () => {
		const { cloud, insert } = world();
		const first = await insert({}, id);
		expect((await insert({}, id)).body.name).toBe(first.body.name);
		expect(await insert()).toMatchObject({ status: 409, body: { error: { errors: [{ reason: "alreadyExists" }] } } });
		expect((await insert({ name: "b" }, "no-uuid")).status).toBe(400);
		expect(cloud.fleet.vms()).toHaveLength(1);
	});
});

describe("lists", () => {
	test("are filtered by label and come in pages; an empty one has no items", async () => {
		const { gcp, insert } = world({ limits: { requestsPerHour: null, pageSize: 2 } });
		expect((await gcp("GET", `${ZONE}/instances`)).body).not.toHaveProperty("items");
		for (const name of ["a", "b", "c"]) await insert({ name, labels: { team: "x" } });
		await insert({ name: "d" });
		const query = `filter=${encodeURIComponent("labels.team=x")}&fields=items/name,nextPageToken`;
		const { body } = await gcp("GET", `${ZONE}/instances?${query}`);
		expect(body).toEqual({ items: [{ name: "a" }, { name: "b" }], nextPageToken: expect.any(String) });
		expect((await gcp("GET", `${ZONE}/instances?${query}&pageToken=${body.nextPageToken}`)).body).toEqual({ items: [{ name: "c" }] });
		expect((await gcp("GET", `${ZONE}/instances?filter=colour`)).status).toBe(400);
		expect((await gcp("GET", `${ZONE}/instances?maxResults=501`)).status).toBe(400);
	});
});

describe("what there is before anybody makes anything", () => {
	const PROJECT = "/compute/v1/projects/p";

	test("zones, their machine types and networks are listed, and shown by name; what is not there is not found", async () => {
		const { gcp } = world();
		expect((await gcp("GET", `${PROJECT}/zones`)).body.items).toContainEqual(
			expect.objectContaining({
				kind: "compute#zone",
				name: "us-central1-a",
				status: "UP",
				region: expect.stringMatching(/\/regions\/us-central1$/),
			}),
		);
		expect((await gcp("GET", `${PROJECT}/regions/us-central1`)).body.zones).toHaveLength(2);
		expect((await gcp("GET", `${ZONE}/machineTypes`)).body.items.map(({ name }: { name: string }) => name)).toContain("e2-micro");
		expect((await gcp("GET", `${ZONE}/diskTypes/pd-standard`)).body).toMatchObject({ kind: "compute#diskType" });
		expect((await gcp("GET", `${ZONE}/machineTypes/e2-micro`)).body).toMatchObject({ guestCpus: 2, memoryMb: 1024, zone: "us-central1-a" });
		expect((await gcp("GET", `${PROJECT}/global/networks/default`)).body).toMatchObject({ kind: "compute#network", name: "default" });
		const images = "/compute/v1/projects/ubuntu-os-cloud/global/images";
		expect((await gcp("GET", `${images}/family/ubuntu-2404-lts-amd64`)).body).toMatchObject({ architecture: "X86_64" });
		for (const path of [`${PROJECT}/zones/mars1-a`, `${ZONE}/machineTypes/x`, `${PROJECT}/global/networks/n`, `${images}/family/x`])
			expect((await gcp("GET", path)).body.error.errors[0].reason).toBe("notFound");
	});

	test("instances of all zones are listed by zone, those without any with a warning", async () => {
		const { gcp, insert } = world();
		await insert();
		const { body } = await gcp("GET", `${PROJECT}/aggregated/instances`);
		expect(body.items["zones/us-central1-a"].instances).toMatchObject([{ name: "a" }]);
		expect(body.items["zones/us-east1-b"]).toMatchObject({ warning: { code: "NO_RESULTS_ON_PAGE" } });
		const filter = encodeURIComponent("labels.team=x");
		expect((await gcp("GET", `${PROJECT}/aggregated/instances?filter=${filter}`)).body.items["zones/us-central1-a"].warning).toBeDefined();
	});

	test("an instance's disk is listed with those of all zones, and goes with it", async () => {
		const { clock, gcp, insert } = world();
		await insert();
		const disks = async () => (await gcp("GET", `${PROJECT}/aggregated/disks`)).body.items["zones/us-central1-a"].disks;
		expect(await disks()).toMatchObject([
			{ kind: "compute#disk", name: "a", sizeGb: "10", users: [expect.stringMatching(/\/instances\/a$/)] },
		]);
		await gcp("DELETE", `${ZONE}/instances/a`);
		clock.advance(2000);
		expect(await disks()).toBeUndefined();
	});

	test("a field of an insert that is null is one that is not given", async () => {
		const { insert } = world();
		expect((await insert({ description: null, scheduling: null, networkInterfaces: null })).status).toBe(200);
		expect((await insert({ name: null })).body.error.message).toContain("resource.name");
	});

	test("an insert takes tags for policies, whole references as clients give them, and an image by itself", async () => {
		const { cloud, gcp, insert } = world();
		const whole = (path: string) => `https://www.googleapis.com/compute/v1/projects/p/${path}`;
		const image = (await gcp("GET", "/compute/v1/projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64")).body.selfLink;
		const resourceManagerTags = { "tagKeys/281480000000": "tagValues/281480000001" };
		const made = await insert({
			machineType: whole("zones/us-central1-a/machineTypes/e2-micro"),
			disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: image, resourceManagerTags } }],
			networkInterfaces: [{ network: whole("global/networks/default"), accessConfigs: [{ name: "External NAT", networkTier: "PREMIUM" }] }],
			params: { resourceManagerTags },
		});
		expect([made.status, cloud.fleet.vms().length]).toEqual([200, 1]);
		const { body } = await gcp("GET", `${ZONE}/instances/a`);
		expect(body.machineType).toMatch(/\/projects\/p\/zones\/us-central1-a\/machineTypes\/e2-micro$/);
		expect(body).not.toHaveProperty("params");
		const rule = {
			name: "r",
			network: whole("global/networks/default"),
			allowed: [{ IPProtocol: "tcp" }],
			params: { resourceManagerTags },
		};
		await gcp("POST", FIREWALLS, rule);
		expect((await gcp("GET", `${FIREWALLS}/r`)).body.network).toBe(whole("global/networks/default"));
	});
});

describe("firewall rules", () => {
	const RULE = { name: "r", allowed: [{ IPProtocol: "tcp", ports: ["8899"] }], sourceRanges: ["192.0.2.0/24"] };

	test("are made once, changed by what a PATCH names, and open to everyone when they name no source", async () => {
		const { gcp } = world();
		expect((await gcp("POST", FIREWALLS, RULE)).body).toMatchObject({ operationType: "insert" });
		expect((await gcp("POST", FIREWALLS, RULE)).status).toBe(409);
		await gcp("PATCH", `${FIREWALLS}/r`, { disabled: true });
		expect((await gcp("GET", `${FIREWALLS}/r`)).body).toMatchObject({ ...RULE, disabled: true });
		await gcp("PATCH", `${FIREWALLS}/r`, { sourceRanges: [] });
		expect((await gcp("GET", `${FIREWALLS}/r`)).body.sourceRanges).toEqual(["0.0.0.0/0"]);
		expect((await gcp("GET", FIREWALLS)).body.items).toHaveLength(1);
		expect((await gcp("DELETE", `${FIREWALLS}/r`)).status).toBe(200);
		expect((await gcp("GET", `${FIREWALLS}/r`)).status).toBe(404);
	});

	test("take no mixture of IPv4 and IPv6", async () => {
		const answer = await world().gcp("POST", FIREWALLS, { ...RULE, sourceRanges: ["192.0.2.0/24", "2001:db8::/32"] });
		expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining("Cannot mix IPv4 and IPv6")]);
	});
});

describe("what it refuses", () => {
	test.each<[string, object, number]>([
		["a name that is none", { name: "A_b" }, 400],
		["a label that is none", { labels: { Team: "X" } }, 400],
		["an unknown machine type", { machineType: "zones/us-central1-a/machineTypes/x1" }, 400],
		["a machine type of another zone", { machineType: "zones/us-east1-b/machineTypes/e2-micro" }, 400],
		["an image of another architecture", { machineType: "zones/us-central1-a/machineTypes/t2a-standard-1" }, 400],
		["a network that is not there", { networkInterfaces: [{ network: "global/networks/other" }] }, 404],
		["a field that its schema does not name", { colour: "red" }, 400],
	])("%s", async (_, more, status) => expect((await world().insert(more)).status).toBe(status));

	test("more instances than the account may have, and more calls than it may make", async () => {
		// Each call of these comes with one for its token.
		const { insert, token } = world({ limit: 1, limits: { requestsPerHour: 4 } });
		expect((await insert()).status).toBe(200);
		expect((await insert({ name: "b" })).body.error.errors[0].reason).toBe("quotaExceeded");
		expect(await token()).toMatchObject({ status: 403, body: { error: { errors: [{ reason: "rateLimitExceeded" }] } } });
	});
});

test("the journal holds no token, no claim and no user data", async () => {
	const { cloud, gcp, insert } = world();
	await insert({ metadata: { items: [{ key: "user-data", value: "a-secret" }] } });
	await gcp("GET", `${ZONE}/instances/a`);
	expect(cloud.journal.text()).not.toMatch(/ya29|assertion|a-secret/);
});
