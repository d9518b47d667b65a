import { beforeEach, describe, expect, it } from "vitest";
import { azure } from "../../../src/providers/azure/driver.ts";
import type { AzureAccount } from "../../../src/providers/azure/settings.ts";
import type { CreateRequest, ProviderContext } from "../../../src/providers/base/provider.ts";
import { refuse } from "../../cloud/azure-answers.ts";
import type { Thing } from "../../cloud/azure-network.ts";
import { atLocalCloud, type Seen } from "./at-local-cloud.ts";
import { ASK, answer, failureOf } from "./scripted.ts";

const SUBSCRIPTION = "5ca1ab1e-1111-4000-8000-000000000001";
const TENANT = "5ca1ab1e-2222-4000-8000-000000000002";
const CLIENT = "5ca1ab1e-3333-4000-8000-000000000003";
const GROUP = `/azure/subscriptions/${SUBSCRIPTION}/resourceGroups/cloudproxy-rg`;
const MACHINES = `${GROUP}/providers/Microsoft.Compute/virtualMachines`;
const MACHINE = `${MACHINES}/${ASK.name}`;
const NETWORK = `${GROUP}/providers/Microsoft.Network`;
const TOKEN = `/azure/${TENANT}/oauth2/v2.0/token`;
const OPERATIONS = /\/locations\/eastus\/operations\//;
const ID = `cloudproxy-rg/${ASK.name}`;
const LABELS = { muster: "true", "muster-deployment": "dep1", "muster-pool": "pool1", "muster-intent": "intent0001" };

let accounts = 0;
let client_secret: string;
let world: ReturnType<typeof atLocalCloud>;
beforeEach(() => {
	client_secret = `local-azure-${++accounts}`;
	world = atLocalCloud("azure");
});

type Settings = Partial<Record<keyof AzureAccount, string>>;
const accountOf = (settings: Settings = {}) => {
	const ids = { subscription_id: SUBSCRIPTION, tenant_id: TENANT, client_id: CLIENT, client_secret };
	return azure.schema.parse({ ...ids, api_url: world.base, login_url: world.base, ...settings });
};
const open = (settings: Settings = {}, more: Partial<ProviderContext> = {}) => azure.create(accountOf(settings), world.context(more));
const create = (settings: Settings = {}, ask: CreateRequest = ASK) => world.done(open(settings).create(ask));
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
const collection = (kind: string) => Object.values(world.cloud.fleet.collections)[0]?.[kind] ?? {};
const lookUp = (vm: string | null = null) => ({ vm, name: ASK.name, tags: ASK.tags });
const other = (n: number): CreateRequest => ({ ...ASK, name: `muster-dep1-other${n}`, tags: { ...ASK.tags, intent: `other${n}` } });

describe("settings", () => {
	it("have the documented defaults, and are shown without secrets", () => {
		const account = accountOf({ api_url: undefined as never, login_url: undefined as never });
		const ids = { subscription_id: SUBSCRIPTION, tenant_id: TENANT, client_id: CLIENT };
		const shown = {
			resource_group: "cloudproxy-rg",
			size: "Standard_B1s",
			location: "eastus",
			spot: false,
			api_url: "https://management.azure.com",
			login_url: "https://login.microsoftonline.com",
		};
		expect(account).toEqual({ ...shown, ...ids, client_secret, image: null, hourly_price: null });
		const { client_secret: _, ...rest } = account;
		expect(azure.shown(rest)).toEqual({ ...shown, region: "eastus", image: "Canonical:ubuntu-24_04-lts:server:latest" });
	});

	it.each<[string, Settings]>([
		["a subscription that is no id", { subscription_id: "../other" }],
		["a group that is none", { resource_group: "a/b" }],
		["a group that ends in a dot", { resource_group: "a." }],
		["an image without its version", { image: "Canonical:ubuntu-24_04-lts:server" }],
		["a secret that no header carries", { client_secret: "line\nbreak" }],
	])("refuse %s", (_, settings) => expect(() => accountOf(settings)).toThrow());
});

