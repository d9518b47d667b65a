import { describe, expect, test } from "vitest";
import { localCloud } from "./helpers.ts";

const SUBSCRIPTION = "/subscriptions/5ca1ab1e-1111-4000-8000-000000000001";
const GROUP = `${SUBSCRIPTION}/resourceGroups/g`;
const MACHINES = `${GROUP}/providers/Microsoft.Compute/virtualMachines`;
const NETWORK = `${GROUP}/providers/Microsoft.Network`;
const LOGIN = "/5ca1ab1e-2222-4000-8000-000000000002/oauth2/v2.0/token";
const FORM = {
	grant_type: "client_credentials",
	client_id: "5ca1ab1e-3333-4000-8000-000000000003",
	client_secret: "local-test",
	scope: "https://management.azure.com/.default",
};
const KEY = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from("ssh-ed25519"), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32)]).toString("base64")}`;
const TAGS = { muster: "true", "muster-vm": "a" };
const RULE = { protocol: "Tcp", access: "Allow", direction: "Inbound", priority: 100, destinationPortRange: "8899" };

type Body = ReturnType<typeof machine>;
function machine() {
	return {
		location: "eastus",
		tags: TAGS,
		properties: {
			hardwareProfile: { vmSize: "Standard_B1s" },
			storageProfile: {
				imageReference: { publisher: "Canonical", offer: "ubuntu-24_04-lts", sku: "server", version: "latest" },
				osDisk: { name: "a", createOption: "FromImage", deleteOption: "Delete" },
			},
			osProfile: {
				computerName: "a",
				adminUsername: "muster",
				customData: btoa("#cloud-config\n"),
				linuxConfiguration: {
					disablePasswordAuthentication: true,
					ssh: { publicKeys: [{ path: "/home/muster/.ssh/authorized_keys", keyData: KEY }] },
				},
			},
			networkProfile: {
				networkApiVersion: "2022-11-01",
				networkInterfaceConfigurations: [
					{
						name: "nic",
						tags: TAGS,
						properties: {
							networkSecurityGroup: { id: `${NETWORK}/networkSecurityGroups/n` },
							ipConfigurations: [
								{
									name: "ip",
									properties: {
										subnet: { id: `${NETWORK}/virtualNetworks/v/subnets/s` },
										publicIPAddressConfiguration: {
											name: "pip",
											sku: { name: "Standard" },
											properties: { publicIPAllocationMethod: "Static" },
										},
									},
								},
							],
						},
					},
				],
			},
		},
	};
}

/** A local cloud with time turned by hand, and an account's calls of its Resource Manager. */
function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { cloud, clock } = localCloud({ bootMs: 1000, ...options });
	const send = async (method: string, path: string, headers: Readonly<Record<string, string>>, body: string | null) => {
		const response = await cloud.fetch(
			new Request(`http://cloud.test/azure${path}`, { method, headers, ...(body === null ? {} : { body }) }),
		);
		const text = await response.text();
		return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
	};
	const token = (form: object = {}, path = LOGIN) => send("POST", path, {}, new URLSearchParams({ ...FORM, ...form }).toString());
	const azure = async (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) => {
		const { access_token } = (await token()).body;
		const versioned = `${path}${path.includes("?") ? "&" : "?"}api-version=2025-04-01`;
		const all = { ...headers, authorization: `Bearer ${access_token}` };
		return send(method, versioned, all, body === undefined ? null : JSON.stringify(body));
	};
	/** Makes the group, the network and the security group that `machine` names. */
	const prepare = async () => {
		await azure("PUT", GROUP, { location: "eastus" });
		const subnets = [{ name: "s", properties: { addressPrefix: "10.77.0.0/16" } }];
		const properties = { addressSpace: { addressPrefixes: ["10.77.0.0/16"] }, subnets };
		await azure("PUT", `${NETWORK}/virtualNetworks/v`, { location: "eastus", properties });
		await azure("PUT", `${NETWORK}/networkSecurityGroups/n`, { location: "eastus", properties: { securityRules: [] } });
		clock.advance(1000);
	};
	const put = (name = "a", change: (body: Body) => unknown = () => null, headers: Readonly<Record<string, string>> = {}) => {
		const body = machine();
		change(body);
		return azure("PUT", `${MACHINES}/${name}`, body, headers);
	};
	const codeOf = async (call: Promise<{ status: number; body: { error: { code: string } } }>) => {
		const { status, body } = await call;
		return [status, body.error.code];
	};
	return { cloud, clock, send, token, azure, prepare, put, codeOf };
}

