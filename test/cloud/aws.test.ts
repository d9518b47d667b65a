import { AwsV4Signer } from "aws4fetch";
import { describe, expect, test } from "vitest";
import { Xml } from "../../src/providers/aws/xml.ts";
import { imagesOf } from "./aws-catalogue.ts";
import { secretOf } from "./aws-signature.ts";
import { localCloud } from "./helpers.ts";

const REGION = "eu-west-2";
const BASE = "http://cloud.test/aws";

interface How {
	readonly key?: string;
	readonly secret?: string;
	readonly region?: string;
	readonly service?: string;
	/** The signature's time against the cloud's. */
	readonly skewMs?: number;
	/** Sent instead of what was signed. */
	readonly instead?: string;
	readonly method?: "GET" | "POST";
	/** At the end of the mount. */
	readonly slash?: string;
	/** The signature stands in the query and not in a header. */
	readonly inQuery?: boolean;
	/** A launch says nothing of its network. */
	readonly plain?: boolean;
}

/** A local cloud, and calls of its EC2 that are signed by a library of its own. */
function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { cloud, clock } = localCloud({ bootMs: 1000, ...options });
	const ec2 = async (action: string, parameters: Readonly<Record<string, string>> = {}, how: How = {}) => {
		const { key = "local-admin", secret = secretOf(key), region = REGION, service = "ec2", skewMs = 0 } = how;
		const { method = "POST", slash = "/", inQuery = false } = how;
		const form = new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters }).toString();
		const datetime = new Date(clock.now() + skewMs).toISOString().replace(/[:-]|\.\d{3}/g, "");
		const target = `${BASE}${slash}${method === "GET" ? `?${form}` : ""}`;
		const access = { accessKeyId: key, secretAccessKey: secret, service, region, datetime };
		const signer = new AwsV4Signer({ method, url: target, ...(method === "GET" ? {} : { body: form }), signQuery: inQuery, ...access });
		const { headers, url } = await signer.sign();
		const response = await cloud.fetch(new Request(url, { method, headers, ...(method === "GET" ? {} : { body: how.instead ?? form }) }));
		const answer = Xml.parse(await response.text());
		const [code, message] = ["Code", "Message"].map((field) => answer.text("Errors", "Error", field));
		return { status: response.status, answer, code: code ?? null, message: message ?? null };
	};
	const group = async () => {
		const vpc = (await ec2("DescribeVpcs")).answer.items("vpcSet")[0]?.text("vpcId") ?? "";
		const made = await ec2("CreateSecurityGroup", { GroupName: `g${clock.now()}`, GroupDescription: "d", VpcId: vpc });
		return made.answer.text("groupId") ?? "";
	};
	const run = async (more: Readonly<Record<string, string>> = {}, how: How = {}) => {
		const image = imagesOf(how.region ?? REGION).find(({ architecture }) => architecture === "arm64")?.id ?? "";
		const isElsewhere = how.plain === true || Object.keys(more).some((name) => /^(SecurityGroupId|SubnetId)/.test(name));
		const network = isElsewhere ? {} : { "NetworkInterface.1.DeviceIndex": "0" };
		return ec2("RunInstances", { MinCount: "1", MaxCount: "1", ImageId: image, InstanceType: "t4g.nano", ...network, ...more }, how);
	};
	const idOf = async (made: ReturnType<typeof run>) => (await made).answer.items("instancesSet")[0]?.text("instanceId") ?? "";
	const shown = async (id: string) => {
		const { answer } = await ec2("DescribeInstances", { "InstanceId.1": id });
		const [one] = answer.items("reservationSet")[0]?.items("instancesSet") ?? [];
		if (one === undefined) throw new Error(`${id} is not shown`);
		return one;
	};
	const stateOf = async (id: string) => (await shown(id)).text("instanceState", "name");
	return { cloud, clock, ec2, run, idOf, shown, stateOf, group };
}