describe("tokens", () => {
	const fetches = () => lines().filter((line) => line === `POST ${TOKEN}`).length;

	it("are fetched once for all who ask at once, kept, and renewed some minutes before they end", async () => {
		await Promise.all([1, 2, 3].map(() => open().list()));
		world.clock.advance(50 * 60_000);
		await open().list();
		expect(fetches()).toBe(1);
		world.clock.advance(5 * 60_000);
		await open().list();
		expect(fetches()).toBe(2);
	});

	it("that end before their time are an auth failure once, and replaced by the next call", async () => {
		await open().list();
		on("GET", MACHINES, () => refuse(401, "ExpiredAuthenticationToken", "The access token expiry is earlier than now."));
		expect((await failureOf(open().list())).kind).toBe("auth");
		world.intercept = () => null;
		expect(await open().list()).toEqual([]);
		expect(fetches()).toBe(2);
	});

	it("are asked for with the client's secret, for Resource Manager", async () => {
		await open().list();
		expect(Object.fromEntries(world.calls[0]?.form ?? [])).toEqual({
			grant_type: "client_credentials",
			client_id: CLIENT,
			client_secret,
			scope: "https://management.azure.com/.default",
		});
	});

	it("are for a sovereign cloud's own Resource Manager where that is the API", async () => {
		on("POST", TOKEN, () => answer(401, { error: "invalid_client" }));
		await failureOf(open({ api_url: "https://management.usgovcloudapi.net" }).list());
		expect(world.calls[0]?.form.get("scope")).toBe("https://management.usgovcloudapi.net/.default");
	});

	it("that are not given are an auth failure in the directory's own words, without the secret", async () => {
		on("POST", TOKEN, () => answer(401, { error: "invalid_client", error_description: `AADSTS7000215: ${client_secret} is wrong.` }));
		const failure = { kind: "auth", message: "Azure: invalid_client: AADSTS7000215: *** is wrong. (HTTP 401)" };
		expect(await failureOf(open().list())).toEqual(failure);
		expect(await failureOf(open().create(ASK))).toEqual(failure);
	});
});

