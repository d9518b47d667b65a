/** A part of what `GET /v4/regions`, `/v4/linode/types` and `/v4/images` show; prices are of 2025 and only for display. */

const CAPABILITIES = ["Linodes", "Block Storage", "Cloud Firewall", "Vlans", "VPCs", "Linode Interfaces"];

const region = (id: string, label: string, country: string, more: readonly string[] = ["Metadata"]) => ({
	id,
	label,
	country,
	capabilities: [...CAPABILITIES, ...more],
	status: "ok",
	resolvers: { ipv4: "192.0.2.1, 192.0.2.2", ipv6: "2001:db8::1, 2001:db8::2" },
	placement_group_limits: { maximum_pgs_per_customer: null, maximum_linodes_per_pg: 5 },
	site_type: "core",
});

export const REGIONS = [
	region("us-ord", "Chicago, IL", "us"),
	region("us-east", "Newark, NJ", "us"),
	region("us-lax", "Los Angeles, CA", "us"),
	region("gb-lon", "London 2, UK", "gb"),
	region("eu-central", "Frankfurt, DE", "de"),
	region("nl-ams", "Amsterdam, NL", "nl"),
	region("fr-par", "Paris, FR", "fr"),
	region("jp-osa", "Osaka, JP", "jp"),
	region("sg-sin-2", "Singapore 2, SG", "sg"),
	region("id-cgk", "Jakarta, ID", "id"),
	region("br-gru", "Sao Paulo, BR", "br"),
	// Where user data are not to be had.
	region("us-old", "Oldtown, TX", "us", []),
] as const;
export type Region = (typeof REGIONS)[number];

const DEARER: Readonly<Record<string, number>> = { "id-cgk": 1.2, "br-gru": 1.4 };
const rounded = (amount: number) => Math.round(amount * 10_000) / 10_000;

const type = (id: string, label: string, kind: string, vcpus: number, memory: number, disk: number, hourly: number, monthly: number) => {
	const backups = { hourly: rounded(hourly * 0.4), monthly: rounded(monthly * 0.4) };
	const regional = (price: { hourly: number; monthly: number }) =>
		Object.entries(DEARER).map(([place, by]) => ({ id: place, hourly: rounded(price.hourly * by), monthly: rounded(price.monthly * by) }));
	return {
		id,
		label,
		class: kind,
		vcpus,
		memory,
		disk,
		transfer: 1000,
		network_out: 1000,
		gpus: 0,
		successor: null,
		price: { hourly, monthly },
		region_prices: regional({ hourly, monthly }),
		addons: { backups: { price: backups, region_prices: regional(backups) } },
	};
};

export const TYPES = [
	type("g6-nanode-1", "Nanode 1GB", "nanode", 1, 1024, 25_600, 0.0075, 5),
	type("g6-standard-1", "Linode 2GB", "standard", 1, 2048, 51_200, 0.018, 12),
	type("g6-standard-2", "Linode 4GB", "standard", 2, 4096, 81_920, 0.036, 24),
] as const;
export type Type = (typeof TYPES)[number];

const image = (id: string, label: string, vendor: string, capabilities: readonly string[] = ["cloud-init"]) => ({
	id,
	label,
	vendor,
	type: "manual",
	status: "available",
	is_public: true,
	deprecated: false,
	size: 2500,
	total_size: 2500,
	description: "",
	capabilities,
	tags: [],
	created: "2024-04-25T17:32:30",
	updated: "2024-04-25T17:32:30",
	created_by: "linode",
	eol: "2029-04-25T04:00:00",
	expiry: null,
});

export const IMAGES = [
	image("linode/ubuntu24.04", "Ubuntu 24.04 LTS", "Ubuntu"),
	image("linode/ubuntu22.04", "Ubuntu 22.04 LTS", "Ubuntu"),
	image("linode/debian12", "Debian 12", "Debian"),
	image("linode/slackware15.0", "Slackware 15.0", "Slackware", []),
] as const;
