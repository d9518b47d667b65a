import { z } from "zod";

/**
 * The requests that Vultr's OpenAPI document allows for the operations that we speak, closed: what the document does not name is
 * refused, so that a misspelt field does not pass here and fail at the real one.
 */
const flag = z.boolean("must be a boolean");
const words = z.array(z.string());

export const CreateInstance = z.strictObject({
	region: z.string("is required"),
	plan: z.string("is required"),
	/** A number, or the same as text: several clients know texts alone. */
	os_id: z
		.union([z.number().int(), z.string().regex(/^\d+$/, "must be an integer")], "must be an integer")
		.transform(Number)
		.optional(),
	label: z.string("must be a string").max(255).default(""),
	hostname: z
		.string("must be a string")
		.regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/, "is not a valid hostname")
		.optional(),
	tags: words.default([]),
	user_data: z
		.string("must be a string")
		.regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "must be base64")
		.default(""),
	firewall_group_id: z.string("must be a string").optional(),
	enable_ipv6: flag.optional(),
	backups: z.enum(["enabled", "disabled"], "must be enabled or disabled").optional(),
	activation_email: flag.optional(),
	ddos_protection: flag.optional(),
	enable_vpc: flag.optional(),
	attach_vpc: words.optional(),
	sshkey_id: words.optional(),
	script_id: z.string().optional(),
	snapshot_id: z.string().optional(),
	iso_id: z.string().optional(),
	app_id: z.number().int().optional(),
	image_id: z.string().optional(),
	reserved_ipv4: z.string().optional(),
	ipxe_chain_url: z.string().optional(),
});
export type CreateInstance = z.infer<typeof CreateInstance>;

/** Of what an instance can be changed in, its tags alone are spoken here. */
export const UpdateInstance = z.strictObject({ tags: words.optional() });

export const CreateGroup = z.strictObject({ description: z.string("must be a string").max(255).default("") });

export const CreateRule = z
	.strictObject({
		ip_type: z.enum(["v4", "v6"], "must be v4 or v6"),
		protocol: z.string().regex(/^(icmp|tcp|udp|gre|esp|ah)$/i, "is no protocol"),
		subnet: z.string("is required"),
		subnet_size: z.number("is required").int().min(0),
		port: z
			.string("must be a string")
			.regex(/^\d{1,5}(:\d{1,5})?$/, "must be a port, or two with a colon between")
			.optional(),
		source: z.enum(["", "cloudflare"]).optional(),
		notes: z.string().max(255).optional(),
	})
	.refine(
		({ ip_type, subnet, subnet_size }) => (ip_type === "v4" ? z.cidrv4() : z.cidrv6()).safeParse(`${subnet}/${subnet_size}`).success,
		"subnet is no network of its ip_type",
	);
export type CreateRule = z.infer<typeof CreateRule>;
