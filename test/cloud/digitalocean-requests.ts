import { z } from "zod";

/**
 * The requests that DigitalOcean's OpenAPI document allows for the operations that we speak, closed: what the document does not
 * name is refused, so that a misspelt field does not pass here and fail at the real one.
 */
const flag = z.boolean("must be a boolean");
const TagName = z
	.string("must be a string")
	.max(255)
	.regex(/^[a-zA-Z0-9_\-:]+$/, "may only contain letters, numbers, colons, dashes and underscores");

export const CreateDroplet = z.strictObject({
	name: z
		.string("can't be blank")
		.max(255)
		.regex(/^[a-zA-Z0-9]?[a-z0-9A-Z.-]*[a-z0-9A-Z]$/, "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)"),
	region: z.string("must be a string").optional(),
	size: z.string("can't be blank"),
	image: z.union([z.string(), z.number().int()], "can't be blank"),
	ssh_keys: z.array(z.union([z.string(), z.number().int()])).optional(),
	backups: flag.optional(),
	ipv6: flag.optional(),
	monitoring: flag.optional(),
	tags: z.array(TagName).nullable().optional(),
	user_data: z
		.string("must be a string")
		.refine((text) => new TextEncoder().encode(text).length <= 65_536, "must be 64 KiB or less")
		// Clients that know of a field send it, whether they have a value or not.
		.nullable()
		.optional(),
	private_networking: flag.optional(),
	volumes: z.array(z.string()).optional(),
	vpc_uuid: z.string().nullable().optional(),
	with_droplet_agent: flag.optional(),
	public_networking: flag.optional(),
});
export type CreateDroplet = z.infer<typeof CreateDroplet>;

/** Of the actions that exist, those that need nothing but their type. */
export const DropletAction = z.strictObject({ type: z.enum(["reboot", "power_cycle", "shutdown", "power_off", "power_on"]) });

const address = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], "invalid address");
const Ends = z.strictObject({
	addresses: z.array(address).optional(),
	droplet_ids: z.array(z.number().int()).optional(),
	load_balancer_uids: z.array(z.string()).optional(),
	kubernetes_ids: z.array(z.string()).optional(),
	tags: z.array(TagName).nullable().optional(),
});
const rule = {
	protocol: z.enum(["tcp", "udp", "icmp"]),
	ports: z.string("must be a string").regex(/^(\d{1,5}(-\d{1,5})?|all|0)?$/, "must be a port, a range, 'all' or '0'"),
};

export const FirewallBody = z
	.strictObject({
		name: z.string("can't be blank").regex(/^[a-zA-Z0-9][a-zA-Z0-9.-]+$/, "may only contain alphanumeric characters, dashes, and periods"),
		droplet_ids: z.array(z.number().int()).max(10, "may hold at most 10").nullable().optional(),
		tags: z.array(TagName).max(5, "may hold at most 5").nullable().optional(),
		inbound_rules: z
			.array(z.strictObject({ ...rule, sources: Ends }))
			.nullable()
			.optional(),
		outbound_rules: z
			.array(z.strictObject({ ...rule, destinations: Ends }))
			.nullable()
			.optional(),
	})
	.refine((body) => body.inbound_rules !== undefined || body.outbound_rules !== undefined, "inbound_rules or outbound_rules must be given");
export type FirewallBody = z.infer<typeof FirewallBody>;

export const TagBody = z.strictObject({ name: TagName });

export const TagResources = z.strictObject({
	resources: z
		.array(z.strictObject({ resource_id: z.union([z.string(), z.number().int()]), resource_type: z.enum(["droplet"]) }))
		.min(1, "can't be blank"),
});

export const PageQuery = z.object({
	page: z.coerce.number().int().min(1).default(1),
	per_page: z.coerce.number().int().min(1).max(200).default(20),
});