describe("signatures", () => {
	test("a call that is signed with its key's secret is let in; each key is an account of its own", async () => {
		const { ec2, run, idOf } = world();
		const id = await idOf(run());
		expect((await ec2("DescribeInstances", { "InstanceId.1": id })).status).toBe(200);
		expect((await ec2("DescribeInstances", { "InstanceId.1": id }, { key: "local-other" })).code).toBe("InvalidInstanceID.NotFound");
	});

	test.each<[string, How, string]>([
		["another secret", { secret: "another" }, "SignatureDoesNotMatch"],
		["another body than was signed", { instead: "Action=TerminateInstances&Version=2016-11-15&InstanceId.1=i-0" }, "SignatureDoesNotMatch"],
		["a key that does not begin with local", { key: "AKIA" }, "AuthFailure"],
		["another service", { service: "s3" }, "IncompleteSignature"],
		["a time long past", { skewMs: -600_000 }, "RequestExpired"],
		["a time to come", { skewMs: 600_000 }, "RequestExpired"],
	])("%s is refused", async (_, how, code) => {
		const { ec2 } = world();
		expect((await ec2("DescribeInstances", {}, how)).code).toBe(code);
	});

	test.each<[string, How]>([
		["by GET", { method: "GET" }],
		["by GET with the signature in the URL", { method: "GET", inQuery: true }],
		["without a slash at the end of the address", { slash: "" }],
		["by GET and without that slash", { method: "GET", slash: "" }],
	])("a call is let in %s as well, and checked as strictly", async (_, how) => {
		const { ec2, run, idOf } = world();
		const id = await idOf(run({ UserData: "QUJD" }, how));
		expect((await ec2("DescribeInstances", { "InstanceId.1": id }, how)).status).toBe(200);
		expect((await ec2("DescribeInstances", {}, { ...how, secret: "another" })).code).toBe("SignatureDoesNotMatch");
		// A URL is good for a day unless it says otherwise.
		expect((await ec2("DescribeInstances", {}, { ...how, skewMs: -86_500_000 })).code).toBe("RequestExpired");
	});

	test("no signature at all is refused", async () => {
		const { cloud } = world();
		const response = await cloud.fetch(new Request(`${BASE}/`, { method: "POST", body: "Action=DescribeInstances&Version=2016-11-15" }));
		expect([response.status, await response.text()]).toEqual([401, expect.stringContaining("<Code>AuthFailure</Code>")]);
	});
});

