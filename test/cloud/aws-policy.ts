import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { refuse } from "./aws-xml.ts";
import type { Labels } from "./labels.ts";

/**
 * What a key may do. The policy is the one that docs/providers/aws.md tells operators to attach, read from there: whatever it forgets is
 * refused here as well. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */

const texts = z.union([z.string(), z.array(z.string())]).transform((value) => (typeof value === "string" ? [value] : value));
const Statement = z.strictObject({
	Effect: z.literal("Allow"),
	Action: texts,
	Resource: texts,
	Condition: z.strictObject({ StringEquals: z.record(z.string(), texts) }).optional(),
});
type Statement = z.infer<typeof Statement>;
const Policy = z.strictObject({ Version: z.literal("2012-10-17"), Statement: z.array(Statement) });

const page = readFileSync(join(import.meta.dirname, "../../docs/providers/aws.md"), "utf8");
const [, text = ""] = /```json\n(.+?)```/s.exec(page) ?? [];
const DOCUMENTED: readonly Statement[] = Policy.parse(JSON.parse(text)).Statement;
/** What the same page says is needed besides, to take in instances that others made. */
const [, first = "", second = "", resource = ""] = /must also be allowed\s+`(.+?)`\s+and\s+`(.+?)`\s+on\s+`(.+?)`/.exec(page) ?? [];
const TAKING_IN: Statement = { Effect: "Allow", Action: [first, second], Resource: [resource] };

/** Key ids that begin so may do everything, or the bare policy; all others may take in instances as well. */
const ADMIN = "local-admin";
const BARE = "local-bare";

/** One thing that an action is about. */
export interface Resource {
	/** `instance/i-…` */
	readonly name: string;
	/** Null: there is no such thing. */
	readonly tags: Labels | null;
}

export interface Deed {
	/** `RunInstances` */
	readonly action: string;
	readonly region: string;
	/** Empty: the action is about none that exists. */
	readonly resources: readonly Resource[];
	/** For CreateTags as a part of a create: that create. */
	readonly createAction?: string;
}

/** EC2's refusal where the key's policy does not allow the deed on all of its resources; null: it may. */
export function forbidden(accessKeyId: string, deed: Deed): Response | null {
	if (accessKeyId.startsWith(ADMIN)) return null;
	const statements = accessKeyId.startsWith(BARE) ? DOCUMENTED : [...DOCUMENTED, TAKING_IN];
	// Nobody knows the tags of what does not exist: EC2 says that it does not.
	const known = deed.resources.filter(({ tags }) => tags !== null);
	const about: readonly Resource[] = deed.resources.length === 0 ? [{ name: "*", tags: {} }] : known;
	const denied = about.find((resource) => !statements.some((statement) => allows(statement, deed, resource)));
	if (!denied) return null;
	const arn = arnOf(deed, denied);
	const sentence = `You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/${accessKeyId} is not authorized to perform: ec2:${deed.action} on resource: ${arn} because no identity-based policy allows the ec2:${deed.action} action.`;
	return refuse(403, "UnauthorizedOperation", sentence);
}

const arnOf = ({ region }: Deed, { name }: Resource) => (name === "*" ? "*" : `arn:aws:ec2:${region}:123456789012:${name}`);

function allows({ Action, Resource: resources, Condition }: Statement, deed: Deed, resource: Resource): boolean {
	if (!Action.includes(`ec2:${deed.action}`)) return false;
	if (!resources.some((pattern) => fits(pattern, arnOf(deed, resource)))) return false;
	return Object.entries(Condition?.StringEquals ?? {}).every(([key, values]) => {
		const value = valueOf(key, deed, resource);
		return value !== null && values.includes(value);
	});
}

function valueOf(key: string, deed: Deed, resource: Resource): string | null {
	const [, tag] = /^aws:ResourceTag\/(.+)$/.exec(key) ?? [];
	if (tag !== undefined) return resource.tags?.[tag] ?? null;
	if (key === "aws:RequestedRegion") return deed.region;
	if (key === "ec2:CreateAction") return deed.createAction ?? null;
	throw new Error(`the policy's condition key '${key}' is none that the local cloud knows`);
}

/** `*` stands for any text within an ARN. */
function fits(pattern: string, arn: string): boolean {
	if (pattern === "*") return true;
	const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
	return new RegExp(`^${parts.join(".*")}$`).test(arn);
}
