import { z } from "zod";
import { Cidr } from "./requests.ts";

/**
 * The requests that Hetzner Cloud's OpenAPI document allows for the operations that we speak, closed: what the document does
 * not name is refused, so that a misspelt field does not pass here and fail at the real one.
 */
const LABEL_PART = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const isLabelKey = (key: string) => {
	const [name = "", prefix, ...more] = key.split("/").reverse();
	return more.length === 0 && LABEL_PART.test(name) && (prefix === undefined || (prefix.length <= 253 && /^[a-z0-9.-]+$/.test(prefix)));
};
const Labels = z
	.record(z.string(), z.string("must be a string"))
	.refine((labels) => Object.keys(labels).every(isLabelKey), "has a key that is no label's")
	.refine((labels) => Object.values(labels).every((value) => value === "" || LABEL_PART.test(value)), "has a value that is no label's");

/** Whatever has a name and a number is taken by either, and the number as a text or as one. */
const NameOrId = z.union([z.string(), z.number().int()], "is required").transform(String);

export const CreateServer = z.strictObject({
	name: z.string("is required").regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/, "is not a valid hostname"),
	server_type: NameOrId,
	image: NameOrId,
	location: NameOrId.optional(),
	start_after_create: z.boolean("must be a boolean").default(true),
	placement_group: z.number().int().optional(),
	ssh_keys: z.array(NameOrId).optional(),
	volumes: z.array(z.number().int()).optional(),
	networks: z.array(z.number().int()).optional(),
	firewalls: z.array(z.strictObject({ firewall: z.number("must be an integer").int() })).optional(),
	user_data: z
		.string("must be a string")
		.refine((text) => new TextEncoder().encode(text).length <= 32_768, "must be 32 KiB or less")
		.optional(),
	labels: Labels.default({}),
	automount: z.boolean().optional(),
	public_net: z
		.strictObject({
			enable_ipv4: z.boolean("must be a boolean").default(true),
			enable_ipv6: z.boolean("must be a boolean").default(true),
			ipv4: z.number().int().nullable().optional(),
			ipv6: z.number().int().nullable().optional(),
		})
		.default({ enable_ipv4: true, enable_ipv6: true }),
});
export type CreateServer = z.infer<typeof CreateServer>;

/** A name is not changed here. */
export const UpdateServer = z.strictObject({ labels: Labels.optional() });

const Rule = z
	.strictObject({
		description: z.string().max(255).nullable().optional(),
		direction: z.enum(["in", "out"]),
		protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
		port: z
			.string("must be a string")
			.regex(/^(any|\d{1,5}(-\d{1,5})?)$/, "is no port")
			.optional(),
		source_ips: z.array(Cidr).max(100, "may hold at most 100").default([]),
		destination_ips: z.array(Cidr).max(100, "may hold at most 100").default([]),
	})
	.refine((rule) => (rule.protocol === "tcp" || rule.protocol === "udp") === (rule.port !== undefined), "port goes with tcp and udp")
	.refine((rule) => (rule.direction === "in" ? rule.source_ips : rule.destination_ips).length > 0, "names no address");
const Rules = z.array(Rule).max(50, "may hold at most 50");
export type Rule = z.infer<typeof Rule>;

export const CreateFirewall = z.strictObject({
	name: z.string("is required").min(1, "is required").max(128),
	labels: Labels.default({}),
	rules: Rules.default([]),
	apply_to: z.array(z.never("is not spoken here")).default([]),
});
export type CreateFirewall = z.infer<typeof CreateFirewall>;

export const UpdateFirewall = z.strictObject({ name: z.string().min(1).max(128).optional(), labels: Labels.optional() });
export const SetRules = z.strictObject({ rules: Rules });

export const PageQuery = z.object({
	page: z.coerce.number().int().min(1).default(1),
	per_page: z.coerce.number().int().min(1).max(50).default(25),
});

/**
 * Whether labels match a selector: `k`, `!k`, `k=v`, `k==v`, `k!=v`, joined by commas. Null: the selector is none of these.
 * https://docs.hetzner.cloud/reference/cloud#label-selector
 */
export function selects(selector: string, labels: Readonly<Record<string, string>>): boolean | null {
	let matches = true;
	for (const term of selector.split(",")) {
		const [, not, key = "", operator, value] = /^(!?)([^=!]+)(?:(=|==|!=)([^=!]*))?$/.exec(term.trim()) ?? [];
		if (!isLabelKey(key) || (not === "!" && operator !== undefined)) return null;
		const found = labels[key];
		const holds = operator === undefined ? (found !== undefined) === (not === "") : (found === value) === (operator !== "!=");
		matches &&= holds;
	}
	return matches;
}
