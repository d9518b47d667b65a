import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { aws } from "../../../src/providers/aws/driver.ts";
import type { AwsAccount } from "../../../src/providers/aws/settings.ts";
import type { ProviderContext } from "../../../src/providers/base/provider.ts";
import { imagesOf } from "../../cloud/aws-catalogue.ts";
import type { Group } from "../../cloud/aws-groups.ts";
import { secretOf } from "../../cloud/aws-signature.ts";
import { refuse } from "../../cloud/aws-xml.ts";
import { atLocalCloud } from "./at-local-cloud.ts";
import { ASK, failureOf } from "./scripted.ts";

let accounts = 0;
let keyId: string;
let world: ReturnType<typeof atLocalCloud>;
beforeEach(() => {
	keyId = `local-${++accounts}`;
	world = atLocalCloud("aws");
});

const accountOf = (settings: Partial<Record<keyof AwsAccount, string>> = {}) =>
	aws.schema.parse({ access_key_id: keyId, secret_access_key: secretOf(keyId), api_url: world.base, ...settings });
const open = (settings: Parameters<typeof accountOf>[0] = {}, more: Partial<ProviderContext> = {}) =>
	aws.create(accountOf(settings), world.context(more));
const actions = () => world.calls.map(({ form }) => form.get("Action"));
const sent = (action: string) => {
	const found = world.calls.findLast(({ form }) => form.get("Action") === action);
	return found === undefined ? null : Object.fromEntries(found.form);
};
const on = (action: string, respond: () => Response | Promise<Response>) => {
	world.intercept = ({ form }) => (form.get("Action") === action ? respond() : null);
};
const groups = () => Object.values(Object.values(world.cloud.fleet.collections)[0]?.["security-groups"] ?? {}) as unknown as Group[];
const lookUp = (vm: string | null = null) => ({ vm, name: ASK.name, tags: ASK.tags });

describe("settings", () => {
	it("have the documented defaults, and are shown without secrets", () => {
		const account = aws.schema.parse({ access_key_id: "AKIA", secret_access_key: "s" });
		const shown = { size: "t4g.nano", region: "eu-west-2", ami: null, spot: false };
		expect(account).toEqual({ access_key_id: "AKIA", secret_access_key: "s", ...shown, hourly_price: null, api_url: null });
		expect(aws.shown(account)).toEqual({ ...shown, api_url: "https://ec2.eu-west-2.amazonaws.com" });
		expect(aws.shown({ region: "cn-north-1" }).api_url).toBe("https://ec2.cn-north-1.amazonaws.com.cn");
	});

	it.each([
		["False", false],
		["0", false],
		["True", "one-time"],
		["yes", "one-time"],
		["one-time", "one-time"],
		["Persistent", "persistent"],
	])("know spot %s", (text, spot) => expect(accountOf({ spot: text }).spot).toBe(spot));

	it("refuse another kind of spot", () => {
		const refused = aws.schema.safeParse({ access_key_id: "a", secret_access_key: "b", spot: "cheap" });
		expect(refused.error?.issues[0]?.message).toBe("False, True, one-time or persistent");
	});
});

