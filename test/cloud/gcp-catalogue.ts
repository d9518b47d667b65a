import { SELF } from "./gcp-answers.ts";

/** What there is at Compute Engine before anybody makes anything: zones, machine types, networks and images, a part of each. */

export type Architecture = "amd64" | "arm64";

const machine = (architecture: Architecture, guestCpus: number, memoryMb: number, isSharedCpu = false) => ({
	architecture,
	guestCpus,
	memoryMb,
	isSharedCpu,
});
export const MACHINE_TYPES: Readonly<Record<string, ReturnType<typeof machine>>> = {
	"e2-micro": machine("amd64", 2, 1024, true),
	"e2-small": machine("amd64", 2, 2048, true),
	"e2-medium": machine("amd64", 2, 4096, true),
	"n2-standard-2": machine("amd64", 2, 8192),
	"t2a-standard-1": machine("arm64", 1, 4096),
	"c4a-standard-1": machine("arm64", 1, 4096),
};

export const ZONES = ["us-central1-a", "us-central1-b", "us-east1-b", "us-west1-b", "europe-west1-b", "europe-west2-a"];
export const regionOf = (zone: string) => zone.replace(/-[a-z]$/, "");

export const IMAGE_PROJECT = "ubuntu-os-cloud";
export const FAMILIES = ["ubuntu-minimal-2404-lts", "ubuntu-2404-lts", "ubuntu-minimal-2204-lts"].flatMap((family) =>
	(["amd64", "arm64"] as const).map((architecture) => ({ name: `${family}-${architecture}`, architecture })),
);
/** Each family's newest image, and so far its only one. */
const imageOf = (family: string) => `${family}-v20260101`;

const MADE_AT = "2026-01-01T00:00:00.000-08:00";
/** Numbers stay the same for the same name. */
const numberOf = (text: string) => String([...text].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1_000_000_007, 7));
const thing = (kind: string, name: string, path: string) => ({
	kind: `compute#${kind}`,
	id: numberOf(path),
	creationTimestamp: MADE_AT,
	name,
	description: name,
	selfLink: `${SELF}/${path}`,
});

/**
 * What a GET of a path below `projects/<project>` finds: one thing, or a list of them. Null: what it names is not there; undefined: the path
 * is none of the catalogue's.
 */
export function catalogue(project: string, path: readonly string[]): object | null | undefined {
	const base = `projects/${project}`;
	const [first, second, third, fourth] = path;
	if (first === undefined)
		return { ...thing("project", project, base), quotas: [], defaultServiceAccount: `1-compute@developer.gserviceaccount.com` };
	if (first === "zones" && third === undefined)
		return found(
			"zoneList",
			`${base}/zones`,
			ZONES.map((name) => zone(base, name)),
			second,
		);
	if (first === "regions" && third === undefined) {
		const regions = [...new Set(ZONES.map(regionOf))];
		return found(
			"regionList",
			`${base}/regions`,
			regions.map((name) => region(base, name)),
			second,
		);
	}
	const isZonal = first === "zones" && third !== undefined && path.length <= 4 && Object.hasOwn(ZONAL, third);
	const inZone = isZonal ? ZONAL[third] : undefined;
	if (inZone !== undefined && second !== undefined) {
		return ZONES.includes(second) ? found(inZone.kind, `${base}/zones/${second}/${third}`, inZone.all(base, second), fourth) : null;
	}
	if (first === "aggregated" && second === "machineTypes") {
		const items = Object.fromEntries(ZONES.map((name) => [`zones/${name}`, { machineTypes: machineTypes(base, name) }]));
		return { kind: "compute#machineTypeAggregatedList", id: `${base}/aggregated/machineTypes`, items };
	}
	if (first === "global" && second === "networks" && path.length <= 3)
		return found("networkList", `${base}/global/networks`, [network(base)], third);
	if (first !== "global" || second !== "images") return undefined;
	const images = project === IMAGE_PROJECT ? FAMILIES.map(({ name, architecture }) => image(base, name, architecture)) : [];
	if (third === "family") return images.find(({ family }) => family === fourth) ?? null;
	return path.length <= 3 ? found("imageList", `${base}/global/images`, images, third) : undefined;
}

function found<T extends { readonly name: string; readonly id: string }>(
	kind: string,
	id: string,
	all: readonly T[],
	name: string | undefined,
) {
	if (name !== undefined) return all.find((one) => one.name === name || one.id === name) ?? null;
	return { kind: `compute#${kind}`, id, ...(all.length === 0 ? {} : { items: all }), selfLink: `${SELF}/${id}` };
}

const zone = (base: string, name: string) => ({
	...thing("zone", name, `${base}/zones/${name}`),
	status: "UP",
	region: `${SELF}/${base}/regions/${regionOf(name)}`,
});

const region = (base: string, name: string) => ({
	...thing("region", name, `${base}/regions/${name}`),
	status: "UP",
	zones: ZONES.filter((each) => regionOf(each) === name).map((each) => `${SELF}/${base}/zones/${each}`),
	quotas: [],
});

const machineTypes = (base: string, inZone: string) =>
	Object.entries(MACHINE_TYPES).map(([name, { architecture, ...size }]) => ({
		...thing("machineType", name, `${base}/zones/${inZone}/machineTypes/${name}`),
		...size,
		imageSpaceGb: 0,
		maximumPersistentDisks: 128,
		maximumPersistentDisksSizeGb: "263168",
		zone: inZone,
		architecture: architecture === "amd64" ? "X86_64" : "ARM64",
	}));

const diskTypes = (base: string, inZone: string) =>
	["pd-standard", "pd-balanced", "pd-ssd"].map((name) => ({
		...thing("diskType", name, `${base}/zones/${inZone}/diskTypes/${name}`),
		validDiskSize: "10GB-65536GB",
		defaultDiskSizeGb: "10",
		zone: `${SELF}/${base}/zones/${inZone}`,
	}));

/** What each zone has of its own. */
const ZONAL: Readonly<
	Record<
		string,
		{ readonly kind: string; readonly all: (base: string, zone: string) => readonly { readonly name: string; readonly id: string }[] }
	>
> = {
	machineTypes: { kind: "machineTypeList", all: machineTypes },
	diskTypes: { kind: "diskTypeList", all: diskTypes },
};

const network = (base: string) => ({
	...thing("network", "default", `${base}/global/networks/default`),
	autoCreateSubnetworks: true,
	subnetworks: [],
	routingConfig: { routingMode: "REGIONAL" },
});

const image = (base: string, family: string, architecture: Architecture) => ({
	...thing("image", imageOf(family), `${base}/global/images/${imageOf(family)}`),
	family,
	sourceType: "RAW",
	status: "READY",
	archiveSizeBytes: "1073741824",
	diskSizeGb: "10",
	licenses: [],
	architecture: architecture === "amd64" ? "X86_64" : "ARM64",
});

/** An image as a create names it, by itself or by its family; whole or from the project on. Null: there is none. */
export function imageNamed(reference: string): { readonly architecture: Architecture } | null {
	const [, family, name] = new RegExp(`(?:^|/)projects/${IMAGE_PROJECT}/global/images/(?:family/([^/]+)|([^/]+))$`).exec(reference) ?? [];
	return FAMILIES.find((each) => each.name === family || imageOf(each.name) === name) ?? null;
}
