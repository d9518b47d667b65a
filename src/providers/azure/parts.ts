import { z } from "zod";
import { isFailure, orNull } from "../base/failures.ts";
import { json } from "../base/http.ts";
import { type Api, type Arm, accepted } from "./call.ts";
import { VM_TAG } from "./machine.ts";

/**
 * What is made with a VM: a network interface, a public address, a disk. They go with it, but a create that failed, an eviction
 * or a forced delete can leave them behind, and an address or a disk costs money by itself.
 */
const INTERFACE = "microsoft.network/networkinterfaces";
const ADDRESS = "microsoft.network/publicipaddresses";
const DISK = "microsoft.compute/disks";
const APIS: Readonly<Record<string, Api>> = { [INTERFACE]: "network", [ADDRESS]: "network", [DISK]: "disks" };

const Part = z.object({ id: z.string(), type: z.string(), tags: z.record(z.string(), z.string()).nullish() });
export type Part = z.infer<typeof Part>;

/** All parts in a resource group, whoever's, with their tags. `group`: `/subscriptions/S/resourceGroups/G`. */
export function allParts(arm: Arm, group: string): Promise<Part[]> {
	const types = ["Microsoft.Network/networkInterfaces", "Microsoft.Network/publicIPAddresses", "Microsoft.Compute/disks"];
	return arm.all("resources", `${group}/resources?$filter=${filter(types.map((type) => `resourceType eq '${type}'`).join(" or "))}`, Part);
}

/** The parts of the VM of that name. Asked by tag, Azure does not show tags. */
export async function partsOf(arm: Arm, group: string, name: string): Promise<Part[]> {
	const asked = filter(`tagName eq '${VM_TAG}' and tagValue eq '${name}'`);
	const found = (await orNull(arm.all("resources", `${group}/resources?$filter=${asked}`, Part))) ?? [];
	return found.filter(({ type }) => APIS[type.toLowerCase()] !== undefined);
}

const filter = encodeURIComponent;

/**
 * Deletes what is left of a VM that is no more, as far as it can be now: an address that an interface holds goes at the next try.
 * False: nothing of it was there, whatever the list of parts said. Every part is tried; throws the first failure.
 */
export async function deleteParts(arm: Arm, parts: readonly Part[]): Promise<boolean> {
	const isHeld = parts.some(({ type }) => type.toLowerCase() === INTERFACE);
	const now = parts.filter(({ type }) => !isHeld || type.toLowerCase() !== ADDRESS);
	const failures: unknown[] = [];
	let deleted = 0;
	for (const { id, type } of now) {
		try {
			const answer = await arm.call("DELETE", APIS[type.toLowerCase()] ?? "resources", id, accepted);
			if (answer.status !== 204) deleted++;
		} catch (error) {
			if (!isFailure(error, "notFound")) failures.push(error);
		}
	}
	if (failures.length > 0) throw failures[0];
	return deleted > 0;
}

const PublicAddress = z.object({
	properties: z.object({ ipAddress: z.string().nullish(), ipConfiguration: z.object({ id: z.string() }).nullish() }).nullish(),
});

/** The public addresses in a resource group, by the network interface that has them ({@link interfaceKey}). */
export async function addressesByInterface(arm: Arm, group: string): Promise<ReadonlyMap<string, string>> {
	const found = await arm.all("network", `${group}/providers/Microsoft.Network/publicIPAddresses`, PublicAddress);
	return new Map(
		found.flatMap(({ properties }) => {
			const { ipAddress, ipConfiguration } = properties ?? {};
			const [, key] = /^(.+)\/ipconfigurations\/[^/]+$/.exec(interfaceKey(ipConfiguration?.id ?? "")) ?? [];
			return ipAddress && key !== undefined ? [[key, ipAddress] as const] : [];
		}),
	);
}

/** Azure is not true to the case of its ids. */
export const interfaceKey = (id: string): string => id.toLowerCase();

const Interface = z.object({
	properties: z.object({
		ipConfigurations: z
			.array(
				z.object({
					properties: z
						.object({ publicIPAddress: z.object({ properties: z.object({ ipAddress: z.string().nullish() }).nullish() }).nullish() })
						.nullish(),
				}),
			)
			.nullish(),
	}),
});

/** The public address of one network interface; null: it has none (yet), or is none itself. */
export async function addressOfInterface(arm: Arm, id: string): Promise<string | null> {
	// The id comes from an answer, and the path that it makes shall be that of an interface.
	if (!/^\/subscriptions\/[^?#]+\/networkInterfaces\/[^/?#]+$/i.test(id)) return null;
	const found = await orNull(arm.call("GET", "network", `${id}?$expand=ipConfigurations/publicIPAddress`, json(Interface)));
	const addresses = (found?.properties.ipConfigurations ?? []).flatMap(
		(one) => one.properties?.publicIPAddress?.properties?.ipAddress || [],
	);
	return addresses[0] ?? null;
}