describe("tokens", () => {
	test("are given for a client secret, and are good for an hour", async () => {
		const { clock, send, token } = world();
		const { status, body } = await token();
		expect([status, body]).toEqual([
			200,
			{ token_type: "Bearer", expires_in: 3599, ext_expires_in: 3599, access_token: expect.stringMatching(/^eyJ0\./) },
		]);
		const call = (bearer: string) =>
			send("PUT", `${GROUP}?api-version=2021-04-01`, { authorization: `Bearer ${bearer}` }, '{"location":"eastus"}');
		expect((await call(body.access_token)).status).toBe(201);
		expect((await call(`${body.access_token}x`)).body.error.code).toBe("InvalidAuthenticationToken");
		clock.advance(3_600_000);
		expect((await call(body.access_token)).status).toBe(401);
		expect((await send("GET", `${GROUP}?api-version=2021-04-01`, {}, null)).body.error.code).toBe("AuthenticationFailed");
	});

	test.each<[string, object, string, number, string]>([
		["a secret that it does not know", { client_secret: "other" }, LOGIN, 401, "invalid_client"],
		["another grant", { grant_type: "password" }, LOGIN, 400, "unsupported_grant_type"],
		["another service", { scope: "https://graph.microsoft.com/.default" }, LOGIN, 400, "invalid_scope"],
		["a client that is none", { client_id: "me" }, LOGIN, 400, "unauthorized_client"],
		["a tenant that is none", {}, "/nowhere/oauth2/v2.0/token", 400, "invalid_request"],
	])("are not given for %s", async (_, form, path, status, error) =>
		expect(await world().token(form, path)).toMatchObject({
			status,
			body: { error, error_description: expect.stringMatching(/^AADSTS\d+: /) },
		}),
	);
});

test("a tenant's directory says without a token where its tokens are had; another one is none", async () => {
	const { send } = world();
	const tenant = LOGIN.split("/")[1];
	const { status, body } = await send("GET", `/${tenant}/v2.0/.well-known/openid-configuration`, {}, null);
	expect([status, body]).toMatchObject([
		200,
		{ token_endpoint: `http://cloud.test/azure${LOGIN}`, issuer: `http://cloud.test/azure/${tenant}/v2.0` },
	]);
	const nowhere = await send("GET", "/nowhere/v2.0/.well-known/openid-configuration", {}, null);
	expect(nowhere).toMatchObject({ status: 400, body: { error: "invalid_tenant" } });
});

