import { z } from "zod";
import type { Vm } from "../../core/model/state.ts";
import { ProviderError } from "../base/provider.ts";
import { readTagList } from "../base/tags.ts";

/** Servers and their volumes as Scaleway shows them. */

const Volume = z.object({ id: z.string(), volume_type: z.string().nullish() });
const Address = z.object({ address: z.string(), family: z.string().nullish() });
/** As lists of volumes show them; one that no server has can be deleted. */
export const LocalVolume = z.object({ id: z.string(), name: z.string(), server: z.object({}).nullish() });
export const BlockVolume = z.object({ id: z.string(), name: z.string(), references: z.array(z.object({})).nullish() });
export const Server = z.object({
	id: z.string(),
	name: z.string(),
	state: z.string(),
	tags: z.array(z.string()).nullish(),
	public_ip: Address.nullish(),
	public_ips: z.array(Address).nullish(),
	/** The root volume is "0". */
	volumes: z.record(z.string(), Volume).nullish(),
});
export type Server = z.infer<typeof Server>;

/** A volume, on the server's own machine or in block storage: two APIs. */
export interface VolumeFound {
	readonly id: string;
	readonly isLocal: boolean;
}

/** The volume that came with it; null: it has none any more. */
export function rootVolume({ volumes }: Server): VolumeFound | null {
	const root = volumes?.["0"];
	return root === undefined ? null : { id: root.id, isLocal: !root.volume_type?.startsWith("sbs") };
}

/** Servers belong to a zone, and so do lists: a VM's id here is `zone/server`, so that one is not lost when the setting changes. */
export function vmOf(zone: string, server: Server): Vm {
	const addresses = [...(server.public_ips ?? []), ...(server.public_ip ? [server.public_ip] : [])];
	return {
		vm: `${zone}/${server.id}`,
		name: server.name,
		state: stateOf(server.state),
		address: addresses.find(({ address, family }) => family !== "inet6" && !address.includes(":"))?.address ?? null,
		tags: readTagList(server.tags ?? []),
	};
}

export function placeOf(vm: string): { readonly zone: string; readonly id: string } {
	const [, zone, id] = /^([a-z0-9-]+)\/([0-9a-f-]+)$/.exec(vm) ?? [];
	if (zone !== undefined && id !== undefined) return { zone, id };
	throw new ProviderError({ kind: "notFound", message: "Scaleway: no server has such an id" });
}

/** One that is being deleted is `stopping`, just as one that is being switched off. */
function stateOf(state: string): Vm["state"] {
	switch (state) {
		case "starting":
			return "starting";
		case "stopping":
		case "stopped":
		case "stopped in place":
			return "off";
		default:
			// `running`; and `locked`, of which the agent tells whether the server serves.
			return "running";
	}
}

/** As the catalogue of a zone shows it. */
const ServerType = z.object({
	volumes_constraint: z.object({ min_size: z.number(), max_size: z.number() }).nullish(),
	/** In euros, the server alone. */
	hourly_price: z.number().nullish(),
	/** `x86_64` or `arm64`. */
	arch: z.string().nullish(),
	/** No server of it can be made any more. */
	end_of_service: z.boolean().nullish(),
});
export const Types = z.object({ servers: z.record(z.string(), ServerType) });
/** As the marketplace shows images: those of a zone, and the labels that there are. */
export const LocalImages = z.object({ local_images: z.array(z.object({ arch: z.string().nullish() })) });
export const Labels = z.object({ images: z.array(z.object({ label: z.string() })) });
export type ServerType = z.infer<typeof ServerType>;

/** The root volume of a server of a type: where the type has local storage that, which goes with its server, else block storage. */
export interface RootVolume {
	readonly volume_type: "l_ssd" | "sbs_volume";
	/** Bytes. */
	readonly size: number;
}

/** Ubuntu's images have 10 GB. */
const IMAGE_BYTES = 10_000_000_000;

export function rootVolumeFor(type: ServerType): RootVolume {
	const local = type.volumes_constraint ?? { min_size: 0, max_size: 0 };
	if (local.max_size < IMAGE_BYTES) return { volume_type: "sbs_volume", size: IMAGE_BYTES };
	return { volume_type: "l_ssd", size: Math.max(IMAGE_BYTES, local.min_size) };
}

/** A public IPv4 address, in euros an hour: https://www.scaleway.com/en/pricing/network/ */
const ADDRESS_HOURLY = 0.004;
/** The root volume where it is block storage, 10 GB of it: https://www.scaleway.com/en/pricing/storage/ */
const BLOCK_HOURLY = 0.0012;

/** What a server of the type costs in euros an hour, its address and volume included; undefined: the catalogue does not say. */
export function hourlyOf(type: ServerType): number | undefined {
	const server = type.hourly_price ?? undefined;
	if (server === undefined) return undefined;
	return server + ADDRESS_HOURLY + (rootVolumeFor(type).volume_type === "sbs_volume" ? BLOCK_HOURLY : 0);
}
