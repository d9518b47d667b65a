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
}

/** A local cloud, and calls of its EC2 that are signed by a library of its own. */
function world(options: Parameters<typeof localCloud>[0] = {}) {
	const { cloud, clock } = localCloud({ bootMs: 1000, ...options });
	const ec2 = async (action: string, parameters: Readonly<Record<string, string>> = {}, how: How = {}) => {
		const { key = "local-test", secret = secretOf(key), region = REGION, service = "ec2", skewMs = 0 } = how;
		const body = new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters }).toString();
		const datetime = new Date(clock.now() + skewMs).toISOString().replace(/[:-]|\.\d{3}/g, "");
		const url = `${BASE}/`;
		const signer = new AwsV4Signer({ method: "POST", url, body, accessKeyId: key, secretAccessKey: secret, service, region, datetime });
		const { headers } = await signer.sign();
		const response = await cloud.fetch(new Request(url, { method: "POST", headers, body: how.instead ?? body }));
		const answer = Xml.parse(await response.text());
		return { status: response.status, answer, code: answer.text("Errors", "Error", "Code") };
	};
	const group = async () => {
		const vpc = (await ec2("DescribeVpcs")).answer.items("vpcSet")[0]?.text("vpcId") ?? "";
		const made = await ec2("CreateSecurityGroup", { GroupName: `g${clock.now()}`, GroupDescription: "d", VpcId: vpc });
		return made.answer.text("groupId") ?? "";
	};
	const run = async (more: Readonly<Record<string, string>> = {}, how: How = {}) => {
		const image = imagesOf(how.region ?? REGION).find(({ architecture }) => architecture === "arm64")?.id ?? "";
		return ec2(
			"RunInstances",
			{ MinCount: "1", MaxCount: "1", ImageId: image, InstanceType: "t4g.nano", "NetworkInterface.1.DeviceIndex": "0", ...more },
			how,
		);
	};
	const idOf = async (made: ReturnType<typeof run>) => (await made).answer.items("instancesSet")[0]?.text("instanceId") ?? "";
	const stateOf = async (id: string) => {
		const { answer } = await ec2("DescribeInstances", { "InstanceId.1": id });
		return answer.items("reservationSet")[0]?.items("instancesSet")[0]?.text("instanceState", "name");
	};
	return { cloud, clock, ec2, run, idOf, stateOf, group };
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
		["a parameter that its model does not name", { Colour: "red" }, "InvalidParameterValue"],
		["a list with a gap", { "TagSpecification.2.ResourceType": "instance" }, "MalformedQueryString"],
	])("%s", async (_, more, code) => expect((await world().run(more)).code).toBe(code));

	test("more instances than the account may have, and more calls than it may make", async () => {
		const { run } = world({ limit: 1, limits: { requestsPerHour: 3 } });
		expect([(await run()).code, (await run()).code, (await run()).code]).toEqual([null, "VcpuLimitExceeded", "VcpuLimitExceeded"]);
		expect(await run()).toMatchObject({ status: 503, code: "RequestLimitExceeded" });
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

test("the journal holds no user data", async () => {
	const { cloud, run } = world();
	await run({ UserData: Buffer.from("a-secret").toString("base64") });
	expect(cloud.journal.text()).not.toContain(encodeURIComponent(Buffer.from("a-secret").toString("base64")));
	expect(cloud.journal.text()).toContain("UserData=xxxxxxxx");
});