describe("the life of a VM", () => {
	test("its view says what it does, by itself and in the VM", async () => {
		const { clock, azure, prepare, put } = world();
		await prepare();
		await put();
		const codes = async () => {
			const { body } = await azure("GET", `${MACHINES}/a/instanceView`);
			const { body: whole } = await azure("GET", `${MACHINES}/a?$expand=instanceView`);
			expect(whole.properties.instanceView).toEqual(body);
			return body.statuses.map(({ code }: { code: string }) => code);
		};
		expect(await codes()).toEqual(["ProvisioningState/creating"]);
		clock.advance(1000);
		expect(await codes()).toEqual(["ProvisioningState/succeeded", "PowerState/running"]);
		expect((await azure("GET", `${MACHINES}/b/instanceView`)).body.error.code).toBe("ResourceNotFound");
	});

	test("it is being made when it is answered, runs at a public address of its interface, and goes with all its parts", async () => {
		const { cloud, clock, azure, prepare, put } = world();
		await prepare();
		const made = await put();
		expect([made.status, made.body.properties.provisioningState, made.body.properties.osProfile.customData]).toEqual([
			201,
			"Creating",
			undefined,
		]);
		const operation =
			made.headers
				.get("azure-asyncoperation")
				?.replace(/^.*\/azure/, "")
				.replace(/\?.*/, "") ?? "";
		expect((await azure("GET", operation)).body.status).toBe("InProgress");
		clock.advance(500);
		expect((await azure("GET", operation)).body).toMatchObject({ status: "Succeeded", endTime: expect.any(String) });
		const { body } = await azure("GET", `${MACHINES}/a?$expand=instanceView`);
		expect(body.properties.instanceView.statuses.map(({ code }: { code: string }) => code)).toEqual([
			"ProvisioningState/succeeded",
			"PowerState/running",
		]);
		const [{ id }] = body.properties.networkProfile.networkInterfaces;
		expect(id).toMatch(/\/networkInterfaces\/nic-[0-9a-f]{8}$/);
		const ofInterface = async (query: string) =>
			(await azure("GET", `${id}${query}`)).body.properties.ipConfigurations[0].properties.publicIPAddress;
		expect(await ofInterface("")).not.toHaveProperty("properties");
		expect((await ofInterface("?$expand=ipConfigurations/publicIPAddress")).properties.ipAddress).toBe(cloud.fleet.vms()[0]?.address);
		expect(await azure("DELETE", id)).toMatchObject({ status: 400, body: { error: { code: "NicInUse" } } });

		expect((await azure("DELETE", `${MACHINES}/a?forceDeletion=true`)).status).toBe(202);
		expect((await azure("GET", `${MACHINES}/a`)).body.properties.provisioningState).toBe("Deleting");
		clock.advance(1000);
		expect([(await azure("GET", `${MACHINES}/a`)).status, (await azure("DELETE", `${MACHINES}/a`)).status]).toEqual([404, 204]);
		expect((await azure("GET", `${GROUP}/resources`)).body.value).toEqual([]);
	});

	test("one that fails after its 201 stays as failed, and leaves its interface and its address when it is deleted", async () => {
		const { cloud, clock, azure, prepare, put, codeOf } = world();
		await prepare();
		cloud.faults.add({ provider: "azure", operation: "create", failLater: true });
		const { headers } = await put();
		clock.advance(500);
		const operation =
			headers
				.get("azure-asyncoperation")
				?.replace(/^.*\/azure/, "")
				.replace(/\?.*/, "") ?? "";
		expect((await azure("GET", operation)).body).toMatchObject({ status: "Failed", error: { code: "AllocationFailed" } });
		expect((await azure("GET", `${MACHINES}/a`)).body.properties.provisioningState).toBe("Failed");
		await azure("DELETE", `${MACHINES}/a`);
		const left = async () => (await azure("GET", `${GROUP}/resources`)).body.value as { id: string; type: string }[];
		const [nic, address, ...more] = await left();
		expect([nic?.type, address?.type, more]).toEqual(["Microsoft.Network/networkInterfaces", "Microsoft.Network/publicIPAddresses", []]);
		expect(await codeOf(azure("DELETE", address?.id ?? ""))).toEqual([400, "PublicIPAddressCannotBeDeleted"]);
		expect((await azure("DELETE", nic?.id ?? "")).status).toBe(202);
		clock.advance(500);
		expect((await azure("DELETE", address?.id ?? "")).status).toBe(202);
		clock.advance(500);
		expect(await left()).toEqual([]);
	});

	test("it can be restarted while it runs, and keeps its address", async () => {
		const { cloud, clock, azure, prepare, put, codeOf } = world();
		await prepare();
		await put();
		expect(await codeOf(azure("POST", `${MACHINES}/a/restart`))).toEqual([409, "OperationNotAllowed"]);
		clock.advance(1000);
		const [before] = cloud.fleet.vms();
		expect((await azure("POST", `${MACHINES}/a/restart`)).status).toBe(202);
		const power = async () => (await azure("GET", `${MACHINES}/a?$expand=instanceView`)).body.properties.instanceView.statuses.at(-1).code;
		expect(await power()).toBe("PowerState/starting");
		clock.advance(1000);
		expect([await power(), cloud.fleet.vms()[0]?.address]).toEqual(["PowerState/running", before?.address]);
		expect(await codeOf(azure("POST", `${MACHINES}/b/restart`))).toEqual([404, "ResourceNotFound"]);
	});

	test("its tags can be merged and taken off one by one", async () => {
		const { azure, prepare, put } = world();
		await prepare();
		await put();
		const path = `${MACHINES}/a/providers/Microsoft.Resources/tags/default`;
		const change = async (operation: string, tags: object) =>
			(await azure("PATCH", path, { operation, properties: { tags } })).body.properties.tags;
		expect(await change("Merge", { team: "x" })).toEqual({ ...TAGS, team: "x" });
		expect(await change("Delete", TAGS)).toEqual({ team: "x" });
		expect((await azure("GET", `${MACHINES}/a`)).body.tags).toEqual({ team: "x" });
	});
});