describe("create", () => {
	it("asks with one PUT for a VM with its disk, interface and address, all marked to go with it, and never changes one", async () => {
		expect(await create()).toEqual({ vm: ID, name: ASK.name, state: "starting", address: null, tags: ASK.tags });
		const call = world.calls.find(({ method, url }) => method === "PUT" && url.pathname === MACHINE);
		expect([call?.url.search, call?.headers.get("if-none-match")]).toEqual(["?api-version=2025-04-01", "*"]);
		const tags = { ...LABELS, "muster-vm": ASK.name };
		const network = NETWORK.slice("/azure".length);
		expect(sent("PUT", MACHINE)).toEqual({
			location: "eastus",
			tags,
			properties: {
				hardwareProfile: { vmSize: "Standard_B1s" },
				storageProfile: {
					imageReference: { publisher: "Canonical", offer: "ubuntu-24_04-lts", sku: "server", version: "latest" },
					osDisk: {
						name: ASK.name,
						createOption: "FromImage",
						deleteOption: "Delete",
						managedDisk: { storageAccountType: "StandardSSD_LRS" },
					},
				},
				osProfile: {
					computerName: ASK.name,
					adminUsername: "muster",
					customData: btoa(ASK.userData),
					linuxConfiguration: {
						disablePasswordAuthentication: true,
						ssh: {
							publicKeys: [{ path: "/home/muster/.ssh/authorized_keys", keyData: expect.stringMatching(/^ssh-ed25519 AAAAC3[\w+/]{62} /) }],
						},
					},
				},
				networkProfile: {
					networkApiVersion: "2022-11-01",
					networkInterfaceConfigurations: [
						{
							name: ASK.name,
							tags,
							properties: {
								primary: true,
								deleteOption: "Delete",
								networkSecurityGroup: { id: `${network}/networkSecurityGroups/muster-dep1-eastus` },
								ipConfigurations: [
									{
										name: ASK.name,
										properties: {
											primary: true,
											subnet: { id: `${network}/virtualNetworks/muster-dep1-eastus/subnets/proxies` },
											publicIPAddressConfiguration: {
												name: ASK.name,
												tags,
												sku: { name: "Standard" },
												properties: { deleteOption: "Delete", publicIPAllocationMethod: "Static" },
											},
										},
									},
								],
							},
						},
					],
				},
			},
		});
	});

	it("gives each VM a key of its own, of which nobody keeps the private half", async () => {
		await create();
		await create({}, other(1));
		const keyOf = (path: string) => sent("PUT", path).properties.osProfile.linuxConfiguration.ssh.publicKeys[0].keyData;
		expect(keyOf(MACHINE)).not.toBe(keyOf(`${MACHINES}/${other(1).name}`));
	});

	it.each([
		["Standard_B1s", "server"],
		["Standard_B2pts_v2", "server-arm64"],
		["Standard_D2ps_v5", "server-arm64"],
		["Standard_D2s_v3", "server"],
	])("takes the image that fits %s", async (size, sku) => {
		await create({ size });
		expect(sent("PUT", MACHINE).properties.storageProfile.imageReference.sku).toBe(sku);
	});

	it("takes the operator's own image, and spot capacity at any price up to the usual", async () => {
		await create({ size: "Standard_D2s_v3", spot: "True", image: "Debian:debian-12:12-gen2:latest" });
		expect(sent("PUT", MACHINE).properties).toMatchObject({
			storageProfile: { imageReference: { publisher: "Debian", offer: "debian-12", sku: "12-gen2", version: "latest" } },
			priority: "Spot",
			evictionPolicy: "Delete",
			billingProfile: { maxPrice: -1 },
		});
	});

	it.each([
		["capacity", "AllocationFailed"],
		["capacity", "ZonalAllocationFailed"],
		["capacity", "OverconstrainedAllocationRequest"],
		["quota", "PublicIPCountLimitReached"],
		["transient", "InternalExecutionError"],
		["invalid", "VMExtensionProvisioningError"],
	])("that was accepted and then failed is %s by %s, in its own words, and what there was is deleted", async (kind, code) => {
		on("GET", OPERATIONS, ({ url }) =>
			url.pathname.includes("Microsoft.Compute")
				? answer(200, { status: "Failed", error: { code, message: "No room here." } })
				: answer(200, { status: "Succeeded" }),
		);
		expect(await world.done(failureOf(open().create(ASK)))).toEqual({ kind, message: `Azure: ${code}: No room here.` });
		expect([lines().at(-1), world.cloud.fleet.vms()]).toEqual([`DELETE ${MACHINE}`, []]);
	});

	it("that was accepted is a VM, also when what comes of it does not show within ten seconds, or not at all", async () => {
		on("GET", OPERATIONS, ({ url }) =>
			answer(200, { status: url.pathname.includes("Microsoft.Compute") ? "InProgress" : "Succeeded" }, { "retry-after": "1" }),
		);
		expect(await create()).toMatchObject({ vm: ID, state: "starting" });
		const looks = lines().filter((line) => line.includes("Microsoft.Compute/locations")).length;
		expect([looks > 1, looks <= 10]).toEqual([true, true]);
		on("GET", OPERATIONS, () => Promise.reject(new TypeError("connection lost")));
		expect(await create({}, other(1))).toMatchObject({ state: "starting" });
		expect(world.cloud.fleet.vms()).toHaveLength(2);
	});

	it("looks for the outcome at its own Resource Manager, whatever host the answer names", async () => {
		on("PUT", MACHINE, () =>
			answer(
				201,
				{},
				{ "azure-asyncoperation": `https://evil.example/x/subscriptions/${SUBSCRIPTION}/operations/1?api-version=2025-04-01` },
			),
		);
		await create();
		expect(new Set(world.calls.map(({ url }) => url.host))).toEqual(new Set(["cloud.test"]));
		expect(lines()).toContain(`GET /azure/subscriptions/${SUBSCRIPTION}/operations/1`);
	});

	it.each([
		["rate", 429, "TooManyRequests"],
		["rate", 429, "OperationNotAllowed"],
		["conflict", 429, "AnotherOperationInProgress"],
		["transient", 429, "RetryableError"],
		["quota", 409, "QuotaExceeded"],
		["quota", 400, "PublicIPCountLimitReached"],
		["invalid", 409, "OperationNotAllowed"],
		["invalid", 409, "MissingSubscriptionRegistration"],
		["invalid", 403, "RequestDisallowedByPolicy"],
		["invalid", 404, "PlatformImageNotFound"],
		["invalid", 400, "InvalidParameter"],
		["capacity", 409, "SkuNotAvailable"],
		["capacity", 409, "AllocationFailed"],
		["auth", 401, "InvalidAuthenticationToken"],
		["auth", 403, "AuthorizationFailed"],
		["auth", 404, "SubscriptionNotFound"],
		["conflict", 412, "PreconditionFailed"],
		["conflict", 409, "PropertyChangeNotAllowed"],
		["transient", 400, "InvalidResourceReference"],
		["transient", 409, "ReferencedResourceNotProvisioned"],
		["unknown", 500, "InternalServerError"],
		["unknown", 503, "AllocationFailed"],
	])("fails as %s on %i %s, in Azure's own words", async (kind, status, code) => {
		on("PUT", MACHINE, () => refuse(status, code, "A sentence of Azure's."));
		expect(await world.done(failureOf(open().create(ASK)))).toEqual({ kind, message: `Azure: A sentence of Azure's. (HTTP ${status})` });
	});

	it("is a quota failure where what is not allowed is more cores", async () => {
		on("PUT", MACHINE, () => refuse(409, "OperationNotAllowed", "It results in exceeding approved Total Regional Cores quota."));
		expect((await world.done(failureOf(open().create(ASK)))).kind).toBe("quota");
	});
});