describe("create", () => {
	it("asks for one instance with its tags, its group, no unlimited credits and no second public address", async () => {
		const vm = await open().create(ASK);
		expect(vm).toEqual({
			vm: expect.stringMatching(/^eu-west-2\/i-0[0-9a-f]{16}$/),
			name: ASK.name,
			state: "starting",
			address: null,
			tags: ASK.tags,
		});
		expect(actions()).toEqual([
			"DescribeInstanceTypes",
			"DescribeImages",
			"DescribeVpcs",
			"DescribeSecurityGroups",
			"CreateSecurityGroup",
			"AuthorizeSecurityGroupIngress",
			"RunInstances",
		]);
		const { ImageId, "NetworkInterface.1.SecurityGroupId.1": group, ...rest } = sent("RunInstances") ?? {};
		expect(group).toBe(groups()[0]?.id);
		const tags = (at: number, kind: string) =>
			Object.fromEntries([
				[`TagSpecification.${at}.ResourceType`, kind],
				...Object.entries({
					Name: ASK.name,
					muster: "true",
					"muster-deployment": "dep1",
					"muster-pool": "pool1",
					"muster-intent": "intent0001",
				}).flatMap(([key, value], n) => [
					[`TagSpecification.${at}.Tag.${n + 1}.Key`, key],
					[`TagSpecification.${at}.Tag.${n + 1}.Value`, value],
				]),
			]);
		expect(rest).toEqual({
			Action: "RunInstances",
			Version: "2016-11-15",
			MinCount: "1",
			MaxCount: "1",
			InstanceType: "t4g.nano",
			ClientToken: ASK.name,
			// It has room for 16 KB of what cloud-init unpacks.
			UserData: gzipSync(ASK.userData).toString("base64"),
			"NetworkInterface.1.DeviceIndex": "0",
			"NetworkInterface.1.AssociatePublicIpAddress": "true",
			"NetworkInterface.1.DeleteOnTermination": "true",
			...tags(1, "instance"),
			...tags(2, "volume"),
			"MetadataOptions.HttpTokens": "required",
			"CreditSpecification.CpuCredits": "standard",
		});
	});

	it.each([
		["t4g.nano", "ubuntu-noble-24.04-arm64-server-20251022"],
		["t3.micro", "ubuntu-noble-24.04-amd64-server-20251022"],
	])("boots %s from Canonical's newest image of its architecture, not from another's of that name", async (size, name) => {
		await open({ size }).create(ASK);
		expect(sent("RunInstances")?.ImageId).toBe(imagesOf("eu-west-2").find((image) => image.name.endsWith(name))?.id);
	});

	it("takes the operator's image where there is one, and asks for credits only where there are any", async () => {
		const ami = imagesOf("eu-west-2").find(({ architecture }) => architecture === "arm64")?.id ?? "";
		await open({ ami, size: "m7g.medium" }).create(ASK);
		expect(sent("RunInstances")).toMatchObject({ ImageId: ami });
		expect(sent("RunInstances")).not.toHaveProperty("CreditSpecification.CpuCredits");
		expect(actions()).not.toContain("DescribeImages");
	});

	it("asks for the catalogue once, and again after a create that was refused for what it named", async () => {
		await Promise.all([1, 2, 3].map((n) => open().create({ ...ASK, name: `${ASK.name}${n}` })));
		await open().create(ASK);
		expect(actions().filter((action) => action === "DescribeImages")).toHaveLength(1);
		on("RunInstances", () => refuse(400, "InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist"));
		expect((await failureOf(open().create({ ...ASK, name: "muster-dep1-other" }))).kind).toBe("invalid");
		world.intercept = () => null;
		await open().create({ ...ASK, name: "muster-dep1-other" });
		expect(actions().filter((action) => action === "DescribeImages")).toHaveLength(2);
	});

	it.each([
		["rate", 503, "RequestLimitExceeded"],
		["auth", 403, "UnauthorizedOperation"],
		["auth", 401, "AuthFailure"],
		["auth", 400, "PendingVerification"],
		["auth", 401, "OptInRequired"],
		["auth", 400, "Blocked"],
		["quota", 400, "VcpuLimitExceeded"],
		["quota", 400, "InstanceLimitExceeded"],
		["quota", 400, "MaxSpotInstanceCountExceeded"],
		["capacity", 500, "InsufficientInstanceCapacity"],
		["capacity", 400, "Unsupported"],
		["capacity", 400, "SpotMaxPriceTooLow"],
		["conflict", 400, "IdempotentParameterMismatch"],
		["invalid", 400, "InvalidParameterValue"],
		["invalid", 400, "InvalidAMIID.NotFound"],
		["transient", 400, "InvalidGroup.NotFound"],
		["transient", 400, "RequestExpired"],
		["unknown", 500, "InternalError"],
		["unknown", 503, "Unavailable"],
	])("fails as %s on %i %s, in EC2's own words", async (kind, status, code) => {
		on("RunInstances", () => refuse(status, code, "A <sentence> of EC2's."));
		expect(await failureOf(open().create(ASK))).toEqual({ kind, message: `AWS: ${code}: A <sentence> of EC2's. (HTTP ${status})` });
	});

	it.each([
		["no XML", "{}"],
		["another action's answer", "<DescribeVpcsResponse/>"],
		["no instance", "<RunInstancesResponse/>"],
	])("is unknown when its answer is %s", async (_, text) => {
		on("RunInstances", () => new Response(text));
		expect((await failureOf(open().create(ASK))).kind).toBe("unknown");
	});

	it("is refused where its token stands for an instance that is dead by now", async () => {
		const { vm } = await open().create(ASK);
		await open().delete(vm);
		world.clock.advance(5000);
		expect(await failureOf(open().create(ASK))).toMatchObject({ kind: "conflict", message: expect.stringContaining("is terminated") });
		expect(await open().find(lookUp())).toBeNull();
	});

	it("says what is missing where the region has no default network", async () => {
		on("DescribeVpcs", () => new Response("<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>"));
		expect(await failureOf(open().create(ASK))).toMatchObject({ kind: "invalid", message: expect.stringContaining("create-default-vpc") });
	});
});

describe("calls", () => {
	it("go to the region's own endpoint, signed for it, at the time that it is", async () => {
		world.intercept = () => new Response("<DescribeInstancesResponse/>");
		await aws.create(aws.schema.parse({ access_key_id: "AKIA", secret_access_key: "s", region: "us-east-1" }), world.context()).list();
		const [call] = world.calls;
		expect(call?.url.href).toBe("https://ec2.us-east-1.amazonaws.com/");
		expect(call?.headers.get("x-amz-date")).toBe("20260101T000000Z");
		expect(call?.headers.get("authorization")).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIA\/20260101\/us-east-1\/ec2\/aws4_request, /);
	});

	it("go to where a VM is, also when the setting has changed since", async () => {
		const { vm } = await open().create(ASK);
		const elsewhere = open({ region: "us-east-1" });
		expect(await elsewhere.list()).toEqual([]);
		expect(await elsewhere.find(lookUp(vm))).toMatchObject({ vm });
		await elsewhere.delete(vm);
		expect(world.cloud.fleet.vms()).toEqual([]);
	});

	it("are not made for what is no id", async () => {
		for (const vm of ["", "i-0123", "eu-west-2/", "a.example/i-0123", "eu-west-2/i-0123&Action=x"])
			expect((await failureOf(open().delete(vm))).kind).toBe("notFound");
		expect(world.calls).toEqual([]);
	});
});