describe("the life of an instance", () => {
	test("pending, running, stopping, stopped, running at another address, shutting down, and listed for an hour after", async () => {
		const { cloud, clock, ec2, run, idOf, stateOf } = world();
		const id = await idOf(run());
		expect(await stateOf(id)).toBe("pending");
		clock.advance(1000);
		expect(await stateOf(id)).toBe("running");
		const address = cloud.fleet.vms()[0]?.address;
		await ec2("StopInstances", { "InstanceId.1": id });
		expect([await stateOf(id), (await ec2("StartInstances", { "InstanceId.1": id })).code]).toEqual(["stopping", "IncorrectInstanceState"]);
		clock.advance(1000);
		expect(await stateOf(id)).toBe("stopped");
		await ec2("StartInstances", { "InstanceId.1": id });
		expect(await stateOf(id)).toBe("pending");
		clock.advance(1000);
		expect([await stateOf(id), cloud.fleet.vms()[0]?.address === address]).toEqual(["running", false]);
		await ec2("TerminateInstances", { "InstanceId.1": id });
		expect(await stateOf(id)).toBe("shutting-down");
		clock.advance(1000);
		expect([await stateOf(id), (await ec2("TerminateInstances", { "InstanceId.1": id })).status]).toEqual(["terminated", 200]);
		clock.advance(3_600_000);
		expect((await ec2("DescribeInstances", { "InstanceId.1": id })).code).toBe("InvalidInstanceID.NotFound");
	});

	test("a reboot that goes on is no state: it is stopped out of it, and rebooted again", async () => {
		const { clock, ec2, run, idOf, stateOf } = world();
		const id = await idOf(run());
		clock.advance(1000);
		for (const action of ["RebootInstances", "RebootInstances", "StopInstances"]) {
			expect([await stateOf(id), (await ec2(action, { "InstanceId.1": id })).code]).toEqual(["running", null]);
		}
		expect(await stateOf(id)).toBe("stopping");
		clock.advance(5000);
		expect([await stateOf(id), (await ec2("RebootInstances", { "InstanceId.1": id })).code]).toEqual(["stopped", "IncorrectInstanceState"]);
	});

	test("its times are whole seconds, and that of its launch is that of its last start", async () => {
		const { clock, ec2, run, idOf, shown } = world();
		clock.advance(1234);
		const id = await idOf(run());
		expect((await shown(id)).text("launchTime")).toBe("2026-01-01T00:00:01.000Z");
		clock.advance(1000);
		await ec2("StopInstances", { "InstanceId.1": id });
		clock.advance(10_000);
		await ec2("StartInstances", { "InstanceId.1": id });
		expect((await shown(id)).text("launchTime")).toBe("2026-01-01T00:00:12.000Z");
	});

	test("without a word about its network it is in the default one, with a public address and the default group", async () => {
		const { cloud, clock, ec2, run, idOf, shown, group } = world();
		const ids = [await idOf(run({}, { plain: true })), await idOf(run({ "SecurityGroupId.1": await group() }))];
		clock.advance(1000);
		for (const [at, id] of ids.entries()) {
			const one = await shown(id);
			const [nic] = one.items("networkInterfaceSet");
			const [disk] = one.items("blockDeviceMapping");
			const address = cloud.fleet.vms()[at]?.address;
			expect([one.text("ipAddress"), nic?.text("association", "publicIp")]).toEqual([address, address]);
			expect(nic?.text("privateIpAddress")).toBe(one.text("privateIpAddress"));
			expect([nic?.text("networkInterfaceId"), disk?.text("ebs", "volumeId")]).toEqual([
				expect.stringMatching(/^eni-0[0-9a-f]{16}$/),
				expect.stringMatching(/^vol-0[0-9a-f]{16}$/),
			]);
			expect([nic?.text("attachment", "deleteOnTermination"), disk?.text("ebs", "status")]).toEqual(["true", "attached"]);
			const named = one.items("groupSet").map((each) => each.text("groupName"));
			expect([named.length, named.includes("default")]).toEqual([1, at === 0]);
		}
		const groups = await ec2("DescribeSecurityGroups", { "GroupName.1": "default" });
		expect(groups.answer.items("securityGroupInfo")).toHaveLength(1);
	});

	test("once it is terminated it says why, and has neither a network nor a disk", async () => {
		const { cloud, clock, ec2, run, idOf, shown } = world();
		const id = await idOf(run());
		expect((await shown(id)).text("stateReason", "code")).toBe("pending");
		clock.advance(1000);
		expect((await shown(id)).text("stateReason", "code")).toBeNull();
		await ec2("TerminateInstances", { "InstanceId.1": id });
		clock.advance(1000);
		const one = await shown(id);
		expect([one.text("stateReason", "code"), one.text("reason")]).toEqual([
			"Client.UserInitiatedShutdown",
			"User initiated (2026-01-01 00:00:01 GMT)",
		]);
		for (const set of ["networkInterfaceSet", "blockDeviceMapping", "groupSet"]) expect(one.items(set)).toEqual([]);
		cloud.faults.add({ provider: "aws", operation: "create", failLater: true });
		const failed = await idOf(run());
		clock.advance(1000);
		const other = await shown(failed);
		expect([other.text("instanceState", "name"), other.text("stateReason", "code")]).toEqual([
			"terminated",
			"Server.InsufficientInstanceCapacity",
		]);
	});

	test("is its region's: another one does not know it", async () => {
		const { ec2, run, idOf } = world();
		const id = await idOf(run());
		const there = await ec2("DescribeInstances", {}, { region: "us-east-1" });
		expect(there.answer.items("reservationSet")).toEqual([]);
		expect((await ec2("TerminateInstances", { "InstanceId.1": id }, { region: "us-east-1" })).code).toBe("InvalidInstanceID.NotFound");
	});

	test("one id that is unknown fails a whole batch", async () => {
		const { cloud, ec2, run, idOf } = world();
		const id = await idOf(run());
		const answer = await ec2("TerminateInstances", { "InstanceId.1": id, "InstanceId.2": "i-00000000000000000" });
		expect([answer.code, cloud.fleet.vms().length]).toEqual(["InvalidInstanceID.NotFound", 1]);
		expect((await ec2("TerminateInstances", { "InstanceId.1": "i-x" })).code).toBe("InvalidInstanceID.Malformed");
	});
});

describe("client tokens", () => {
	test("the same request again gives the same instance, dead or alive; another one under that token is refused", async () => {
		const { clock, cloud, ec2, run, idOf } = world();
		const first = await idOf(run({ ClientToken: "t" }));
		expect(await idOf(run({ ClientToken: "t" }))).toBe(first);
		expect((await run({ ClientToken: "t", InstanceType: "t4g.micro" })).code).toBe("IdempotentParameterMismatch");
		await ec2("TerminateInstances", { "InstanceId.1": first });
		clock.advance(5000);
		const again = (await run({ ClientToken: "t" })).answer.items("instancesSet")[0];
		expect([again?.text("instanceId"), again?.text("instanceState", "name"), cloud.fleet.vms().length]).toEqual([first, "terminated", 0]);
	});
});