describe("the network", () => {
	const securityGroups = () => Object.values(collection("security-groups")) as unknown as Thing[];

	it("is made once, with its group, and looked at again by an isolate that comes later", async () => {
		await create();
		const made = lines().filter((line) => line.startsWith("PUT"));
		expect(made).toEqual([
			`PUT ${GROUP}`,
			`PUT ${NETWORK}/networkSecurityGroups/muster-dep1-eastus`,
			`PUT ${NETWORK}/virtualNetworks/muster-dep1-eastus`,
			`PUT ${MACHINE}`,
		]);
		world.calls.length = 0;
		world.clock.advance(3_600_000);
		await create({}, other(1));
		expect(lines().filter((line) => line.startsWith("PUT"))).toEqual([`PUT ${MACHINES}/${other(1).name}`]);
	});

	it("has a part in each location, since none can be used from another", async () => {
		await create();
		await create({ location: "westeurope" }, other(1));
		expect(securityGroups().map(({ name, location }) => [name, location])).toEqual([
			["muster-dep1-eastus", "eastus"],
			["muster-dep1-westeurope", "westeurope"],
		]);
		expect(world.cloud.fleet.vms()).toHaveLength(2);
	});

	it("does without the permission to make resource groups where there is one", async () => {
		await create();
		world.clock.advance(3_600_000);
		on("PUT", GROUP, () => refuse(403, "AuthorizationFailed", "No."));
		await create({}, other(1));
		expect(world.cloud.fleet.vms()).toHaveLength(2);
	});

	it("takes no IPv6 network, which no proxy could be reached from", async () => {
		await create({}, { ...ASK, allow: ["192.0.2.1/32", "2001:db8::/32"] });
		expect(sent("PUT", `${NETWORK}/networkSecurityGroups/muster-dep1-eastus`).properties.securityRules[0].properties).toMatchObject({
			sourceAddressPrefixes: ["192.0.2.1/32"],
		});
		const refused = await failureOf(open().create({ ...other(1), allow: ["2001:db8::/32"] }));
		expect(refused).toMatchObject({ kind: "invalid", message: expect.stringContaining("HOST_IP names no IPv4 address") });
	});

	const OPEN_RULE = { access: "Allow", direction: "Inbound", priority: 200, sourceAddressPrefix: "*", destinationPortRange: "22" };
	it.each<[string, (rules: { properties: object }[]) => unknown[]]>([
		["lets in to another port as well", (rules) => [...rules, { name: "ssh", properties: { protocol: "Tcp", ...OPEN_RULE } }]],
		["lets nobody in", () => []],
		["denies", (rules) => rules.map((rule) => ({ ...rule, properties: { ...rule.properties, access: "Deny" } }))],
		["has every port", (rules) => rules.map((rule) => ({ ...rule, properties: { ...rule.properties, destinationPortRange: "*" } }))],
	])("is mended when its security group %s", async (_, edit) => {
		await create();
		const [before] = securityGroups();
		const [id = ""] = Object.keys(collection("security-groups"));
		const securityRules = edit((before?.properties.securityRules ?? []) as unknown as { properties: object }[]);
		collection("security-groups")[id] = { ...before, properties: { securityRules } } as Thing;
		world.clock.advance(3_600_000);
		await create({}, other(1));
		expect(securityGroups().map(({ properties }) => properties)).toEqual([before?.properties]);
	});

	it("that was deleted meanwhile is a passing failure once, and made anew by the next create", async () => {
		await create();
		for (const id of Object.keys(collection("networks"))) delete collection("networks")[id];
		expect((await failureOf(open().create(other(1)))).kind).toBe("transient");
		await create({}, other(1));
		expect(world.cloud.fleet.vms()).toHaveLength(2);
	});
});

