/** A part of what `GET …/products/servers` shows, and of the images that labels stand for; prices are of about 2024 and only for display. */

export const ZONES = [
	"fr-par-1",
	"fr-par-2",
	"fr-par-3",
	"nl-ams-1",
	"nl-ams-2",
	"nl-ams-3",
	"pl-waw-1",
	"pl-waw-2",
	"pl-waw-3",
	"it-mil-1",
] as const;

const GB = 1_000_000_000;
const GIB = 1_073_741_824;

/** `local`: GB of local storage that a server of the type may have; 0: it can only use block storage. */
const type = (hourly: number, ncpus: number, ram: number, local: number, arch: "x86_64" | "arm64" = "x86_64") => ({
	hourly_price: hourly,
	monthly_price: Math.round(hourly * 730 * 100) / 100,
	alt_names: [],
	per_volume_constraint: { l_ssd: { min_size: local === 0 ? 0 : GB, max_size: local === 0 ? 0 : 800 * GB } },
	volumes_constraint: { min_size: 0, max_size: local * GB },
	ncpus,
	gpu: 0,
	ram: ram * GIB,
	arch,
	network: {
		interfaces: [{ internal_bandwidth: 200_000_000, internet_bandwidth: 200_000_000 }],
		sum_internal_bandwidth: 200_000_000,
		sum_internet_bandwidth: 200_000_000,
		ipv6_support: true,
	},
	capabilities: { block_storage: true, boot_types: ["rescue", "local"], max_file_systems: 0 },
	scratch_storage_max_volumes_count: 0,
	end_of_service: false,
});

export const TYPES: Readonly<Record<string, ReturnType<typeof type>>> = {
	"STARDUST1-S": type(0.00015, 1, 1, 10),
	"DEV1-S": type(0.01368, 2, 2, 20),
	"DEV1-M": type(0.02556, 3, 4, 40),
	"PLAY2-PICO": type(0.014, 1, 2, 0),
	"PLAY2-NANO": type(0.027, 2, 4, 0),
	"COPARM1-2C-8G": type(0.0426, 2, 8, 0, "arm64"),
};

const image = (id: string, name: string, label: string, arch: "x86_64" | "arm64") => ({ id, name, label, arch });

export const IMAGES = [
	image("4dc9e3a2-5a0d-4b10-9d53-b5d1ec0e8c70", "Ubuntu 24.04 Noble Numbat", "ubuntu_noble", "x86_64"),
	image("4dc9e3a2-5a0d-4b10-9d53-b5d1ec0e8c71", "Ubuntu 24.04 Noble Numbat", "ubuntu_noble", "arm64"),
	image("4dc9e3a2-5a0d-4b10-9d53-b5d1ec0e8c72", "Ubuntu 22.04 Jammy Jellyfish", "ubuntu_jammy", "x86_64"),
	image("4dc9e3a2-5a0d-4b10-9d53-b5d1ec0e8c73", "Debian Bookworm", "debian_bookworm", "x86_64"),
	image("4dc9e3a2-5a0d-4b10-9d53-b5d1ec0e8c74", "Debian Bookworm", "debian_bookworm", "arm64"),
] as const;

/** What an image needs on the root volume. */
export const IMAGE_BYTES = 10 * GB;
