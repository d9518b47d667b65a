import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import type { Account } from "./account.ts";
import { INSTANCE_TYPES, idOf, imagesOf } from "./aws-catalogue.ts";
import { defaultGroup, groupIn, groupNamed, OWNER } from "./aws-groups.ts";
import { type Details, end, instance, launch } from "./aws-instances.ts";
import type { RunInstances } from "./aws-requests.ts";
import { show, subnetOf } from "./aws-shown.ts";
import { answer, refuse } from "./aws-xml.ts";
import type { Json, VmRecord } from "./inventory.ts";
import { type Labels, wordsOf } from "./labels.ts";

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
	readonly tags: Labels;
}

type TagSpecification = RunInstances["TagSpecification"];
/** The tags that a create gives to what it makes of that kind. */
export function tagsFor(specification: TagSpecification, kind: string): Labels {
	const tags = specification?.filter(({ ResourceType }) => ResourceType === kind).flatMap(({ Tag }) => Tag) ?? [];
	return Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value]));
}

/** Null: there is no such request. */
export function spotRequestTags(account: Account, id: string): Labels | null {
	const request = account.collection<SpotRequest>("spot-requests").get(id);
	return request === null ? null : (request.tags ?? {});
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
		const tags = tagsFor(wanted.TagSpecification, "spot-instances-request");
		account.collection<SpotRequest>("spot-requests").set(spotRequest, { type: market.SpotInstanceType, state: "active", tags });
	}
	const tags = tagsFor(wanted.TagSpecification, "instance");
	const [nic] = wanted.NetworkInterface ?? [];
	const named = groupsAsked(wanted);
	const details: Details = {
		region,
		type: wanted.InstanceType,
		image: wanted.ImageId,
		groups: named.length > 0 ? named.map((each) => groupNamed(account, region, each)?.id ?? each) : [defaultGroup(account, region).id],
		token,
		spotRequest,
		// The default network's subnets give addresses to whoever does not say otherwise.
		hasAddress: nic?.AssociatePublicIpAddress ?? true,
		interfaceGoes: nic?.DeleteOnTermination ?? true,
		diskGoes: wanted.BlockDeviceMapping?.[0]?.Ebs?.DeleteOnTermination ?? true,
		isMonitored: wanted.Monitoring?.Enabled ?? false,
	};
	const id = await launch(
		{
			name: tags.Name ?? "",
			tags: wordsOf(tags),
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

/** Groups by id or by name, wherever the request gives them. */
const groupsAsked = ({ NetworkInterface, SecurityGroupId = [], SecurityGroup = [] }: RunInstances): readonly string[] => [
	...(NetworkInterface?.[0]?.SecurityGroupId ?? []),
	...SecurityGroupId,
	...SecurityGroup,
];

function launched(id: string, account: Account, region: string): Response {
	const one = instance(account, region, id);
	return answer("RunInstances", {
		reservationId: idOf("r", id),
		ownerId: OWNER,
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
	const hasBoth =
		wanted.NetworkInterface !== undefined && (wanted.SecurityGroupId ?? wanted.SecurityGroup ?? wanted.SubnetId) !== undefined;
	if (hasBoth) {
		const sentence = "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request";
		return refuse(400, "InvalidParameterCombination", sentence);
	}
	const subnet = wanted.NetworkInterface?.[0]?.SubnetId ?? wanted.SubnetId ?? subnetOf(account, region);
	if (subnet !== subnetOf(account, region)) return refuse(400, "InvalidSubnetID.NotFound", `The subnet ID '${subnet}' does not exist`);
	const group = groupsAsked(wanted).find((each) => !groupIn(account, region, each) && !groupNamed(account, region, each));
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
		await launch({ name: vm.name, tags: vm.tags, userData: vm.userData, details }, account);
	} else requests.set(details.spotRequest, { ...request, state: request.state === "active" ? "closed" : request.state });
}

export function cancelSpotRequests(ids: readonly string[], account: Account): Response {
	const requests = account.collection<SpotRequest>("spot-requests");
	const missing = ids.find((id) => requests.get(id) === null);
	if (missing !== undefined) {
		return refuse(400, "InvalidSpotInstanceRequestID.NotFound", `The spot instance request ID '${missing}' does not exist`);
	}
	for (const id of ids) {
		const request = requests.get(id);
		if (request) requests.set(id, { ...request, state: "cancelled" });
	}
	return answer("CancelSpotInstanceRequests", {
		spotInstanceRequestSet: ids.map((id) => ({ spotInstanceRequestId: id, state: "cancelled" })),
	});
}

/** Only a persistent request lets its instance be stopped and started. */
export function isOneTimeSpot({ spotRequest }: Details, account: Account): boolean {
	return spotRequest !== null && account.collection<SpotRequest>("spot-requests").get(spotRequest)?.type === "one-time";
}
