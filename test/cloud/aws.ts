import type { z } from "zod";
import type { Account } from "./account.ts";
import { INSTANCE_TYPES, imagesOf, matches } from "./aws-catalogue.ts";
import { deedsOf } from "./aws-deeds.ts";
import { changeIngress, createGroup, describeGroups, describeVpcs, type Filters } from "./aws-groups.ts";
import { instance } from "./aws-instances.ts";
import { cancelSpotRequests, runInstances, tagsFor } from "./aws-launch.ts";
import { forbidden } from "./aws-policy.ts";
import * as requests from "./aws-requests.ts";
import { describe, notFound } from "./aws-shown.ts";
import { scopeOf, secretOf, verified } from "./aws-signature.ts";
import { reboot, start, stop, terminateAll } from "./aws-switching.ts";
import { answer, refuse } from "./aws-xml.ts";
import type { Call, DevAccount, Dialect, Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import { type Labels, labelsOf, wordsOf } from "./labels.ts";

/**
 * EC2's query API, the part about instances, their images and types, and security groups
 * (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/). All regions are here: the signature's scope says which one is meant.
 * An access key id that begins with `local` is an account; its secret is `secret-of-` and the id. What it may do is what
 * docs/providers/aws.md tells operators to allow: the policy (all that `local-bare…` may), and what taking in instances needs besides;
 * `local-admin…` may do everything.
 *
 * EC2 states no rate limit: `requestsPerHour` shows only in its refusals.
 */
export function aws({ requestsPerHour, pageSize = MAX_PAGE }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	return {
		provider: "aws",
		operation: operationOf,
		account: verified,
		region: (call) => scopeOf(call)?.region ?? null,
		soldOut,
		handle: (call, account) => route(call, account, pageSize),
		failure(status) {
			const [real, code, message] = FAILURES[status] ?? [status, "InternalError", "An internal error has occurred"];
			return refuse(real, code, message);
		},
		meter(account, nowMs) {
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const isSpent = requestsPerHour !== null && lately.length >= requestsPerHour;
			spent.set(account.key, isSpent ? lately : [...lately, nowMs]);
			return { headers: {}, refusal: isSpent ? refuse(503, "RequestLimitExceeded", "Request limit exceeded.") : null };
		},
		mask: maskForm,
		maskQuery: maskForm,
	};
}

const maskForm = (form: string) =>
	form.replace(/(^|[?&])UserData=([^&]*)/, (_, start: string, data: string) => `${start}UserData=${"x".repeat(data.length)}`);

/** What launches and what starts again needs room. */
function soldOut(call: Call): Response | null {
	const form = requests.formOf(call);
	const action = form.get("Action");
	if (action !== "RunInstances" && action !== "StartInstances") return null;
	const zone = `${scopeOf(call)?.region}a`;
	const what = form.get("InstanceType") ?? "instance";
	const sentence = `We currently do not have sufficient ${what} capacity in the Availability Zone you requested (${zone}). Our system will be working on provisioning additional capacity.`;
	return refuse(500, "InsufficientInstanceCapacity", sentence);
}

/** By the status that other clouds would give: EC2 has a status of its own for it. */
const FAILURES: Readonly<Record<number, readonly [status: number, code: string, message: string]>> = {
	401: [401, "AuthFailure", "AWS was not able to validate the provided access credentials"],
	403: [403, "UnauthorizedOperation", "You are not authorized to perform this operation."],
	404: [400, "InvalidInstanceID.NotFound", "The instance ID 'i-00000000000000000' does not exist"],
	409: [400, "IncorrectInstanceState", "The instance is not in a state from which it can be changed."],
	429: [503, "RequestLimitExceeded", "Request limit exceeded."],
	503: [503, "Unavailable", "The server is overloaded and can't handle the request."],
};

const MAX_PAGE = 1000;

function operationOf(call: Call): Operation {
	const form = requests.formOf(call);
	const action = form.get("Action") ?? "";
	if (action === "RunInstances") return "create";
	if (action === "TerminateInstances") return "delete";
	if (/^(Stop|Start|Reboot)Instances$/.test(action)) return "restart";
	if (/SecurityGroup/.test(action)) return "firewall";
	if (/^(Create|Delete)Tags$/.test(action)) return "retag";
	if (action !== "DescribeInstances") return "other";
	return form.has("InstanceId.1") || [...form.values()].includes("client-token") ? "get" : "list";
}

function route(call: Call, account: Account, pageSize: number): Promise<Response> | Response {
	const form = requests.formOf(call);
	const action = form.get("Action") ?? "";
	const version = form.get("Version") ?? "";
	if (!["", "/"].includes(call.path)) return refuse(404, "InvalidAction", `The action ${action} is not valid for this web service.`);
	if (action === "") return refuse(400, "MissingAction", "The request must contain the parameter Action");
	if (version !== "2016-11-15") {
		return refuse(400, "InvalidAction", `The action ${action} is not valid for this web service version ${version}.`);
	}
	const isDryRun = form.get("DryRun") === "true";
	for (const name of ["Action", "Version", "DryRun"]) form.delete(name);
	const tree = requests.treeOf(form);
	if (tree === null) return refuse(400, "MalformedQueryString", "The query string contains a syntax error.");
	const { region = "", accessKeyId = "" } = scopeOf(call) ?? {};
	const read = <T extends z.ZodType>(schema: T, then: (body: z.output<T>) => Promise<Response> | Response) => {
		const parsed = schema.safeParse(tree);
		if (!parsed.success) return requests.complaint(parsed.error, tree);
		const refusal = deedsOf(action, tree, account, region)
			.map((deed) => forbidden(accessKeyId, deed))
			.find((each) => each !== null);
		if (refusal) return refusal;
		return isDryRun ? refuse(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.") : then(parsed.data);
	};
	switch (action) {
		case "RunInstances":
			return read(requests.RunInstances, (body) => runInstances(body, form.toString(), account, region));
		case "DescribeInstances":
			return read(requests.DescribeInstances, (body) => {
				const asked = body.MaxResults ?? MAX_PAGE;
				const from = Number(Buffer.from(body.NextToken ?? "", "base64").toString());
				if (body.InstanceId && body.MaxResults !== undefined) {
					return refuse(400, "InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults");
				}
				if (asked < 5 || asked > MAX_PAGE)
					return refuse(400, "InvalidParameterValue", `Value ( ${asked} ) for parameter maxResults is invalid.`);
				const size = Math.min(asked, pageSize);
				return describe(account, region, { ids: body.InstanceId, filters: body.Filter ?? [], size, from });
			});
		case "TerminateInstances":
			return read(requests.TerminateInstances, (body) => terminateAll(body.InstanceId, account, region));
		case "StopInstances":
			return read(requests.StopInstances, (body) => stop(body.InstanceId, account, region));
		case "StartInstances":
			return read(requests.StartInstances, (body) => start(body.InstanceId, account, region));
		case "RebootInstances":
			return read(requests.RebootInstances, (body) => reboot(body.InstanceId, account, region));
		case "CreateTags":
			return read(requests.CreateTags, ({ ResourceId, Tag }) =>
				changeTags(action, ResourceId, account, region, (has) => ({
					...has,
					...Object.fromEntries(Tag.map(({ Key, Value }) => [Key, Value])),
				})),
			);
		case "DeleteTags":
			return read(requests.DeleteTags, ({ ResourceId, Tag }) =>
				changeTags(action, ResourceId, account, region, (has) =>
					Object.fromEntries(
						Object.entries(has).filter(([key, value]) => !Tag.some((tag) => tag.Key === key && (tag.Value ?? value) === value)),
					),
				),
			);
		case "CancelSpotInstanceRequests":
			return read(requests.CancelSpotInstanceRequests, (body) => cancelSpotRequests(body.SpotInstanceRequestId, account));
		case "DescribeVpcs":
			return read(requests.DescribeVpcs, (body) => describeVpcs(account, region, body.Filter ?? []));
		case "DescribeSecurityGroups":
			return read(requests.DescribeSecurityGroups, (body) => describeGroups(account, region, body));
		case "CreateSecurityGroup":
			return read(requests.CreateSecurityGroup, (body) => {
				const tags = tagsFor(body.TagSpecification, "security-group");
				return createGroup(account, region, { name: body.GroupName, description: body.GroupDescription, vpc: body.VpcId ?? "", tags });
			});
		case "AuthorizeSecurityGroupIngress":
		case "RevokeSecurityGroupIngress":
			return read(requests.Ingress, (body) => changeIngress(account, region, action, body.GroupId, body.IpPermissions));
		case "DescribeImages":
			return read(requests.DescribeImages, (body) => describeImages(region, body));
		case "DescribeInstanceTypes":
			return read(requests.DescribeInstanceTypes, (body) => describeTypes(body, pageSize));
		default:
			return refuse(400, "InvalidAction", `The action ${action} is not valid for this web service.`);
	}
}

/** Of what can have tags, instances alone are spoken of here. */
function changeTags(action: string, ids: readonly string[], account: Account, region: string, change: (has: Labels) => Labels): Response {
	const missing = ids.find((id) => instance(account, region, id) === null);
	if (missing !== undefined) return notFound(missing);
	for (const id of ids) {
		const vm = account.vm(id);
		if (vm) account.retag(vm, wordsOf(change(labelsOf(vm.tags))));
	}
	return answer(action, { return: true });
}

function describeImages(region: string, { Owner, ImageId, Filter = [] }: z.output<typeof requests.DescribeImages>): Response {
	const filters: Filters = Filter;
	const missing = ImageId?.find((id) => !imagesOf(region).some((image) => image.id === id));
	if (missing !== undefined) {
		const isId = /^ami-([0-9a-f]{8}|[0-9a-f]{17})$/.test(missing);
		return isId
			? refuse(400, "InvalidAMIID.NotFound", `The image id '[${missing}]' does not exist`)
			: refuse(400, "InvalidAMIID.Malformed", `Invalid id: "${missing}" (expecting "ami-...")`);
	}
	const shown = imagesOf(region).filter((image) => {
		const values: Readonly<Record<string, string>> = { name: image.name, architecture: image.architecture, state: "available" };
		const fits = filters.every(({ Name, Value }) => Value.some((value) => matches(value, values[Name] ?? "")));
		return fits && (Owner?.includes(image.owner) ?? true) && (ImageId?.includes(image.id) ?? true);
	});
	return answer("DescribeImages", {
		imagesSet: shown.map((image) => ({
			imageId: image.id,
			imageLocation: `${image.owner}/${image.name}`,
			imageState: "available",
			imageOwnerId: image.owner,
			creationDate: image.createdAt,
			isPublic: true,
			architecture: image.architecture,
			imageType: "machine",
			name: image.name,
			rootDeviceType: "ebs",
			rootDeviceName: "/dev/sda1",
			virtualizationType: "hvm",
			hypervisor: "xen",
			blockDeviceMapping: [],
		})),
	});
}

function describeTypes(body: z.output<typeof requests.DescribeInstanceTypes>, pageSize: number): Response {
	const { InstanceType: names, Filter = [], MaxResults, NextToken } = body;
	if (names && MaxResults !== undefined) {
		return refuse(400, "InvalidParameterCombination", "The parameter instanceTypes cannot be used with the parameter maxResults");
	}
	if (MaxResults !== undefined && (MaxResults < 5 || MaxResults > 100))
		return refuse(400, "InvalidParameterValue", `Value ( ${MaxResults} ) for parameter maxResults is invalid.`);
	const unknown = names?.find((name) => !Object.hasOwn(INSTANCE_TYPES, name));
	if (unknown !== undefined) {
		return refuse(400, "InvalidInstanceType", `The following supplied instance types do not exist: [${unknown}]`);
	}
	const known = ["instance-type", "processor-info.supported-architecture"];
	const other = Filter.find(({ Name }) => !known.includes(Name));
	if (other) return refuse(400, "InvalidParameterValue", `The filter '${other.Name}' is invalid`);
	const fits = ([name, { architecture }]: readonly [string, { readonly architecture: string }]) =>
		Filter.every(({ Name, Value }) => Value.some((value) => matches(value, Name === "instance-type" ? name : architecture)));
	const all = Object.entries(INSTANCE_TYPES).filter(([name, type]) => (names?.includes(name) ?? true) && fits([name, type]));
	const from = Number(Buffer.from(NextToken ?? "", "base64").toString());
	const to = from + Math.min(MaxResults ?? 100, pageSize);
	const shown = all.slice(from, to);
	return answer("DescribeInstanceTypes", {
		...(to < all.length ? { nextToken: Buffer.from(String(to)).toString("base64") } : {}),
		instanceTypeSet: shown.map(([name, type]) => ({
			instanceType: name,
			currentGeneration: true,
			freeTierEligible: false,
			supportedUsageClasses: ["on-demand", "spot"],
			supportedRootDeviceTypes: ["ebs"],
			supportedVirtualizationTypes: ["hvm"],
			bareMetal: false,
			hypervisor: "nitro",
			processorInfo: { supportedArchitectures: [type.architecture] },
			vCpuInfo: { defaultVCpus: type.vcpus },
			memoryInfo: { sizeInMiB: type.memoryMib },
			instanceStorageSupported: false,
			burstablePerformanceSupported: type.isBurstable,
		})),
	});
}

export const devAccount: DevAccount = async () => ({ ACCESS_KEY_ID: "local-dev", SECRET_ACCESS_KEY: secretOf("local-dev") });
