import { z } from "zod";
import { Cidr } from "./requests.ts";

/**
 * The requests that Scaleway's OpenAPI documents allow for the operations that we speak, closed: what they do not name is refused, so
 * that a misspelt field does not pass here and fail at the real one.
 */
const text = z.string("must be a string");
const words = z.array(text);
const flag = z.boolean("must be a boolean");

const Volume = z.strictObject({
	id: text.optional(),
	boot: flag.optional(),
	name: text.optional(),
	size: z.number("must be a number of bytes").int().multipleOf(512, "must be a multiple of 512").optional(),
	volume_type: z.enum(["l_ssd", "sbs_volume"], "must be l_ssd or sbs_volume").default("l_ssd"),
	project: text.optional(),
});

export const CreateServer = z.strictObject({
	name: text.regex(/^[A-Za-z0-9. -]{1,128}$/, "must contain alphanumeric characters, dots, spaces and dashes only"),
	commercial_type: text,
	image: text,
	project: z.uuid("is not a valid UUID"),
	tags: words.default([]),
	dynamic_ip_required: flag.default(true),
	security_group: text.optional(),
	volumes: z.record(z.string().regex(/^\d+$/), Volume).default({}),
	boot_type: z.enum(["local", "rescue"]).optional(),
	protected: flag.optional(),
});
export type CreateServer = z.infer<typeof CreateServer>;

export const UpdateServer = z.strictObject({
	name: text.optional(),
	tags: words.optional(),
	/** Those that it shall have: what is not named is detached. */
	volumes: z.record(z.string(), z.strictObject({ id: text, name: text.optional() })).optional(),
	protected: flag.optional(),
});
export type UpdateServer = z.infer<typeof UpdateServer>;

export const ServerAction = z.strictObject({
	action: z.enum(["poweron", "stop_in_place", "poweroff", "terminate", "reboot"], "is no action"),
});

const policy = z.enum(["accept", "drop"], "must be accept or drop");
export const CreateGroup = z.strictObject({
	name: text.min(1, "is required"),
	description: text.default(""),
	project: z.uuid("is not a valid UUID"),
	tags: words.default([]),
	stateful: flag.default(true),
	inbound_default_policy: policy.default("accept"),
	outbound_default_policy: policy.default("accept"),
	enable_default_security: flag.default(true),
});
export type CreateGroup = z.infer<typeof CreateGroup>;

const port = z.number("must be a port").int().min(1).max(65_535).nullable().optional();
export const GroupRule = z.strictObject({
	id: text.nullable().optional(),
	protocol: z.enum(["TCP", "UDP", "ICMP", "ANY"], "is no protocol"),
	direction: z.enum(["inbound", "outbound"], "must be inbound or outbound"),
	action: policy,
	ip_range: Cidr,
	dest_port_from: port,
	dest_port_to: port,
	position: z.number().int().optional(),
	editable: flag.nullable().optional(),
	zone: text.optional(),
});
export type GroupRule = z.infer<typeof GroupRule>;
export const SetRules = z.strictObject({ rules: z.array(GroupRule) });

export const CreateIp = z.strictObject({
	project: z.uuid("is not a valid UUID"),
	tags: words.default([]),
	server: text.nullable().optional(),
	type: z.literal("routed_ipv4").optional(),
});
export type CreateIp = z.infer<typeof CreateIp>;

export const PageQuery = z.object({
	page: z.coerce.number().int().min(1).default(1),
	per_page: z.coerce.number().int().min(1).max(100).default(50),
});
