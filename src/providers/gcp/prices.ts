/**
 * On-demand prices of shared-core E2 VMs, in US dollars an hour, rounded up: https://cloud.google.com/compute/vm-instance-pricing. Google's catalogue of
 * prices is another service, with another key, and lists parts of VMs rather than VMs.
 */
export const GCP_PRICES_AS_OF = Date.UTC(2025, 8, 1);

/** By region: `e2-micro`. */
const MICRO: Readonly<Record<string, number>> = {
	"us-central1": 0.0084,
	"us-east1": 0.0084,
	"us-west1": 0.0084,
	"us-east4": 0.0095,
	"us-west2": 0.0101,
	"northamerica-northeast1": 0.0093,
	"europe-west1": 0.0093,
	"europe-west2": 0.0108,
	"europe-west3": 0.0108,
	"europe-west4": 0.0093,
	"europe-north1": 0.0093,
	"asia-east1": 0.0097,
	"asia-southeast1": 0.0104,
	"asia-northeast1": 0.0108,
	"australia-southeast1": 0.0119,
};
/** Multiples of the smallest. */
const SIZES: Readonly<Record<string, number>> = { "e2-micro": 1, "e2-small": 2, "e2-medium": 4 };

/** An external IPv4 address in use: https://cloud.google.com/vpc/pricing */
const ADDRESS = 0.005;
/** A standard disk of 10 GB: https://cloud.google.com/compute/disks-image-pricing */
const DISK = 0.0007;

/** What a VM with its address and disk costs an hour; undefined: the table lacks it. Spot VMs cost no more. */
export function gcpHourly(zone: string, size: string): number | undefined {
	const micro = MICRO[zone.replace(/-[a-z]$/, "")];
	const multiple = SIZES[size];
	return micro === undefined || multiple === undefined ? undefined : micro * multiple + ADDRESS + DISK;
}