describe("spot requests", () => {
	const spot = (type: string, behaviour: string) => ({
		"InstanceMarketOptions.MarketType": "spot",
		"InstanceMarketOptions.SpotOptions.SpotInstanceType": type,
		"InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior": behaviour,
	});

	test("a persistent one brings its instance back until it is cancelled", async () => {
		const { cloud, ec2, run, idOf } = world();
		const id = await idOf(run(spot("persistent", "stop")));
		const request = String(cloud.fleet.vms()[0]?.details.spotRequest);
		await ec2("TerminateInstances", { "InstanceId.1": id });
		const [back] = cloud.fleet.vms();
		expect(back?.id).not.toBe(id);
		await ec2("CancelSpotInstanceRequests", { "SpotInstanceRequestId.1": request });
		await ec2("TerminateInstances", { "InstanceId.1": back?.id ?? "" });
		expect(cloud.fleet.vms()).toEqual([]);
	});

	test("a one-time one cannot be stopped, and a persistent one cannot end with its instance", async () => {
		const { clock, ec2, run, idOf } = world();
		const id = await idOf(run(spot("one-time", "terminate")));
		clock.advance(1000);
		expect((await ec2("StopInstances", { "InstanceId.1": id })).code).toBe("UnsupportedOperation");
		expect((await run(spot("persistent", "terminate"))).code).toBe("InvalidParameterCombination");
	});
});

describe("what EC2 refuses", () => {
	test.each<[string, Readonly<Record<string, string>>, string]>([
		["an unknown type", { InstanceType: "t9.pico" }, "InvalidParameterValue"],
		["an unknown image", { ImageId: "ami-0" }, "InvalidAMIID.NotFound"],
		["an image of another architecture", { InstanceType: "t3.nano" }, "InvalidParameterValue"],
		["user data that is not base64", { UserData: "not base64!" }, "InvalidUserData.Malformed"],
		["more than 16 KB of user data", { UserData: Buffer.alloc(16_385).toString("base64") }, "InvalidParameterValue"],
		["a group that is not there", { "NetworkInterface.1.SecurityGroupId.1": "sg-0" }, "InvalidGroup.NotFound"],
		[
			"credits where there are none",
			{ InstanceType: "m7g.medium", "CreditSpecification.CpuCredits": "standard" },
			"InvalidParameterCombination",
		],
		["a parameter that its model does not name", { Colour: "red" }, "UnknownParameter"],
		["a number that is none", { MinCount: "one" }, "InvalidParameterValue"],
		["a subnet that is not there", { SubnetId: "subnet-0" }, "InvalidSubnetID.NotFound"],
		["a group beside an interface", { "NetworkInterface.1.DeviceIndex": "0", "SecurityGroup.1": "default" }, "InvalidParameterCombination"],
		["a list with a gap", { "TagSpecification.2.ResourceType": "instance" }, "MalformedQueryString"],
	])("%s", async (_, more, code) => expect((await world().run(more)).code).toBe(code));

	test("more instances than the account may have, and more calls than it may make", async () => {
		const { run } = world({ limit: 1, limits: { requestsPerHour: 3 } });
		expect([(await run()).code, (await run()).code, (await run()).code]).toEqual([null, "VcpuLimitExceeded", "VcpuLimitExceeded"]);
		expect(await run()).toMatchObject({ status: 503, code: "RequestLimitExceeded" });
	});

	test("in its own words, never in those of whatever checks its requests here", async () => {
		const { ec2, run } = world();
		const sentences = [
			(await run({ Colour: "red" })).message,
			(await run({ MinCount: "one" })).message,
			(await run({ "MetadataOptions.HttpTokens": "maybe" })).message,
			(await run({ "NetworkInterface.1.Colour": "red" })).message,
			(await ec2("TerminateInstances")).message,
			(await ec2("CreateTags", { "ResourceId.1": "i-0", "Tag.1.Value": "x" })).message,
		];
		expect(sentences).toEqual([
			"The parameter Colour is not recognized",
			"Value (one) for parameter MinCount is invalid.",
			"Value (maybe) for parameter MetadataOptions.HttpTokens is invalid.",
			"The parameter NetworkInterface.1.Colour is not recognized",
			"The request must contain the parameter InstanceId",
			"The request must contain the parameter Tag.1.Key",
		]);
	});

	test("what would have been done, where it is only to be tried", async () => {
		const { cloud, run } = world();
		expect(await run({ DryRun: "true" })).toMatchObject({ status: 412, code: "DryRunOperation" });
		expect((await run({ DryRun: "true" }, { key: "local-bare" })).code).toBe("DryRunOperation");
		expect(cloud.fleet.vms()).toEqual([]);
		expect((await run({ DryRun: "false" })).code).toBeNull();
	});

	test("a rule that is there already, and one to take away that is not", async () => {
		const { ec2, group } = world();
		const rule = {
			GroupId: await group(),
			"IpPermissions.1.IpProtocol": "tcp",
			"IpPermissions.1.FromPort": "8899",
			"IpPermissions.1.ToPort": "8899",
			"IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
		};
		expect((await ec2("RevokeSecurityGroupIngress", rule)).code).toBe("InvalidPermission.NotFound");
		expect((await ec2("AuthorizeSecurityGroupIngress", rule)).status).toBe(200);
		expect((await ec2("AuthorizeSecurityGroupIngress", rule)).code).toBe("InvalidPermission.Duplicate");
	});
});

