import { z } from "zod";
import { Cidr } from "./requests.ts";

/**
 * The requests that Linode's OpenAPI document allows for the operations that we speak, closed: what the document does not name is
 * refused, so that a misspelt field does not pass here and fail at the real one.
 */
const flag = z.boolean("must be a boolean");
const Label = (most: number) =>
	z
		.string("must be a string")
		.min(3, "Length must be 3 characters or more")
		.max(most, `Length must be 3-${most} characters`)
		.regex(
			/^[a-zA-Z]((?!--|__|\.\.)[a-zA-Z0-9-_.])+$/,
			"must begin with a letter and hold letters, digits, dashes, underscores and periods",
		);
const Tags = z.array(z.string().min(3, "Length must be 3-50 characters").max(50, "Length must be 3-50 characters"));
/** Two kinds of characters at the least, as the strength is checked. */
const Password = z
	.string()
	.min(7, "Password must be 7-128 characters")
	.max(128, "Password must be 7-128 characters")
	.refine(
		(text) => [/[a-z]/, /[A-Z]/, /\d/, /[^a-zA-Z0-9]/].filter((kind) => kind.test(text)).length >= 3,
		"Password does not meet strength requirement",
	);
const Device = z.number().int().min(-1).nullable();

const Interface = z.strictObject({
	firewall_id: Device.optional(),
	default_route: z.strictObject({ ipv4: flag.nullish(), ipv6: flag.nullish() }).nullish(),
	public: z
		.strictObject({
			ipv4: z
				.strictObject({ addresses: z.array(z.strictObject({ address: z.string().optional(), primary: flag.optional() })).optional() })
				.nullish(),
			ipv6: z.strictObject({ ranges: z.array(z.strictObject({ range: z.string() })).optional() }).nullish(),
		})
		.nullish(),
});

export const CreateLinode = z.strictObject({
	region: z.string("is required"),
	type: z.string("is required"),
	label: Label(64).optional(),
	image: z.string().nullish(),
	root_pass: Password.optional(),
	authorized_keys: z.array(z.string()).optional(),
	authorized_users: z.array(z.string()).optional(),
	tags: Tags.default([]),
	group: z.string().optional(),
	metadata: z
		.strictObject({
			user_data: z
				.string("must be a string")
				.regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "must be base64-encoded")
				.nullish(),
		})
		.nullish(),
	private_ip: flag.optional(),
	backups_enabled: flag.optional(),
	booted: flag.optional(),
	swap_size: z.number().int().optional(),
	disk_encryption: z.enum(["enabled", "disabled"]).optional(),
	network_helper: flag.nullish(),
	interface_generation: z.enum(["legacy_config", "linode"]).nullish(),
	firewall_id: Device.optional(),
	interfaces: z.array(Interface).max(3).optional(),
});
export type CreateLinode = z.infer<typeof CreateLinode>;

/** Of what a Linode can be changed in, these alone are spoken here. */
export const UpdateLinode = z.strictObject({ tags: Tags.optional(), label: Label(64).optional(), group: z.string().optional() });
/** Which of its configurations it boots; it has one. */
export const Boot = z.strictObject({ config_id: z.number().int().nullish() });

const networks = z.array(Cidr).min(1, "may not be empty").max(255, "Too many addresses");
const Rule = z.strictObject({
	action: z.enum(["ACCEPT", "DROP"], "must be one of ACCEPT, DROP"),
	protocol: z.enum(["TCP", "UDP", "ICMP", "IPENCAP", "ALL"]),
	ports: z
		.string()
		.regex(/^\d{1,5}(-\d{1,5})?(, ?\d{1,5}(-\d{1,5})?)*$/, "Ports must be a string of ports and ranges")
		.nullish(),
	addresses: z
		.strictObject({ ipv4: networks.optional(), ipv6: networks.optional() })
		.refine(({ ipv4, ipv6 }) => ipv4 !== undefined || ipv6 !== undefined, "must have networks"),
	label: z.string().min(3).max(32).optional(),
	description: z.string().min(1).max(100).optional(),
});
const MAX_RULES = 25;
const policy = z.enum(["ACCEPT", "DROP"], "must be one of ACCEPT, DROP");
export const Rules = z
	.strictObject({
		inbound: z.array(Rule).default([]),
		inbound_policy: policy,
		outbound: z.array(Rule).default([]),
		outbound_policy: policy,
	})
	.refine(({ inbound, outbound }) => inbound.length + outbound.length <= MAX_RULES, `A firewall may have ${MAX_RULES} rules`);
export type Rules = z.infer<typeof Rules>;

const ids = z.array(z.number().int()).default([]);
export const CreateFirewall = z.strictObject({
	label: Label(32),
	rules: Rules,
	tags: Tags.default([]),
	devices: z.strictObject({ linodes: ids, linode_interfaces: ids, nodebalancers: ids }).optional(),
});
export const UpdateFirewall = z.strictObject({
	label: Label(32).optional(),
	tags: Tags.optional(),
	status: z.enum(["enabled", "disabled"], "must be one of enabled, disabled").optional(),
});
export const AttachDevice = z.strictObject({ id: z.number().int(), type: z.enum(["linode", "linode_interface", "nodebalancer"]) });
