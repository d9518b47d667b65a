/** A part of what `GET /v1/server_types`, `/v1/locations`, `/v1/images` and `/v1/pricing` show; prices are of 2025 and only for display. */

const location = (id: number, name: string, city: string, country: string, latitude: number, longitude: number, network_zone: string) => ({
	id,
	name,
	description: `${city} DC Park 1`,
	country,
	city,
	latitude,
	longitude,
	network_zone,
});

export const LOCATIONS = [
	location(1, "fsn1", "Falkenstein", "DE", 50.47612, 12.370071, "eu-central"),
	location(2, "nbg1", "Nuremberg", "DE", 49.452102, 11.076665, "eu-central"),
	location(3, "hel1", "Helsinki", "FI", 60.169855, 24.938379, "eu-central"),
	location(4, "ash", "Ashburn, VA", "US", 39.045821, -77.487073, "us-east"),
	location(5, "hil", "Hillsboro, OR", "US", 45.54222, -122.951924, "us-west"),
] as const;
export type Location = (typeof LOCATIONS)[number];

const EUROPE = ["fsn1", "nbg1", "hel1"];
const AMERICA = ["ash", "hil"];

const money = (net: number) => ({ net: net.toFixed(10), gross: (net * 1.19).toFixed(16) });
const priceIn = (place: string, monthly: number) => ({
	location: place,
	price_hourly: money(Math.ceil((monthly / 624) * 10_000) / 10_000),
	price_monthly: money(monthly),
	included_traffic: EUROPE.includes(place) ? 21_990_232_555_520 : 1_099_511_627_776,
	price_per_tb_traffic: money(1),
});

const type = (id: number, name: string, cores: number, memory: number, disk: number, monthly: number, places: readonly string[]) => ({
	id,
	name,
	description: name.toUpperCase(),
	cores,
	memory,
	disk,
	deprecated: false,
	prices: places.map((place) => priceIn(place, monthly)),
	storage_type: "local",
	cpu_type: "shared",
	category: "Shared vCPU",
	architecture: name.startsWith("cax") ? "arm" : "x86",
	deprecation: null,
	locations: LOCATIONS.filter((each) => places.includes(each.name)).map((each) => ({
		id: each.id,
		name: each.name,
		deprecation: null,
		recommended: true,
		available: true,
	})),
});

export const SERVER_TYPES = [
	type(114, "cx23", 2, 4, 40, 2.99, EUROPE),
	type(115, "cx33", 4, 8, 80, 4.99, EUROPE),
	type(45, "cax11", 2, 4, 40, 3.29, EUROPE),
	type(22, "cpx11", 2, 2, 40, 4.49, AMERICA),
] as const;
export type ServerType = (typeof SERVER_TYPES)[number];

const image = (id: number, flavor: "ubuntu" | "debian", version: string, architecture: "x86" | "arm") => ({
	id,
	type: "system",
	status: "available",
	name: `${flavor}-${version}`,
	description: `${flavor === "ubuntu" ? "Ubuntu" : "Debian"} ${version}`,
	image_size: null,
	disk_size: 5,
	created: "2024-04-25T13:26:27+00:00",
	created_from: null,
	bound_to: null,
	os_flavor: flavor,
	os_version: version,
	rapid_deploy: true,
	protection: { delete: false },
	deprecated: null,
	deleted: null,
	labels: {},
	architecture,
});

export const IMAGES = [
	image(161_547_269, "ubuntu", "24.04", "x86"),
	image(161_547_270, "ubuntu", "24.04", "arm"),
	image(67_794_396, "ubuntu", "22.04", "x86"),
	image(103_908_130, "ubuntu", "22.04", "arm"),
	image(114_690_387, "debian", "12", "x86"),
	image(114_690_389, "debian", "12", "arm"),
	image(310_557_660, "debian", "13", "x86"),
] as const;

/** By name or number; a name stands for an image of each architecture. Null: there is none. */
export function findImage(wanted: string, architecture: string): (typeof IMAGES)[number] | null {
	return IMAGES.find((each) => (each.name === wanted && each.architecture === architecture) || String(each.id) === wanted) ?? null;
}

export const PRICING = {
	currency: "EUR",
	vat_rate: "19.00",
	primary_ips: ["ipv4", "ipv6"].map((kind) => ({
		type: kind,
		prices: LOCATIONS.map(({ name }) => ({
			location: name,
			price_hourly: money(kind === "ipv4" ? 0.0008 : 0),
			price_monthly: money(kind === "ipv4" ? 0.5 : 0),
		})),
	})),
	floating_ips: [{ type: "ipv4", prices: LOCATIONS.map(({ name }) => ({ location: name, price_monthly: money(3) })) }],
	floating_ip: { price_monthly: money(3) },
	image: { price_per_gb_month: money(0.011) },
	volume: { price_per_gb_month: money(0.044) },
	server_backup: { percentage: "20.00" },
	server_types: SERVER_TYPES.map(({ id, name, prices }) => ({ id, name, prices })),
	load_balancer_types: [],
};