describe("the same name", () => {
	test("is the same VM when it is asked for alike, refused when its custom data differ, and refused when none may exist", async () => {
		const { cloud, prepare, put, codeOf } = world();
		await prepare();
		await put();
		expect((await put("A")).status).toBe(200);
		expect(await codeOf(put("a", ({ properties }) => Object.assign(properties.osProfile, { customData: btoa("other") })))).toEqual([
			409,
			"PropertyChangeNotAllowed",
		]);
		expect(await codeOf(put("a", undefined, { "if-none-match": "*" }))).toEqual([412, "PreconditionFailed"]);
		expect((await put("b", undefined, { "if-none-match": "*" })).status).toBe(201);
		expect(cloud.fleet.vms()).toHaveLength(2);
	});
});

describe("lists", () => {
	test("come in pages with a link to the next; states are only in the list of the whole subscription", async () => {
		const { azure, prepare, put } = world({ limits: { requestsPerHour: null, pageSize: 2 } });
		await prepare();
		for (const name of ["a", "b", "c"]) await put(name);
		const { body } = await azure("GET", MACHINES);
		expect([body.value.length, body.nextLink]).toEqual([2, expect.stringContaining(`http://cloud.test/azure${MACHINES}?`)]);
		const next = await azure("GET", body.nextLink.replace("http://cloud.test/azure", ""));
		expect([next.body.value.map(({ name }: { name: string }) => name), next.body.nextLink]).toEqual([["c"], undefined]);
		expect(next.body.value[0].properties).not.toHaveProperty("instanceView");
		const states = await azure("GET", `${SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines?statusOnly=true`);
		expect(Object.keys(states.body.value[0].properties)).toEqual(["vmId", "instanceView"]);
	});

	test("of resources can be asked by type, and by tag, when they show no tags", async () => {
		const { azure, prepare, put, codeOf } = world();
		await prepare();
		await put();
		const list = async (filter: string) => (await azure("GET", `${GROUP}/resources?$filter=${encodeURIComponent(filter)}`)).body.value;
		expect(await list("resourceType eq 'Microsoft.Compute/disks'")).toMatchObject([{ name: "a", tags: TAGS }]);
		const tagged = await list("tagName eq 'muster-vm' and tagValue eq 'a'");
		expect([tagged.length, tagged.some((one: object) => "tags" in one)]).toEqual([3, false]);
		expect(await codeOf(azure("GET", `${GROUP}/resources?$filter=name`))).toEqual([400, "InvalidFilterInQueryString"]);
	});

	test("of a group that does not exist are refused", async () => {
		expect(await world().codeOf(world().azure("GET", MACHINES))).toEqual([404, "ResourceGroupNotFound"]);
	});
});

describe("security groups", () => {
	const put = ({ azure }: ReturnType<typeof world>, rule: object, location = "eastus") =>
		azure("PUT", `${NETWORK}/networkSecurityGroups/n`, {
			location,
			properties: { securityRules: [{ name: "r", properties: { ...RULE, ...rule } }] },
		});

	test("are replaced by a PUT, which takes a moment, and show every field", async () => {
		const here = world();
		await here.prepare();
		const { status, body } = await put(here, { sourceAddressPrefix: "*" });
		expect([status, body.properties.provisioningState]).toEqual([200, "Updating"]);
		expect(await here.codeOf(here.put())).toEqual([409, "ReferencedResourceNotProvisioned"]);
		here.clock.advance(300);
		expect((await here.azure("GET", `${NETWORK}/networkSecurityGroups/n`)).body.properties).toMatchObject({
			provisioningState: "Succeeded",
			securityRules: [{ name: "r", properties: { ...RULE, sourceAddressPrefix: "*", sourceAddressPrefixes: [] } }],
		});
		expect((await here.put()).status).toBe(201);
	});

	test.each<[string, object]>([
		["IPv4 and IPv6 in one rule", { sourceAddressPrefixes: ["192.0.2.0/24", "2001:db8::/32"] }],
		["no source", {}],
		["one source and several", { sourceAddressPrefix: "*", sourceAddressPrefixes: ["192.0.2.0/24"] }],
		["a source that is none", { sourceAddressPrefixes: ["everyone"] }],
		["a priority that is out of bounds", { sourceAddressPrefix: "*", priority: 99 }],
	])("refuse %s", async (_, rule) => {
		const here = world();
		await here.prepare();
		expect(await here.codeOf(put(here, rule))).toEqual([400, "InvalidParameter"]);
	});

	test("do not move to another location", async () => {
		const here = world();
		await here.prepare();
		expect(await here.codeOf(put(here, { sourceAddressPrefix: "*" }, "westeurope"))).toEqual([409, "InvalidResourceLocation"]);
	});
});

