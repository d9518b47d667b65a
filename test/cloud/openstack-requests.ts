import { z } from "zod";

/**
 * The requests that Nova's schemas and Neutron's reference allow for the operations that we speak, closed: what they do not name is
 * refused, so that a misspelt field does not pass here and fail at a real one.
 */
const Name = z
	.string("must be a string")
	.max(255)
	.regex(/^\S(.*\S)?$/, "may not begin or end with a space");
export const Tag = z
	.string()
	.min(1)
	.max(60, "is too long")
	.regex(/^[^,/]+$/, "may not hold a comma or a slash");
const Tags = z.array(Tag).max(50, "has too many items");

const Domain = z.strictObject({ id: z.string().optional(), name: z.string().optional() });
export const SignIn = z.strictObject({
	auth: z.strictObject({
		identity: z.strictObject({
			methods: z.array(z.string()).length(1),
			application_credential: z.strictObject({ id: z.string(), secret: z.string() }).optional(),
			password: z
				.strictObject({
					user: z.strictObject({ id: z.string().optional(), name: z.string().optional(), domain: Domain.optional(), password: z.string() }),
				})
				.optional(),
		}),
		scope: z
			.strictObject({ project: z.strictObject({ id: z.string().optional(), name: z.string().optional(), domain: Domain.optional() }) })
			.optional(),
	}),
});

const Volume = z.strictObject({
	boot_index: z.union([z.number(), z.string()]).nullish(),
	uuid: z.string().optional(),
	source_type: z.enum(["volume", "image", "snapshot", "blank"]),
	destination_type: z.enum(["local", "volume"]).optional(),
	volume_size: z.union([z.number(), z.string()]).optional(),
	delete_on_termination: z.boolean().optional(),
});
export const CreateServer = z.strictObject({
	server: z.strictObject({
		name: Name,
		imageRef: z.string().optional(),
		flavorRef: z.union([z.string(), z.number()], "is required").transform(String),
		networks: z
			.union([
				z.array(z.strictObject({ uuid: z.string().optional(), port: z.string().nullish(), fixed_ip: z.string().optional() })),
				z.enum(["auto", "none"]),
			])
			.optional(),
		security_groups: z.array(z.strictObject({ name: Name })).optional(),
		user_data: z
			.string()
			.max(65_535, "is too long")
			.regex(/^[A-Za-z0-9+/]*={0,2}$/, "is not base64")
			.nullish(),
		tags: Tags.optional(),
		metadata: z.record(z.string(), z.string().max(255)).optional(),
		config_drive: z.union([z.boolean(), z.string()]).optional(),
		availability_zone: Name.optional(),
		key_name: Name.optional(),
		block_device_mapping_v2: z.array(Volume).optional(),
		description: z.string().nullish(),
		adminPass: z.string().optional(),
		min_count: z.number().int().optional(),
		max_count: z.number().int().optional(),
		"OS-DCF:diskConfig": z.enum(["AUTO", "MANUAL"]).optional(),
	}),
	"os:scheduler_hints": z.object({}).optional(),
});
export type CreateServer = z.infer<typeof CreateServer>["server"];

export const Action = z.union([
	z.strictObject({ reboot: z.strictObject({ type: z.enum(["SOFT", "HARD", "Soft", "Hard", "soft", "hard"]) }) }),
	z.strictObject({ "os-start": z.unknown() }),
	z.strictObject({ "os-stop": z.unknown() }),
	z.strictObject({ forceDelete: z.unknown() }),
]);
export const SetTags = z.strictObject({ tags: Tags });

const text = z.string().max(255);
export const CreateGroup = z.strictObject({
	security_group: z.strictObject({ name: text, description: text.default(""), stateful: z.boolean().optional() }),
});
const port = z.union([z.number().int(), z.string().regex(/^\d+$/).transform(Number)]).nullish();
export const CreateRule = z.strictObject({
	security_group_rule: z.strictObject({
		security_group_id: z.string("is required"),
		direction: z.enum(["ingress", "egress"], "must be ingress or egress"),
		ethertype: z.enum(["IPv4", "IPv6"]).default("IPv4"),
		protocol: z.union([z.string(), z.number().transform(String)]).nullish(),
		port_range_min: port,
		port_range_max: port,
		remote_ip_prefix: z.union([z.cidrv4(), z.cidrv6()], "is no network").nullish(),
		remote_group_id: z.string().nullish(),
		description: text.optional(),
	}),
});
export type CreateRule = z.infer<typeof CreateRule>["security_group_rule"];
export const CreateFloating = z.strictObject({
	floatingip: z.strictObject({
		floating_network_id: z.string("is required"),
		port_id: z.string().nullish(),
		fixed_ip_address: z.string().nullish(),
		subnet_id: z.string().nullish(),
		description: text.optional(),
	}),
});
export const UpdateFloating = z.strictObject({
	floatingip: z.strictObject({ port_id: z.string().nullish(), fixed_ip_address: z.string().nullish(), description: text.optional() }),
});
