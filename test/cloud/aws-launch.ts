import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import type { Account } from "./account.ts";
import { INSTANCE_TYPES, idOf, imagesOf } from "./aws-catalogue.ts";
import { groupsOf } from "./aws-groups.ts";
import { type Details, end, instance, show } from "./aws-instances.ts";
import type { RunInstances } from "./aws-requests.ts";
import { answer, refuse } from "./aws-xml.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { wordsOf } from "./labels.ts";

/** RunInstances, and what brings an instance back. */

interface Token {
	readonly [key: string]: Json;
	readonly digest: string;
	readonly instance: string;
}
interface SpotRequest {
	readonly [key: string]: Json;
	readonly type: "one-time" | "persistent";
	readonly state: "active" | "cancelled" | "closed";
}

const MAX_USER_DATA_BYTES = 16_384;

export async function runInstances(wanted: RunInstances, body: string, account: Account, region: string): Promise<Response> {
	const tokens = account.collection<Token>("client-tokens");
	const digest = createHash("sha256").update(body).digest("hex");
	const token = wanted.ClientToken ?? `unasked-${account.number()}`;
	const earlier = tokens.get(`${region}/${token}`);
	if (earlier) {
		if (earlier.digest !== digest) {
			return refuse(
				400,
				"IdempotentParameterMismatch",
				"Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
			);
		}
		// The very instance of then, also when it is dead by now.
		const made = instance(account, region, earlier.instance);
		return made
			? launched(made.id, account, region)
			: refuse(400, "IdempotentInstanceTerminated", "The instance of that client token is terminated.");
	}
	const complaint = complaintAbout(wanted, account, region);
	if (complaint) return complaint;
	const market = wanted.InstanceMarketOptions?.SpotOptions;
	const spotRequest = market ? `sir-${idOf("x", String(account.number())).slice(3, 11)}` : null;
	if (market && spotRequest !== null) {
		account.collection<SpotRequest>("spot-requests").set(spotRequest, { type: market.SpotInstanceType, state: "active" });
	}
	const tags = wanted.TagSpecification?.find(({ ResourceType }) => ResourceType === "instance")?.Tag ?? [];
	const details: Details = {
		region,
		type: wanted.InstanceType,
		image: wanted.ImageId,
		group: wanted.NetworkInterface[0]?.SecurityGroupId?.[0] ?? "",
		token,
		spotRequest,
	};
	const id = await launch(
		{
			name: tags.find(({ Key }) => Key === "Name")?.Value ?? "",
			tags: wordsOf(Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value]))),
			userData: unpacked(Buffer.from(wanted.UserData ?? "", "base64")),
			details,
		},
		account,
	);
	tokens.set(`${region}/${token}`, { digest, instance: id });
	return launched(id, account, region);
}

/** User data as cloud-init reads them: gzipped or not. */
function unpacked(userData: Buffer): string {
	return (userData.subarray(0, 2).toString("hex") === "1f8b" ? gunzipSync(userData) : userData).toString("utf8");
}

async function launch(wanted: Pick<VmRecord, "name" | "tags" | "userData" | "details">, account: Account): Promise<string> {
	const { vm } = await account.create({ provider: "aws", id: (number) => idOf("i", String(number)), ...wanted });
	return vm.id;
}

function launched(id: string, account: Account, region: string): Response {
	const one = instance(account, region, id);
	return answer("RunInstances", {
		reservationId: idOf("r", id),
		ownerId: "123456789012",
		groupSet: [],
		instancesSet: one ? [show(one, account)] : [],
	});
}

/** What EC2 would refuse, in the order in which it looks. */
function complaintAbout(wanted: RunInstances, account: Account, region: string): Response | null {
	if (wanted.MinCount !== 1 || wanted.MaxCount !== 1)
		return refuse(400, "InvalidParameterValue", "The local cloud launches one instance at a time.");
	const type = INSTANCE_TYPES[wanted.InstanceType];
	if (!type) return refuse(400, "InvalidParameterValue", `Invalid value '${wanted.InstanceType}' for InstanceType.`);
	const image = imagesOf(region).find(({ id }) => id === wanted.ImageId);
	if (!image) return refuse(400, "InvalidAMIID.NotFound", `The image id '[${wanted.ImageId}]' does not exist`);
	if (image.architecture !== type.architecture) {
		const sentence = `The architecture '${type.architecture}' of the specified instance type does not match the architecture '${image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.`;
		return refuse(400, "InvalidParameterValue", sentence);
	}
	const userData = Buffer.from(wanted.UserData ?? "", "base64");
	if (userData.toString("base64") !== (wanted.UserData ?? "")) {
		return refuse(400, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.");
	}
	if (userData.length > MAX_USER_DATA_BYTES) return refuse(400, "InvalidParameterValue", "User data is limited to 16384 bytes");
	const group = wanted.NetworkInterface[0]?.SecurityGroupId?.find((id) => groupsOf(account).get(id)?.region !== region);
	if (group !== undefined) return refuse(400, "InvalidGroup.NotFound", `The security group '${group}' does not exist`);
	if (wanted.CreditSpecification && !type.isBurstable) {
		return refuse(400, "InvalidParameterCombination", `The ${wanted.InstanceType} instance type does not support CPU credits.`);
	}
	const spot = wanted.InstanceMarketOptions?.SpotOptions;
	if (spot?.SpotInstanceType === "persistent" && spot.InstanceInterruptionBehavior === "terminate") {
		return refuse(400, "InvalidParameterCombination", "persistent is not supported with an instance interruption behavior of terminate.");
	}
	if (account.count() < account.limit) return null;
	if (spot) return refuse(400, "MaxSpotInstanceCountExceeded", "Max spot instance count exceeded");
	const sentence = `You have requested more vCPU capacity than your current vCPU limit of ${account.limit * type.vcpus} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.`;
	return refuse(400, "VcpuLimitExceeded", sentence);
}

/** Ends an instance. One of a persistent spot request that is still active comes back as another, with all it had. */
export async function terminate(vm: VmRecord, account: Account): Promise<void> {
	const details = vm.details as Details;
	end(account, vm);
	const requests = account.collection<SpotRequest>("spot-requests");
	const request = details.spotRequest === null ? null : requests.get(details.spotRequest);
	if (!request || details.spotRequest === null) return;
	if (request.type === "persistent" && request.state === "active") {
		await launch({ name: vm.name, tags: vm.tags, userData: vm.userData, details: vm.details }, account);
	} else requests.set(details.spotRequest, { ...request, state: request.state === "active" ? "closed" : request.state });
}

export function cancelSpotRequests(ids: readonly string[], account: Account): Response {
	const requests = account.collection<SpotRequest>("spot-requests");
	const missing = ids.find((id) => requests.get(id) === null);
	if (missing !== undefined) {
		return refuse(400, "InvalidSpotInstanceRequestID.NotFound", `The spot instance request ID '${missing}' does not exist`);
	}
	for (const id of ids) requests.set(id, { type: requests.get(id)?.type ?? "one-time", state: "cancelled" });
	return answer("CancelSpotInstanceRequests", {
		spotInstanceRequestSet: ids.map((id) => ({ spotInstanceRequestId: id, state: "cancelled" })),
	});
}

/** Only a persistent request lets its instance be stopped and started. */
export function isOneTimeSpot({ spotRequest }: Details, account: Account): boolean {
	return spotRequest !== null && account.collection<SpotRequest>("spot-requests").get(spotRequest)?.type === "one-time";
}