describe("lists", () => {
	it("take four calls for however many VMs, and their addresses from the interfaces that Azure named", async () => {
		for (let n = 0; n < 4; n++) await create({}, other(n));
		world.calls.length = 0;
		const vms = await open().list();
		const addresses = world.cloud.fleet.vms().map(({ name, address }) => [name, address]);
		expect(vms.map(({ name, address, state }) => [name, address, state])).toEqual(addresses.map((pair) => [...pair, "running"]));
		expect(world.calls).toHaveLength(4);
	});

	it.each([
		["Creating", [], "starting"],
		["Creating", ["PowerState/running"], "running"],
		["Updating", ["PowerState/starting"], "starting"],
		["Succeeded", ["ProvisioningState/succeeded", "PowerState/running"], "running"],
		["Succeeded", ["PowerState/stopped"], "off"],
		["Succeeded", ["PowerState/deallocating"], "off"],
		["Succeeded", ["PowerState/deallocated"], "off"],
		["Succeeded", [], "running"],
		["Failed", ["ProvisioningState/failed/AllocationFailed"], "off"],
		["Failed", ["ProvisioningState/failed/OSProvisioningTimedOut", "PowerState/running"], "running"],
		["Deleting", ["PowerState/running"], "going"],
	])("read %s with %j as %s", async (provisioningState, codes, state) => {
		const id = `${MACHINES.slice("/azure".length)}/a`;
		const statuses = codes.map((code) => ({ code }));
		world.intercept = ({ url }) => {
			if (url.searchParams.has("statusOnly"))
				return answer(200, { value: [{ id: id.toUpperCase(), name: "a", properties: { instanceView: { statuses } } }] });
			if (url.pathname === MACHINES) return answer(200, { value: [{ id, name: "a", tags: LABELS, properties: { provisioningState } }] });
			return url.pathname.startsWith(GROUP) ? answer(200, { value: [] }) : null;
		};
		expect(await open().list()).toEqual([{ vm: "cloudproxy-rg/a", name: "a", state, address: null, tags: ASK.tags }]);
	});

	it("do without power states where the role does not reach beyond the resource group, and not for a bad token", async () => {
		await create();
		const states = /^\/azure\/subscriptions\/[^/]+\/providers\/Microsoft\.Compute\/virtualMachines$/;
		on("GET", states, () => refuse(403, "AuthorizationFailed", "The client does not have authorization."));
		expect(await open().list()).toMatchObject([{ vm: ID, state: "running" }]);
		on("GET", states, () => refuse(401, "InvalidAuthenticationToken", "The access token is invalid."));
		expect((await failureOf(open().list())).kind).toBe("auth");
	});

	it("of a resource group that does not exist yet are empty; of a subscription that does not, they are refused", async () => {
		expect(await open().list()).toEqual([]);
		on("GET", MACHINES, () => refuse(404, "SubscriptionNotFound", "The subscription could not be found."));
		expect((await failureOf(open().list())).kind).toBe("auth");
		on("GET", MACHINES, () => refuse(404, "SomethingElse", "Not here."));
		expect((await failureOf(open().list())).kind).toBe("notFound");
	});

	it("go on where a link points to, at the same host", async () => {
		await create();
		const link = `https://evil.example/subscriptions/${SUBSCRIPTION}/more?api-version=2025-04-01`;
		world.intercept = ({ method, url }) => {
			if (method === "GET" && url.pathname === MACHINES) return answer(200, { value: [], nextLink: link });
			return url.pathname.endsWith("/more") ? answer(200, { value: [] }) : null;
		};
		await open().list();
		expect(new Set(world.calls.map(({ url }) => url.host))).toEqual(new Set(["cloud.test"]));
		expect(lines()).toContain(`GET /azure/subscriptions/${SUBSCRIPTION}/more`);
	});
});

