import { z } from "zod";
import { refuse } from "./aws-xml.ts";
import type { Call } from "./dialect.ts";

/**
 * The requests of EC2's query API for the operations that we speak, closed: what its model does not name, or what no one here
 * uses, is refused, so that a misspelt parameter does not pass here and fail at the real one.
 */
export type Tree = string | { readonly [name: string]: Tree } | readonly Tree[];

/** What is asked, whether it stands in a form or, with GET, in the query. */
export function formOf(call: Call): URLSearchParams {
	if (call.method !== "GET") return new URLSearchParams(call.body);
	return new URLSearchParams([...call.query].filter(([name]) => !name.startsWith("X-Amz-")));
}

/** The first thing that is wrong, in EC2's words: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html */
export function complaint({ issues: [issue] }: z.ZodError, tree: Tree): Response {
	const path = issue?.path ?? [];
	const name = path.map((part) => (typeof part === "number" ? part + 1 : String(part))).join(".");
	if (issue?.code === "unrecognized_keys") {
		const [key = ""] = issue.keys;
		return refuse(400, "UnknownParameter", `The parameter ${name === "" ? key : `${name}.${key}`} is not recognized`);
	}
	const value = path.reduce<unknown>((at, part) => (at as { readonly [part: PropertyKey]: unknown } | undefined)?.[part], tree);
	if (value === undefined) return refuse(400, "MissingParameter", `The request must contain the parameter ${name}`);
	const shown = typeof value === "string" ? value : "";
	return refuse(400, "InvalidParameterValue", `Value (${shown}) for parameter ${name} is invalid.`);
}

/** `Tag.1.Key=a` → `{Tag: [{Key: "a"}]}`; null where a name stands for a value and for a structure, or a list has gaps. */
export function treeOf(form: URLSearchParams): { readonly [name: string]: Tree } | null {
	const root: { [name: string]: unknown } = {};
	for (const [name, value] of form) {
		const path = name.split(".");
		let at = root;
		for (const part of path.slice(0, -1)) {
			at[part] ??= {};
			if (typeof at[part] !== "object") return null;
			at = at[part] as { [name: string]: unknown };
		}
		at[path.at(-1) ?? ""] = value;
	}
	return asTree(root) as { readonly [name: string]: Tree } | null;
}

function asTree(value: unknown): Tree | null {
	if (typeof value === "string") return value;
	const entries = Object.entries(value as object).map(([name, inner]) => [name, asTree(inner)] as const);
	if (entries.some(([, inner]) => inner === null)) return null;
	const isList = entries.length > 0 && entries.every(([name]) => /^[1-9]\d*$/.test(name));
	if (!isList) return Object.fromEntries(entries) as Tree;
	const sorted = entries.sort(([a], [b]) => Number(a) - Number(b));
	return sorted.every(([name], index) => Number(name) === index + 1) ? (sorted.map(([, inner]) => inner) as Tree) : null;
}

const Flag = z.enum(["true", "false"]).transform((text) => text === "true");
const Whole = z
	.string()
	.regex(/^-?\d+$/, "must be an integer")
	.transform(Number);
const Tags = z.array(z.strictObject({ Key: z.string().min(1).max(127), Value: z.string().max(255) })).max(50);
const TagSpecification = z.array(
	z.strictObject({
		ResourceType: z.enum(["instance", "volume", "network-interface", "security-group", "spot-instances-request"]),
		Tag: Tags,
	}),
);
const Filter = z.array(z.strictObject({ Name: z.string(), Value: z.array(z.string()).min(1).max(200) })).max(200);
const Page = { MaxResults: Whole.optional(), NextToken: z.string().optional() };
const InstanceId = z.array(z.string()).min(1);