describe("the security group", () => {
	it("is mended without locking anyone out on the way: what is missing is let in first, then the rest is shut out", async () => {
		await open().create(ASK);
		const [group] = groups();
		const ports = { protocol: "tcp", from: 8899, to: 8899 };
		const rules = [
			{ ...ports, sort: "cidrIp", source: "192.0.2.1/32" },
			{ ...ports, from: 22, to: 22, sort: "cidrIp", source: "0.0.0.0/0" },
			{ protocol: "-1", from: null, to: null, sort: "groupId", source: "sg-0123" },
			{ ...ports, sort: "prefixListId", source: "pl-0123" },
			{ ...ports, sort: "cidrIpv6", source: "::/0" },
		];
		const kept = Object.values(world.cloud.fleet.collections)[0]?.["security-groups"] ?? {};
		if (group) kept[group.id] = { ...group, rules };
		world.calls.length = 0;
		world.clock.advance(3_600_000);
		await open().create({ ...ASK, name: "muster-dep1-other", allow: ["192.0.2.1/32", "198.51.100.0/24"] });
		expect(groups().map(({ rules }) => rules.map(({ source }) => source))).toEqual([["192.0.2.1/32", "198.51.100.0/24"]]);
		expect(actions().filter((action) => action?.endsWith("Ingress"))).toEqual([
			"AuthorizeSecurityGroupIngress",
			"RevokeSecurityGroupIngress",
		]);
	});

	it("is not missed by the isolate that came second", async () => {
		let isFirst = true;
		world.intercept = async ({ form, url, headers, text }) => {
			if (form.get("Action") !== "CreateSecurityGroup" || !isFirst) return null;
			isFirst = false;
			// Between this isolate's look and its create another one makes the very same.
			await world.cloud.fetch(new Request(url, { method: "POST", headers, body: text }));
			return null;
		};
		await open().create(ASK);
		expect(groups().map(({ rules }) => rules.map(({ source }) => source))).toEqual([["0.0.0.0/0"]]);
		expect(world.cloud.fleet.vms()).toHaveLength(1);
	});

	it("that is gone is made anew by the create after the one that missed it", async () => {
		await open().create(ASK);
		delete Object.values(world.cloud.fleet.collections)[0]?.["security-groups"];
		const other = { ...ASK, name: "muster-dep1-other" };
		expect((await failureOf(open().create(other))).kind).toBe("transient");
		await open().create(other);
		expect(groups()).toHaveLength(1);
	});
});

describe("spot instances", () => {
	it.each([
		["one-time", "terminate"],
		["persistent", "stop"],
	])("%s: asked for as such, and the request is cancelled before the instance ends", async (spot, behaviour) => {
		const { vm } = await open({ spot }).create(ASK);
		expect(sent("RunInstances")).toMatchObject({
			"InstanceMarketOptions.MarketType": "spot",
			"InstanceMarketOptions.SpotOptions.SpotInstanceType": spot,
			"InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior": behaviour,
			"TagSpecification.3.ResourceType": "spot-instances-request",
		});
		world.calls.length = 0;
		// The setting may have changed since.
		await open().delete(vm);
		expect(actions()).toEqual(["DescribeInstances", "CancelSpotInstanceRequests", "TerminateInstances"]);
		// A persistent request that is not cancelled brings another instance.
		expect(world.cloud.fleet.vms()).toEqual([]);
	});

	it("one-time: cannot be stopped, so a restart reboots it", async () => {
		const driver = open({ spot: "one-time" });
		const { vm } = await driver.create(ASK);
		world.clock.advance(1000);
		world.calls.length = 0;
		await driver.restart(vm, "off");
		world.clock.advance(1000);
		await driver.restart(vm, "on");
		expect(actions()).toEqual(["StopInstances", "RebootInstances", "StartInstances"]);
		expect(await driver.find(lookUp(vm))).toMatchObject({ state: "running" });
	});
});

describe("restart", () => {
	it("stops and starts, waits while it is still stopping, and gives another address", async () => {
		const { vm } = await open().create(ASK);
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
		expect(aws.twoStepRestart).toBe(true);
	});
});

it("an instance that EC2 denies right after its create is not found yet, and found later", async () => {
	const { vm } = await open().create(ASK);
	world.cloud.faults.add({ provider: "aws", operation: "get", listLagMs: 60_000 });
	expect(await open().find(lookUp(vm))).toBeNull();
	expect(await open().find(lookUp(vm))).toMatchObject({ vm });
});