describe("what is left of a VM", () => {
	/** A VM that failed after it was accepted, and was deleted: its interface and its address are still there. */
	async function leftovers() {
		world.cloud.faults.add({ provider: "azure", operation: "create", failLater: true });
		expect((await world.done(failureOf(open().create(ASK)))).kind).toBe("capacity");
		world.clock.advance(2000);
		expect(Object.keys(collection("orphans"))).toHaveLength(2);
	}
	const REST = { vm: ID, name: ASK.name, state: "off", address: null };

	it("is shown as one that is switched off, by list and find, with its tags as far as Azure shows them", async () => {
		await leftovers();
		expect(await open().list()).toEqual([{ ...REST, tags: ASK.tags }]);
		expect(await open().find(lookUp())).toEqual({ ...REST, tags: { ...ASK.tags, pool: null } });
	});

	it("is deleted like one: the interface first, then the address that it held, and then there is nothing", async () => {
		await leftovers();
		const deleted = async () => {
			world.calls.length = 0;
			await open().delete(ID);
			world.clock.advance(1000);
			return lines()
				.filter((line) => line.startsWith("DELETE"))
				.map((line) => line.split("/").at(-2));
		};
		expect([await deleted(), await deleted()]).toEqual([
			["virtualMachines", "networkInterfaces"],
			["virtualMachines", "publicIPAddresses"],
		]);
		expect((await failureOf(open().delete(ID))).kind).toBe("notFound");
		expect([await open().list(), await open().find(lookUp()), collection("orphans")]).toEqual([[], null, {}]);
	});

	it("is not taken for gone while its deletion is refused", async () => {
		await leftovers();
		on("DELETE", /networkInterfaces/, () => refuse(400, "NicReservedForAnotherVm", "It is reserved for 180 seconds."));
		expect((await failureOf(open().delete(ID))).kind).toBe("conflict");
		expect(await open().find(lookUp())).toMatchObject({ state: "off" });
	});

	it("that only the list of parts still shows is nothing", async () => {
		await create();
		const id = `${NETWORK.slice("/azure".length)}/networkInterfaces/gone`;
		on("GET", `${GROUP}/resources`, () => answer(200, { value: [{ id, type: "Microsoft.Network/networkInterfaces" }] }));
		expect((await failureOf(open().delete("cloudproxy-rg/gone"))).kind).toBe("notFound");
	});

	it("is not what a list of VMs that lags behind has not shown yet", async () => {
		await create();
		on("GET", MACHINES, () => answer(200, { value: [] }));
		expect(await open().list()).toEqual([]);
	});

	it("is looked at in small numbers, so that the rest of a pass is not spent on it", async () => {
		await create();
		const part = (n: number) => ({ id: "/x", type: "Microsoft.Compute/disks", tags: { ...LABELS, "muster-vm": `old-${n}` } });
		on("GET", `${GROUP}/resources`, () => answer(200, { value: Array.from({ length: 50 }, (_, n) => part(n)) }));
		world.calls.length = 0;
		expect(await open().list()).toHaveLength(1 + 5);
		expect(world.calls).toHaveLength(4 + 5);
	});
});