describe("what it refuses", () => {
	test.each<[string, (body: Body) => unknown, number, string]>([
		["an unknown size", ({ properties }) => Object.assign(properties.hardwareProfile, { vmSize: "Standard_X1" }), 400, "InvalidParameter"],
		[
			"an image that is not there",
			({ properties }) => Object.assign(properties.storageProfile.imageReference, { sku: "x" }),
			404,
			"PlatformImageNotFound",
		],
		[
			"an image of another architecture",
			({ properties }) => Object.assign(properties.storageProfile.imageReference, { sku: "server-arm64" }),
			400,
			"BadRequest",
		],
		["spot for a burstable size", ({ properties }) => Object.assign(properties, { priority: "Spot" }), 400, "BadRequest"],
		[
			"an administrator called root",
			({ properties }) => Object.assign(properties.osProfile, { adminUsername: "root" }),
			400,
			"InvalidParameter",
		],
		[
			"custom data that are not base64",
			({ properties }) => Object.assign(properties.osProfile, { customData: "#cloud-config" }),
			400,
			"InvalidParameter",
		],
		[
			"custom data that are too long",
			({ properties }) => Object.assign(properties.osProfile, { customData: btoa("x".repeat(65_536)) }),
			400,
			"InvalidParameter",
		],
		[
			"a key that is none",
			({ properties }) => Object.assign(properties.osProfile.linuxConfiguration.ssh.publicKeys[0] ?? {}, { keyData: "ssh-ed25519 AAAA" }),
			400,
			"InvalidParameter",
		],
		["a network of another location", (body) => Object.assign(body, { location: "westeurope" }), 400, "InvalidResourceReference"],
		["a location that is none", (body) => Object.assign(body, { location: "atlantis" }), 400, "LocationNotAvailableForResourceType"],
		["a field that its schema does not name", (body) => Object.assign(body.properties, { colour: "red" }), 400, "InvalidParameter"],
	])("%s", async (_, change, status, code) => {
		const { prepare, put, codeOf } = world();
		await prepare();
		expect(await codeOf(put("a", change))).toEqual([status, code]);
	});

	test("a call without an API version, and a subscription that is none", async () => {
		const { token, send, azure, codeOf } = world();
		const { access_token } = (await token()).body;
		expect(await codeOf(send("GET", GROUP, { authorization: `Bearer ${access_token}` }, null))).toEqual([
			400,
			"MissingApiVersionParameter",
		]);
		expect(await codeOf(azure("GET", "/subscriptions/mine/resourceGroups/g"))).toEqual([404, "SubscriptionNotFound"]);
	});

	test("more VMs than the account may have, and more calls than it may make, with the time to come back", async () => {
		// Each call of these comes with one for its token.
		const { prepare, put, token } = world({ limit: 1, limits: { requestsPerHour: 10 } });
		await prepare();
		expect((await put()).status).toBe(201);
		expect((await put("b")).body.error).toMatchObject({ code: "OperationNotAllowed", message: expect.stringContaining("Cores quota") });
		const refused = await token();
		expect([refused.status, refused.body.error.code, Number(refused.headers.get("retry-after")) > 3000]).toEqual([
			429,
			"TooManyRequests",
			true,
		]);
	});
});

test("the journal holds no token, no client secret and no custom data", async () => {
	const { cloud, prepare, put } = world();
	await prepare();
	await put("a", ({ properties }) => Object.assign(properties.osProfile, { customData: btoa("a-secret-of-the-vm") }));
	for (const text of ["eyJ0", "local-test", btoa("a-secret-of-the-vm")]) expect(cloud.journal.text()).not.toContain(text);
});
