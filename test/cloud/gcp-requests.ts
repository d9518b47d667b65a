import { z } from "zod";

/** The requests that Compute Engine's discovery document allows for what we speak, closed, and its words for the rest. */
const LabelKey = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/);
const Labels = z.record(LabelKey, z.string().regex(/^[a-z0-9_-]{0,63}$/));
export const ResourceName = z
	.string()
	.regex(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/, "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'");

/** Whatever a client read it may send back with what it read. */
const kind = z.string().startsWith("compute#").optional();
/** Tags that an organization's policies look at: `{"tagKeys/123": "tagValues/456"}`. They are taken and never shown. */
const resourceManagerTags = z.record(z.string().regex(/^(tagKeys\/\d+|[^/]+\/[^/]+)$/), z.string().min(1)).optional();
const params = z.strictObject({ resourceManagerTags }).optional();

export const InsertInstance = z.strictObject({
	kind,
	name: ResourceName,
	description: z.string().max(2048).optional(),
	machineType: z.string(),
	zone: z.string().optional(),
	labels: Labels.default({}),
	tags: z.strictObject({ items: z.array(ResourceName).max(64).optional(), fingerprint: z.string().optional() }).optional(),
	params,
	canIpForward: z.boolean().optional(),
	deletionProtection: z.boolean().optional(),
	serviceAccounts: z.array(z.strictObject({ email: z.string(), scopes: z.array(z.string()).optional() })).optional(),
	shieldedInstanceConfig: z
		.strictObject({
			enableSecureBoot: z.boolean().optional(),
			enableVtpm: z.boolean().optional(),
			enableIntegrityMonitoring: z.boolean().optional(),
		})
		.optional(),
	disks: z
		.array(
			z.strictObject({
				kind,
				boot: z.boolean(),
				autoDelete: z.boolean().optional(),
				deviceName: z.string().optional(),
				mode: z.enum(["READ_WRITE", "READ_ONLY"]).optional(),
				type: z.literal("PERSISTENT").optional(),
				initializeParams: z.strictObject({
					sourceImage: z.string(),
					labels: Labels.optional(),
					diskName: ResourceName.optional(),
					// A number of 64 bits, which JSON carries as text; a number is taken as well.
					diskSizeGb: z.union([z.string().regex(/^\d+$/), z.number().int()]).optional(),
					diskType: z.string().optional(),
					resourceManagerTags,
				}),
			}),
		)
		.length(1),
	networkInterfaces: z
		.array(
			z.strictObject({
				kind,
				network: z.string().optional(),
				nicType: z.enum(["VIRTIO_NET", "GVNIC"]).optional(),
				stackType: z.literal("IPV4_ONLY").optional(),
				accessConfigs: z
					.array(
						z.strictObject({
							kind,
							type: z.literal("ONE_TO_ONE_NAT").optional(),
							name: z.string().optional(),
							networkTier: z.enum(["PREMIUM", "STANDARD"]).optional(),
						}),
					)
					.max(1)
					.optional(),
			}),
		)
		.length(1)
		.optional(),
	metadata: z
		.strictObject({
			kind,
			fingerprint: z.string().optional(),
			items: z.array(z.strictObject({ key: z.string(), value: z.string().max(262_144) })).optional(),
		})
		.optional(),
	scheduling: z
		.strictObject({
			provisioningModel: z.enum(["SPOT", "STANDARD"]).optional(),
			instanceTerminationAction: z.enum(["DELETE", "STOP"]).optional(),
			automaticRestart: z.boolean().optional(),
			onHostMaintenance: z.enum(["MIGRATE", "TERMINATE"]).optional(),
			preemptible: z.boolean().optional(),
		})
		.optional(),
});
export type InsertInstance = z.infer<typeof InsertInstance>;

export const SetLabels = z.strictObject({ labels: Labels, labelFingerprint: z.string() });
export type SetLabels = z.infer<typeof SetLabels>;

const ranges = z.array(z.union([z.cidrv4(), z.cidrv6()], "Must be a valid CIDR range"));
/** A PATCH replaces the fields that it names. */
export const FirewallBody = z.strictObject({
	kind,
	params,
	description: z.string().max(2048).optional(),
	name: ResourceName.optional(),
	network: z.string().optional(),
	direction: z.enum(["INGRESS", "EGRESS"]).optional(),
	priority: z.number().int().min(0).max(65_535).optional(),
	disabled: z.boolean().optional(),
	sourceRanges: ranges
		.refine((list) => new Set(list.map((range) => range.includes(":"))).size < 2, "Cannot mix IPv4 and IPv6 ranges in one firewall rule")
		.optional(),
	sourceTags: z.array(ResourceName).optional(),
	sourceServiceAccounts: z.array(z.string()).max(10).optional(),
	targetTags: z.array(ResourceName).optional(),
	allowed: z.array(z.strictObject({ IPProtocol: z.string(), ports: z.array(z.string().regex(/^\d+(-\d+)?$/)).optional() })).optional(),
});
export type FirewallBody = z.infer<typeof FirewallBody>;

/** `labels.k=v` or `labels.k:v`; null: none of what is spoken here. */
export function labelFilter(filter: string): { readonly key: string; readonly value: string } | null {
	const [, key, value] = /^labels\.([a-z][a-z0-9_-]*)\s*[=:]\s*"?([a-z0-9_-]*)"?$/.exec(filter) ?? [];
	return key === undefined || value === undefined ? null : { key, value };
}

/**
 * What a partial response holds (https://cloud.google.com/compute/docs/api/how-tos/performance#partial-response):
 * `items(name,a/b),nextPageToken`. Null: the mask is none.
 */
export function partial(value: unknown, mask: string): unknown {
	const wanted = topLevel(mask);
	if (wanted === null) return null;
	if (Array.isArray(value)) return value.map((item) => partial(item, mask));
	if (typeof value !== "object" || value === null) return value;
	const chosen = wanted.flatMap(({ name, inner }): [string, unknown][] => {
		const field = (value as Record<string, unknown>)[name];
		return field === undefined ? [] : [[name, inner === null ? field : partial(field, inner)]];
	});
	return Object.fromEntries(chosen);
}

function topLevel(mask: string): { readonly name: string; readonly inner: string | null }[] | null {
	const parts: string[] = [];
	let depth = 0;
	let from = 0;
	for (let at = 0; at <= mask.length; at++) {
		if (mask[at] === "(") depth++;
		else if (mask[at] === ")") depth--;
		else if (at === mask.length || (mask[at] === "," && depth === 0)) {
			parts.push(mask.slice(from, at));
			from = at + 1;
		}
	}
	const read = parts.map((part) => {
		const [, name, nested, deeper] = /^([A-Za-z]+)(?:\((.+)\)|\/(.+))?$/.exec(part) ?? [];
		return name === undefined ? null : { name, inner: nested ?? deeper ?? null };
	});
	return read.every((part) => part !== null) && depth === 0 ? read : null;
}
