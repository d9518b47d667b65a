/** A part of what `GET /v2/sizes`, `/v2/regions` and `/v2/images` show; prices are of 2025 and only for display. */
export const REGIONS: Readonly<Record<string, string>> = {
	nyc1: "New York 1",
	nyc2: "New York 2",
	nyc3: "New York 3",
	ams3: "Amsterdam 3",
	sfo2: "San Francisco 2",
	sfo3: "San Francisco 3",
	sgp1: "Singapore 1",
	lon1: "London 1",
	fra1: "Frankfurt 1",
	tor1: "Toronto 1",
	blr1: "Bangalore 1",
	syd1: "Sydney 1",
};

const size = (slug: string, memory: number, vcpus: number, disk: number, transfer: number, monthly: number) => ({
	slug,
	memory,
	vcpus,
	disk,
	transfer,
	price_monthly: monthly,
	price_hourly: Math.round((monthly / 672) * 100_000) / 100_000,
	regions: Object.keys(REGIONS),
	available: true,
	description: "Basic",
});

export const SIZES = [
	size("s-1vcpu-512mb-10gb", 512, 1, 10, 0.5, 4),
	size("s-1vcpu-1gb", 1024, 1, 25, 1, 6),
	size("s-1vcpu-2gb", 2048, 1, 50, 2, 12),
	size("s-2vcpu-2gb", 2048, 2, 60, 3, 18),
	size("s-2vcpu-4gb", 4096, 2, 80, 4, 24),
	size("s-4vcpu-8gb", 8192, 4, 160, 5, 48),
] as const;

const image = (id: number, distribution: "Ubuntu" | "Debian", name: string, slug: string) => ({
	id,
	name,
	distribution,
	slug,
	type: "base",
	public: true,
	regions: Object.keys(REGIONS),
	created_at: "2025-01-15T00:00:00Z",
	min_disk_size: 7,
	size_gigabytes: 2.4,
	description: `${distribution} ${name}`,
	tags: [],
	status: "available",
});

export const IMAGES = [
	image(195932981, "Ubuntu", "25.04 x64", "ubuntu-25-04-x64"),
	image(155133621, "Ubuntu", "24.04 (LTS) x64", "ubuntu-24-04-x64"),
	image(129211873, "Ubuntu", "22.04 (LTS) x64", "ubuntu-22-04-x64"),
	image(199999001, "Debian", "13 x64", "debian-13-x64"),
	image(139080500, "Debian", "12 x64", "debian-12-x64"),
] as const;

export function regionOf(slug: string): { slug: string; name: string; features: string[]; available: boolean; sizes: string[] } {
	return { slug, name: REGIONS[slug] ?? slug, features: ["metadata"], available: true, sizes: SIZES.map((entry) => entry.slug) };
}

/** A region's slug, or a prefix of one (`nyc`): then the first that has it. Null: there is none. */
export function findRegion(wanted: string): string | null {
	return (
		Object.keys(REGIONS).find((slug) => slug === wanted) ?? Object.keys(REGIONS).find((slug) => slug.replace(/\d+$/, "") === wanted) ?? null
	);
}