export const RunInstances = z.strictObject({
	MinCount: Whole,
	MaxCount: Whole,
	ImageId: z.string(),
	InstanceType: z.string().default("m1.small"),
	ClientToken: z
		.string()
		.max(64)
		.regex(/^[\x21-\x7e]*$/)
		.optional(),
	UserData: z.string().optional(),
	/** Without one the instance has an interface all the same, in the default subnet. */
	NetworkInterface: z
		.array(
			z.strictObject({
				DeviceIndex: Whole,
				AssociatePublicIpAddress: Flag.optional(),
				DeleteOnTermination: Flag.optional(),
				Description: z.string().optional(),
				SecurityGroupId: z.array(z.string()).optional(),
				SubnetId: z.string().optional(),
			}),
		)
		.length(1)
		.optional(),
	SecurityGroupId: z.array(z.string()).optional(),
	SecurityGroup: z.array(z.string()).optional(),
	SubnetId: z.string().optional(),
	BlockDeviceMapping: z
		.array(
			z.strictObject({
				DeviceName: z.string(),
				Ebs: z
					.strictObject({
						DeleteOnTermination: Flag.optional(),
						Encrypted: Flag.optional(),
						VolumeSize: Whole.optional(),
						VolumeType: z.enum(["standard", "gp2", "gp3"]).optional(),
					})
					.optional(),
			}),
		)
		.max(1)
		.optional(),
	Monitoring: z.strictObject({ Enabled: Flag }).optional(),
	EbsOptimized: Flag.optional(),
	DisableApiTermination: Flag.optional(),
	InstanceInitiatedShutdownBehavior: z.enum(["stop", "terminate"]).optional(),
	TagSpecification: TagSpecification.optional(),
	MetadataOptions: z
		.strictObject({ HttpTokens: z.enum(["optional", "required"]).optional(), HttpEndpoint: z.enum(["enabled", "disabled"]).optional() })
		.optional(),
	CreditSpecification: z.strictObject({ CpuCredits: z.enum(["standard", "unlimited"]) }).optional(),
	InstanceMarketOptions: z
		.strictObject({
			MarketType: z.literal("spot"),
			SpotOptions: z.strictObject({
				SpotInstanceType: z.enum(["one-time", "persistent"]).default("one-time"),
				InstanceInterruptionBehavior: z.enum(["hibernate", "stop", "terminate"]).default("terminate"),
				MaxPrice: z.string().optional(),
			}),
		})
		.optional(),
});
export type RunInstances = z.infer<typeof RunInstances>;

export const DescribeInstances = z.strictObject({ InstanceId: InstanceId.optional(), Filter: Filter.optional(), ...Page });
export const TerminateInstances = z.strictObject({ InstanceId });
export const StopInstances = z.strictObject({ InstanceId, Force: Flag.optional() });
export const StartInstances = z.strictObject({ InstanceId });
export const RebootInstances = z.strictObject({ InstanceId });
export const CancelSpotInstanceRequests = z.strictObject({ SpotInstanceRequestId: z.array(z.string()).min(1) });
export const CreateTags = z.strictObject({ ResourceId: z.array(z.string()).min(1).max(1000), Tag: Tags });
/** A tag without a value is taken off whatever its value is. */
export const DeleteTags = z.strictObject({
	ResourceId: z.array(z.string()).min(1).max(1000),
	Tag: z.array(z.strictObject({ Key: z.string(), Value: z.string().optional() })).min(1),
});
export const DescribeVpcs = z.strictObject({ Filter: Filter.optional(), VpcId: z.array(z.string()).optional(), ...Page });
export const DescribeImages = z.strictObject({
	Filter: Filter.optional(),
	ImageId: z.array(z.string()).optional(),
	Owner: z.array(z.string()).optional(),
	...Page,
});
export const DescribeInstanceTypes = z.strictObject({
	InstanceType: z.array(z.string()).max(100).optional(),
	Filter: Filter.optional(),
	...Page,
});
export const DescribeSecurityGroups = z.strictObject({
	Filter: Filter.optional(),
	GroupId: z.array(z.string()).optional(),
	GroupName: z.array(z.string()).optional(),
	...Page,
});
export const CreateSecurityGroup = z.strictObject({
	GroupName: z.string().min(1).max(255),
	GroupDescription: z.string().min(1).max(255),
	VpcId: z.string().optional(),
	TagSpecification: TagSpecification.optional(),
});
const IpPermissions = z
	.array(
		z.strictObject({
			IpProtocol: z.enum(["tcp", "udp", "icmp", "icmpv6", "-1"]),
			FromPort: Whole.optional(),
			ToPort: Whole.optional(),
			IpRanges: z.array(z.strictObject({ CidrIp: z.cidrv4(), Description: z.string().optional() })).optional(),
			Ipv6Ranges: z.array(z.strictObject({ CidrIpv6: z.cidrv6(), Description: z.string().optional() })).optional(),
			Groups: z.array(z.strictObject({ GroupId: z.string(), UserId: z.string().optional() })).optional(),
			PrefixListIds: z.array(z.strictObject({ PrefixListId: z.string() })).optional(),
		}),
	)
	.min(1);
export type IpPermissions = z.infer<typeof IpPermissions>;
/** Of both, to let in and to stop letting in. */
export const Ingress = z.strictObject({ GroupId: z.string(), IpPermissions });
