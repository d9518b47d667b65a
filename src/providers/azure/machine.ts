import { z } from "zod";
import type { Vm } from "../../core/model/state.ts";
import type { CreateRequest } from "../base/provider.ts";
import { labels, readLabels } from "../base/tags.ts";

/** Azure's virtual machines: how one is asked for, and how one is read. */

/** On a VM and on what is made with it, since Azure gives those names of its own: the VM's name. */
export const VM_TAG = "muster-vm";

const Reference = z.object({ id: z.string() });
export const Machine = z.object({
	id: z.string(),
	name: z.string(),
	tags: z.record(z.string(), z.string()).nullish(),
	properties: z
		.object({
			provisioningState: z.string().nullish(),
			networkProfile: z.object({ networkInterfaces: z.array(Reference).nullish() }).nullish(),
			instanceView: z.object({ statuses: z.array(z.object({ code: z.string().nullish() })).nullish() }).nullish(),
		})
		.nullish(),
});
export type Machine = z.infer<typeof Machine>;

/** Size, image and price of the VMs of an account. */
export interface MachineSettings {
	readonly size: string;
	readonly location: string;
	/** `publisher:offer:sku:version`; null: Ubuntu 24.04 for the size's architecture. */
	readonly image: string | null;
	readonly spot: boolean;
}

export interface MachineNetwork {
	readonly subnet: string;
	readonly securityGroup: string;
}

/**
 * One request makes the VM with its disk, its network interface and its address, and marks them to go with it. They carry its tags,
 * and so does the disk, which takes over the VM's: what a failed create leaves is known by them.
 */
export async function machineBody({ name, tags, userData }: CreateRequest, settings: MachineSettings, network: MachineNetwork) {
	const { size, location, spot } = settings;
	const [publisher, offer, sku, version] = imageOf(settings).split(":");
	const all = { ...labels(tags), [VM_TAG]: name };
	return {
		location,
		tags: all,
		properties: {
			hardwareProfile: { vmSize: size },
			storageProfile: {
				imageReference: { publisher, offer, sku, version },
				osDisk: { name, createOption: "FromImage", deleteOption: "Delete", managedDisk: { storageAccountType: "StandardSSD_LRS" } },
			},
			osProfile: {
				computerName: name,
				adminUsername: ADMIN,
				customData: Buffer.from(userData).toString("base64"),
				linuxConfiguration: {
					disablePasswordAuthentication: true,
					ssh: { publicKeys: [{ path: `/home/${ADMIN}/.ssh/authorized_keys`, keyData: await uselessKey() }] },
				},
			},
			networkProfile: {
				networkApiVersion: "2022-11-01",
				networkInterfaceConfigurations: [
					{
						name,
						tags: all,
						properties: {
							primary: true,
							deleteOption: "Delete",
							networkSecurityGroup: { id: network.securityGroup },
							ipConfigurations: [
								{
									name,
									properties: {
										primary: true,
										subnet: { id: network.subnet },
										publicIPAddressConfiguration: {
											name,
											tags: all,
											sku: { name: "Standard" },
											properties: { deleteOption: "Delete", publicIPAllocationMethod: "Static" },
										},
									},
								},
							],
						},
					},
				],
			},
			...(spot ? { priority: "Spot", evictionPolicy: "Delete", billingProfile: { maxPrice: -1 } } : {}),
		},
	};
}

/** `publisher:offer:sku:version` */
export function imageOf({ size, image }: Pick<MachineSettings, "size" | "image">): string {
	return image ?? `Canonical:ubuntu-24_04-lts:${isArm(size) ? "server-arm64" : "server"}:latest`;
}

/** The letter p behind the number of CPUs: https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions */
export const isArm = (size: string) => /^standard_[a-z]+\d+(-\d+)?[a-z]*p[a-z]*(_|$)/i.test(size);

/** Azure makes no Linux VM without an administrator. */
const ADMIN = "muster";

/**
 * A public key whose private half nobody has: it is made here, cannot be exported, and is forgotten when this returns. Azure wants
 * some key; nobody shall be able to log in. As in RFC 8709, section 4.
 */
async function uselessKey(): Promise<string> {
	const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
	if (!("publicKey" in pair)) throw new Error("the platform made no pair of keys");
	const raw = Buffer.from((await crypto.subtle.exportKey("raw", pair.publicKey)) as ArrayBuffer);
	const field = (bytes: Buffer) => [Buffer.from([0, 0, 0, bytes.length]), bytes];
	const key = Buffer.concat([...field(Buffer.from("ssh-ed25519")), ...field(raw)]);
	return `ssh-ed25519 ${key.toString("base64")} nobody`;
}

/** `codes` of its instance view, which says more than the model; `address` is no part of either. */
export function vmOf(id: string, { name, tags, properties }: Machine, codes: readonly string[], address: string | null): Vm {
	return { vm: id, name, state: stateOf(properties?.provisioningState ?? "", codes), address, tags: readLabels(tags ?? {}) };
}

export function codesOf({ properties }: Machine): string[] {
	return (properties?.instanceView?.statuses ?? []).flatMap(({ code }) => code ?? []);
}

/** https://learn.microsoft.com/azure/virtual-machines/states-billing */
function stateOf(provisioning: string, codes: readonly string[]): Vm["state"] {
	if (provisioning === "Deleting") return "going";
	switch (codes.find((code) => code.startsWith("PowerState/"))) {
		case "PowerState/running":
			return "running";
		case "PowerState/starting":
			return "starting";
		case "PowerState/stopping":
		case "PowerState/stopped":
		case "PowerState/deallocating":
		case "PowerState/deallocated":
			return "off";
	}
	// Without a state of its own it was never switched on.
	if (provisioning === "Failed" || provisioning === "Canceled") return "off";
	return provisioning === "Creating" ? "starting" : "running";
}
