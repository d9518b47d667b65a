/** A part of what `GET /v2/plans`, `/v2/regions` and `/v2/os` show; prices are of 2025 and only for display. */

const region = (id: string, city: string, country: string, continent: string) => ({
	id,
	city,
	country,
	continent,
	options: ["ddos_protection", "block_storage_high_perf"],
});

export const REGIONS = [
	region("ewr", "New Jersey", "US", "North America"),
	region("ord", "Chicago", "US", "North America"),
	region("lax", "Los Angeles", "US", "North America"),
	region("ams", "Amsterdam", "NL", "Europe"),
	region("lhr", "London", "GB", "Europe"),
	region("fra", "Frankfurt", "DE", "Europe"),
	region("nrt", "Tokyo", "JP", "Asia"),
	region("sgp", "Singapore", "SG", "Asia"),
	region("syd", "Sydney", "AU", "Australia"),
] as const;
const EVERYWHERE: readonly string[] = REGIONS.map(({ id }) => id);

const plan = (id: string, vcpus: number, ram: number, disk: number, bandwidth: number, monthly: number, locations = EVERYWHERE) => ({
	id,
	name: id,
	vcpu_count: vcpus,
	ram,
	disk,
	disk_count: 1,
	bandwidth,
	monthly_cost: monthly,
	type: id.slice(0, 3),
	locations,
});

export const PLANS = [
	plan("vc2-1c-1gb", 1, 1024, 25, 1024, 5),
	plan("vc2-1c-2gb", 1, 2048, 55, 2048, 10),
	plan("vc2-2c-4gb", 2, 4096, 80, 3072, 20),
	plan("vhf-1c-1gb", 1, 1024, 32, 1024, 6, ["ewr", "ams", "nrt"]),
] as const;
export type Plan = (typeof PLANS)[number];

const os = (id: number, name: string, family: string) => ({ id, name, arch: "x64", family });

export const SYSTEMS = [
	os(2284, "Ubuntu 24.04 LTS x64", "ubuntu"),
	os(1743, "Ubuntu 22.04 LTS x64", "ubuntu"),
	os(2136, "Debian 12 x64 (bookworm)", "debian"),
	os(2625, "Debian 13 x64 (trixie)", "debian"),
] as const;