test("pages are as long as asked, at least five, and follow each other by their token", async () => {
	const { ec2, run } = world();
	for (let n = 0; n < 12; n++) await run({ ClientToken: `t${n}` });
	expect((await ec2("DescribeInstances", { MaxResults: "4" })).code).toBe("InvalidParameterValue");
	const sizes: number[] = [];
	let token: string | null = null;
	do {
		const { answer }: Awaited<ReturnType<typeof ec2>> = await ec2("DescribeInstances", {
			MaxResults: "5",
			...(token === null ? {} : { NextToken: token }),
		});
		sizes.push(answer.items("reservationSet").length);
		token = answer.text("nextToken");
	} while (token !== null);
	expect(sizes).toEqual([5, 5, 2]);
});

describe("what a key may do", () => {
	const TAGGED = {
		"TagSpecification.1.ResourceType": "instance",
		"TagSpecification.1.Tag.1.Key": "muster",
		"TagSpecification.1.Tag.1.Value": "true",
	};
	const tag = (id: string) => ({ "ResourceId.1": id, "Tag.1.Key": "muster", "Tag.1.Value": "true" });

	test("by the documented policy it launches, and stops, reboots and ends only what carries Muster's tag", async () => {
		const { cloud, clock, ec2, run, idOf } = world();
		const bare = { key: "local-bare" };
		const [ours, theirs] = [await idOf(run(TAGGED, bare)), await idOf(run({}, bare))];
		clock.advance(1000);
		for (const action of ["RebootInstances", "StopInstances", "TerminateInstances"]) {
			expect(await ec2(action, { "InstanceId.1": theirs }, bare)).toMatchObject({
				status: 403,
				code: "UnauthorizedOperation",
				message: expect.stringContaining(
					`is not authorized to perform: ec2:${action} on resource: arn:aws:ec2:eu-west-2:123456789012:instance/${theirs}`,
				),
			});
		}
		// One of a batch that is not ours spares them all.
		expect((await ec2("TerminateInstances", { "InstanceId.1": ours, "InstanceId.2": theirs }, bare)).code).toBe("UnauthorizedOperation");
		expect(cloud.fleet.vms()).toHaveLength(2);
		expect((await ec2("TerminateInstances", { "InstanceId.1": ours }, bare)).code).toBeNull();
		expect((await ec2("TerminateInstances", { "InstanceId.1": "i-00000000000000000" }, bare)).code).toBe("InvalidInstanceID.NotFound");
	});

	test("tagging an instance that exists takes the addition that the same page names, for instances alone", async () => {
		const { ec2, run, idOf, group } = world();
		for (const [key, code] of [
			["local-bare", "UnauthorizedOperation"],
			["local-test", null],
		] as const) {
			const id = await idOf(run({}, { key }));
			expect((await ec2("CreateTags", tag(id), { key })).code).toBe(code);
			expect((await ec2("DeleteTags", tag(id), { key })).code).toBe(code);
		}
		const id = await group();
		const rule = { GroupId: id, "IpPermissions.1.IpProtocol": "-1", "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0" };
		expect((await ec2("AuthorizeSecurityGroupIngress", rule)).code).toBeNull();
	});
});

test.each(["POST", "GET"] as const)("the journal holds no user data that came by %s", async (method) => {
	const { cloud, run } = world();
	await run({ UserData: Buffer.from("a-secret").toString("base64") }, { method });
	expect(cloud.journal.text()).not.toContain(encodeURIComponent(Buffer.from("a-secret").toString("base64")));
	expect(cloud.journal.text()).toContain("UserData=xxxxxxxx");
});
