/** What the local OpenStack has: regions, flavors, images and networks. Every real one has its own. */

export const REGIONS = ["RegionOne", "RegionTwo"] as const;

const uuid = (kind: number, number: number) =>
	`0a0e${kind.toString(16).padStart(4, "0")}-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;

const flavor = (id: string, name: string, vcpus: number, ram: number, disk: number) => ({
	id,
	name,
	vcpus,
	ram,
	disk,
	swap: 0,
	rxtx_factor: 1,
	"OS-FLV-EXT-DATA:ephemeral": 0,
	"os-flavor-access:is_public": true,
	"OS-FLV-DISABLED:disabled": false,
	description: null,
	links: [],
	extra_specs: {},
});
export const FLAVORS = [
	flavor("1", "m1.tiny", 1, 512, 1),
	flavor("2", "m1.small", 1, 2048, 20),
	flavor("3", "v1.diskless", 1, 1024, 0),
] as const;
export type Flavor = (typeof FLAVORS)[number];

const image = (number: number, name: string, createdAt: string) => ({
	id: uuid(1, number),
	name,
	status: "active",
	visibility: "public",
	min_disk: 0,
	min_ram: 0,
	size: 600_000_000,
	created_at: createdAt,
	updated_at: createdAt,
	os_hidden: false,
	protected: false,
	owner: "0a0e",
	disk_format: "qcow2",
	container_format: "bare",
	checksum: null,
	tags: [],
	self: `/v2/images/${uuid(1, number)}`,
	file: `/v2/images/${uuid(1, number)}/file`,
	schema: "/v2/schemas/image",
});
/** Of the same name there are an older and a newer one. */
export const IMAGES = [
	image(1, "Ubuntu 24.04", "2024-05-01T00:00:00Z"),
	image(2, "Ubuntu 24.04", "2025-09-01T00:00:00Z"),
	image(3, "Debian 12", "2025-01-01T00:00:00Z"),
] as const;

const network = (number: number, name: string, more: { isExternal?: true; isJoined?: false; hasRouter?: false }) => ({
	id: uuid(2, number),
	name,
	/** Servers may join it themselves. */
	isJoined: more.isJoined ?? true,
	/** A router leads from it to where floating IPs are. */
	hasRouter: more.hasRouter ?? more.isExternal === undefined,
	isExternal: more.isExternal === true,
});
export const NETWORKS = [
	network(1, "Ext-Net", { isExternal: true }),
	network(2, "private", {}),
	network(3, "isolated", { hasRouter: false }),
	network(4, "public", { isExternal: true, isJoined: false }),
] as const;
export type Network = (typeof NETWORKS)[number];
