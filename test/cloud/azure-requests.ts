import { z } from "zod";
import { Cidr } from "./requests.ts";

/** The requests that Azure's schemas allow for what we speak, closed, and its words for the rest. */

const Tags = z.record(z.string().min(1).max(512), z.string().max(256));
const Id = z.strictObject({ id: z.string().startsWith("/subscriptions/") });
const Disposal = z.enum(["Delete", "Detach"]).optional();
const Name = z.string().regex(/^[A-Za-z0-9]([\w.-]{0,78}[A-Za-z0-9_])?$/, "is not valid");

const isBase64 = (text: string) => /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;
/** Some of the names that Azure refuses for administrators. */
const RESERVED = ["admin", "administrator", "root", "user", "test", "guest", "backup", "console", "owner", "server", "support", "sys"];

const PublicKey = z.string().refine((text) => {
	const [type = "", data = ""] = text.split(" ");
	const bytes = Buffer.from(data, "base64");
	const length = bytes.length < 4 ? 0 : bytes.readUInt32BE(0);
	if (bytes.subarray(4, 4 + length).toString("latin1") !== type) return false;
	return type === "ssh-ed25519" ? bytes.length === 4 + 11 + 4 + 32 : type === "ssh-rsa" && bytes.length > 270;
}, "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.");

export const VirtualMachineBody = z.strictObject({
	location: z.string(),
	tags: Tags.default({}),
	properties: z.strictObject({
		hardwareProfile: z.strictObject({ vmSize: z.string() }),
		storageProfile: z.strictObject({
			imageReference: z.strictObject({ publisher: z.string(), offer: z.string(), sku: z.string(), version: z.string() }),
			osDisk: z.strictObject({
				name: Name.optional(),
				createOption: z.literal("FromImage"),
				deleteOption: Disposal,
				diskSizeGB: z.number().int().optional(),
				managedDisk: z.strictObject({ storageAccountType: z.enum(["Standard_LRS", "StandardSSD_LRS", "Premium_LRS"]) }).optional(),
			}),
		}),
		osProfile: z.strictObject({
			computerName: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/),
			adminUsername: z.string().refine((name) => /^[a-z][a-z0-9_-]{0,63}$/.test(name) && !RESERVED.includes(name), "is not allowed"),
			customData: z
				.string()
				.refine(
					(text) => isBase64(text) && Buffer.from(text, "base64").length <= 65_535,
					"Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.",
				)
				.optional(),
			linuxConfiguration: z.strictObject({
				disablePasswordAuthentication: z.literal(true),
				ssh: z.strictObject({ publicKeys: z.array(z.strictObject({ path: z.string(), keyData: PublicKey })).min(1) }),
			}),
		}),
		networkProfile: z.strictObject({
			networkApiVersion: z.enum(["2020-11-01", "2022-11-01"]),
			networkInterfaceConfigurations: z
				.array(
					z.strictObject({
						name: Name,
						tags: Tags.default({}),
						properties: z.strictObject({
							primary: z.boolean().optional(),
							deleteOption: Disposal,
							networkSecurityGroup: Id.optional(),
							ipConfigurations: z
								.array(
									z.strictObject({
										name: Name,
										properties: z.strictObject({
											primary: z.boolean().optional(),
											subnet: Id,
											publicIPAddressConfiguration: z
												.strictObject({
													name: Name,
													tags: Tags.default({}),
													sku: z.strictObject({ name: z.enum(["Basic", "Standard"]) }),
													properties: z.strictObject({ deleteOption: Disposal, publicIPAllocationMethod: z.enum(["Static", "Dynamic"]) }),
												})
												.optional(),
										}),
									}),
								)
								.length(1),
						}),
					}),
				)
				.length(1),
		}),
		priority: z.enum(["Regular", "Low", "Spot"]).optional(),
		evictionPolicy: z.enum(["Deallocate", "Delete"]).optional(),
		billingProfile: z.strictObject({ maxPrice: z.number() }).optional(),
	}),
});
export type VirtualMachineBody = z.infer<typeof VirtualMachineBody>;

export const GroupBody = z.strictObject({ location: z.string(), tags: Tags.default({}) });

const Port = z.string().regex(/^(\*|\d{1,5}(-\d{1,5})?)$/);
const Prefix = z.union([z.literal("*"), z.literal("Internet"), z.literal("VirtualNetwork"), Cidr]);

export const SecurityRule = z
	.strictObject({
		protocol: z.enum(["Tcp", "Udp", "Icmp", "Esp", "*", "Ah"]),
		access: z.enum(["Allow", "Deny"]),
		direction: z.enum(["Inbound", "Outbound"]),
		priority: z.number().int().min(100).max(4096),
		sourceAddressPrefix: Prefix.optional(),
		sourceAddressPrefixes: z.array(Cidr).optional(),
		sourcePortRange: Port.optional(),
		destinationAddressPrefix: Prefix.optional(),
		destinationPortRange: Port.optional(),
		destinationPortRanges: z.array(Port).optional(),
	})
	.superRefine((rule, context) => {
		const families = new Set((rule.sourceAddressPrefixes ?? []).map((cidr) => cidr.includes(":")));
		if (families.size > 1) context.addIssue({ code: "custom", message: "Address prefixes of IPv4 and IPv6 cannot be mixed." });
		const count = [rule.sourceAddressPrefix, rule.sourceAddressPrefixes?.length ? "" : undefined].filter((one) => one !== undefined).length;
		if (count !== 1)
			context.addIssue({ code: "custom", message: "Security rule must specify either SourceAddressPrefix or SourceAddressPrefixes." });
	});
export type SecurityRule = z.infer<typeof SecurityRule>;

export const SecurityGroupBody = z.strictObject({
	location: z.string(),
	tags: Tags.default({}),
	properties: z
		.strictObject({ securityRules: z.array(z.strictObject({ name: Name, properties: SecurityRule })).default([]) })
		.default({ securityRules: [] }),
});

export const NetworkBody = z.strictObject({
	location: z.string(),
	tags: Tags.default({}),
	properties: z.strictObject({
		addressSpace: z.strictObject({ addressPrefixes: z.array(z.cidrv4()).min(1) }),
		subnets: z.array(z.strictObject({ name: Name, properties: z.strictObject({ addressPrefix: z.cidrv4() }) })).default([]),
	}),
});

export const TagsBody = z.strictObject({
	operation: z.enum(["Merge", "Replace", "Delete"]),
	properties: z.strictObject({ tags: Tags }),
});

/** What a list of resources is asked for: those of some types, or those with a tag. Null: a filter that is not spoken here. */
export function resourceFilter(
	text: string,
): { readonly types: readonly string[] } | { readonly name: string; readonly value: string } | null {
	const [, name, value] = /^tagName eq '([^']+)' and tagValue eq '([^']*)'$/.exec(text) ?? [];
	if (name !== undefined && value !== undefined) return { name, value };
	const types = text.split(" or ").map((part) => /^resourceType eq '([\w./]+)'$/.exec(part)?.[1]);
	return types.every((type) => type !== undefined) ? { types: types.map((type) => type.toLowerCase()) } : null;
}