describe("the price", () => {
	it("is that of the VM, its address and its disk, from a dated table, or as the operator states it", async () => {
		const table = { currency: "USD", asOf: Date.UTC(2025, 8, 1) };
		expect(await open().hourlyPrice?.()).toEqual({ hourly: 0.0187, ...table });
		expect(await open({ size: "standard_b2pts_v2", location: "WestEurope" }).hourlyPrice?.()).toEqual({ hourly: 0.01802, ...table });
		expect(await open({ hourly_price: "0.5" }).hourlyPrice?.()).toMatchObject({ hourly: 0.5, asOf: world.clock.now() });
		expect(world.calls).toEqual([]);
	});

	it("that the table lacks is said to be unknown, and how to state it", async () => {
		const price = open({ size: "Standard_D2s_v3" }).hourlyPrice?.() ?? Promise.resolve();
		const message = "Azure: no price is known of the size Standard_D2s_v3 in eastus (AZURE_HOURLY_PRICE can state it)";
		expect(await failureOf(price)).toEqual({ kind: "invalid", message });
	});
});

describe("one VM", () => {
	it("is found in the group where it is, also when the setting has changed since", async () => {
		const { vm } = await create({ resource_group: "First-Group" });
		expect(vm).toBe(`first-group/${ASK.name}`);
		await world.done(open({ resource_group: "second" }).create(other(1)));
		const elsewhere = open({ resource_group: "second" });
		expect(await elsewhere.find(lookUp(vm))).toMatchObject({ vm });
		await elsewhere.delete(vm);
		expect(world.cloud.fleet.vms()).toHaveLength(1);
	});

	it("is asked for by no path but its own", async () => {
		for (const vm of ["", "name", "../x", "group/../x", "group/name/restart", "group/?x"])
			expect((await failureOf(open().delete(vm))).kind).toBe("notFound");
		expect(world.calls).toEqual([]);
	});

	it("is deleted by force", async () => {
		await create();
		await open().delete(ID);
		expect(world.calls.at(-1)?.url.search).toBe("?forceDeletion=true&api-version=2025-04-01");
		expect(await open().find(lookUp(ID))).toMatchObject({ state: "going" });
	});

	it("keeps its address when it is restarted, which one call does", async () => {
		await create();
		const before = await open().find(lookUp(ID));
		world.clock.advance(2000);
		await open().restart(ID, "off");
		expect(lines().at(-1)).toBe(`POST ${MACHINE}/restart`);
		world.clock.advance(2000);
		expect(await open().find(lookUp(ID))).toEqual(before);
		expect(before).toMatchObject({ state: "running", address: expect.stringMatching(/^127\./) });
		expect(azure.twoStepRestart).toBe(false);
	});
});
