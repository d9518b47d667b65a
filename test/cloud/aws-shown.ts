import { createHash } from "node:crypto";
import type { Account } from "./account.ts";
import { INSTANCE_TYPES, idOf } from "./aws-catalogue.ts";
import { type Filters, groupIn, OWNER, tagSet, vpcOf } from "./aws-groups.ts";
import { fits, type Instance, instancesOf, type State, valuesOf } from "./aws-instances.ts";
import { answer, refuse, type XmlValue } from "./aws-xml.ts";

/** Instances in EC2's answers: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html */

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html */
const CODES: Readonly<Record<State, number>> = { pending: 0, running: 16, "shutting-down": 32, terminated: 48, stopping: 64, stopped: 80 };
export const stateSet = (state: State) => ({ code: CODES[state], name: state });

export const subnetOf = (account: Account, region: string) => idOf("subnet", `${account.key}/${region}`);

/** EC2 keeps whole seconds, and writes them so. */
const secondOf = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}.000Z`;

/** One page of reservations. EC2 puts what one request launched into one reservation; others hold one instance each here. */
export function describe(
	account: Account,
	region: string,
	wanted: { readonly ids: readonly string[] | undefined; readonly filters: Filters; readonly size: number; readonly from: number },
): Response {
	const all = instancesOf(account, region);
	const missing = wanted.ids?.find((id) => !all.some((one) => one.id === id));
	if (missing !== undefined) return notFound(missing);
	const unknown = wanted.filters.find(({ Name }) => valuesOf(Name) === null);
	if (unknown) return refuse(400, "InvalidParameterValue", `The filter '${unknown.Name}' is invalid`);
	const shown = all.filter((one) => (wanted.ids?.includes(one.id) ?? true) && fits(one, wanted.filters));
	const page = shown.slice(wanted.from, wanted.from + wanted.size);
	return answer("DescribeInstances", {
		reservationSet: page.map((one) => ({
			reservationId: idOf("r", one.id),
			ownerId: OWNER,
			groupSet: [],
			instancesSet: [show(one, account)],
		})),
		nextToken: shown.length > wanted.from + wanted.size ? Buffer.from(String(wanted.from + wanted.size)).toString("base64") : null,
	});
}

export function notFound(id: string): Response {
	if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) return refuse(400, "InvalidInstanceID.Malformed", `Invalid id: "${id}"`);
	return refuse(400, "InvalidInstanceID.NotFound", `The instance ID '${id}' does not exist`);
}

export function show(one: Instance, account: Account): XmlValue {
	const { region, type, image, groups, token, spotRequest, isMonitored } = one.details;
	const hasNetwork = one.state !== "terminated";
	const groupSet = groups.map((id) => ({ groupId: id, groupName: groupIn(account, region, id)?.name ?? "" }));
	return {
		instanceId: one.id,
		imageId: image,
		instanceState: stateSet(one.state),
		privateDnsName: hasNetwork ? privateName(one) : "",
		dnsName: publicName(one),
		...reasonOf(one),
		amiLaunchIndex: 0,
		productCodes: [],
		instanceType: type,
		launchTime: secondOf(one.startedAt),
		placement: { availabilityZone: `${region}a`, groupName: "", tenancy: "default" },
		monitoring: { state: isMonitored ? "enabled" : "disabled" },
		...(hasNetwork
			? { subnetId: subnetOf(account, region), vpcId: vpcOf(account, region), privateIpAddress: one.privateAddress, groupSet }
			: { groupSet: [] }),
		ipAddress: one.address,
		sourceDestCheck: hasNetwork ? true : null,
		architecture: INSTANCE_TYPES[type]?.architecture ?? "x86_64",
		rootDeviceType: "ebs",
		rootDeviceName: "/dev/sda1",
		blockDeviceMapping: hasNetwork && one.state !== "pending" ? [diskOf(one)] : [],
		virtualizationType: "hvm",
		clientToken: token,
		tagSet: tagSet(one.tags),
		hypervisor: "xen",
		networkInterfaceSet: hasNetwork ? [interfaceOf(one, account, groupSet)] : [],
		ebsOptimized: false,
		enaSupport: true,
		...(spotRequest === null ? {} : { instanceLifecycle: "spot", spotInstanceRequestId: spotRequest }),
	};
}

/** Why it is as it is; a running instance has no reason. */
function reasonOf({ state, ended }: Instance): { readonly [name: string]: XmlValue } {
	if (state === "pending") return { stateReason: { code: "pending", message: "pending" }, reason: "" };
	if (ended === null) return { reason: "" };
	if (ended.by === "cloud") {
		const code = "Server.InsufficientInstanceCapacity";
		const message = `${code}: There was insufficient capacity available to satisfy the request`;
		return { stateReason: { code, message }, reason: code };
	}
	const code = "Client.UserInitiatedShutdown";
	const at = new Date(ended.at).toISOString().slice(0, 19).replace("T", " ");
	return { stateReason: { code, message: `${code}: User initiated shutdown` }, reason: `User initiated (${at} GMT)` };
}

const publicName = ({ address, details }: Instance) =>
	address === null ? "" : `ec2-${address.replaceAll(".", "-")}.${details.region}.compute.amazonaws.com`;
const privateName = ({ privateAddress, details }: Instance) =>
	`ip-${privateAddress.replaceAll(".", "-")}.${details.region}.compute.internal`;

function diskOf({ id, createdAt, details }: Instance): XmlValue {
	const ebs = { volumeId: idOf("vol", id), status: "attached", attachTime: secondOf(createdAt), deleteOnTermination: details.diskGoes };
	return { deviceName: "/dev/sda1", ebs };
}

function interfaceOf(one: Instance, account: Account, groupSet: XmlValue): XmlValue {
	const { id, createdAt, details, address, privateAddress } = one;
	const { region } = details;
	const association = address === null ? null : { publicIp: address, publicDnsName: publicName(one), ipOwnerId: "amazon" };
	const isAttached = one.state !== "pending" && one.state !== "shutting-down";
	return {
		networkInterfaceId: idOf("eni", id),
		subnetId: subnetOf(account, region),
		vpcId: vpcOf(account, region),
		description: "",
		ownerId: OWNER,
		status: "in-use",
		macAddress: `0a:${(createHash("sha256").update(id).digest("hex").slice(0, 10).match(/../g) ?? []).join(":")}`,
		privateIpAddress: privateAddress,
		privateDnsName: privateName(one),
		sourceDestCheck: true,
		groupSet,
		attachment: {
			attachmentId: idOf("eni-attach", id),
			deviceIndex: 0,
			networkCardIndex: 0,
			status: isAttached ? "attached" : one.state === "pending" ? "attaching" : "detaching",
			attachTime: secondOf(createdAt),
			deleteOnTermination: details.interfaceGoes,
		},
		association,
		privateIpAddressesSet: [{ privateIpAddress: privateAddress, privateDnsName: privateName(one), primary: true, association }],
		ipv6AddressesSet: [],
		interfaceType: "interface",
	};
}
