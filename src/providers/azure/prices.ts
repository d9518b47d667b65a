/**
 * Pay-as-you-go prices of the smallest Linux VMs, in US dollars an hour, rounded up:
 * https://azure.microsoft.com/pricing/details/virtual-machines/linux/. Resource Manager has none, and the list of retail prices is another
 * service on another host.
 */
export const AZURE_PRICES_AS_OF = Date.UTC(2025, 8, 1);

/** By location: `Standard_B1s`. */
const B1S: Readonly<Record<string, number>> = {
	eastus: 0.0104,
	eastus2: 0.0104,
	westus2: 0.0104,
	westus3: 0.0104,
	centralus: 0.0125,
	canadacentral: 0.0116,
	northeurope: 0.0114,
	westeurope: 0.012,
	uksouth: 0.0118,
	francecentral: 0.0118,
	germanywestcentral: 0.012,
	swedencentral: 0.0108,
	southeastasia: 0.0132,
	australiaeast: 0.0132,
	japaneast: 0.0136,
	centralindia: 0.0112,
};
/** Multiples of it. The second series costs a little less on AMD's and on Arm's processors. */
const SIZES: Readonly<Record<string, number>> = {
	standard_b1ls: 0.5,
	standard_b1s: 1,
	standard_b1ms: 2,
	standard_b2s: 4,
	standard_b2ats_v2: 0.91,
	standard_b2ts_v2: 1,
	standard_b2pts_v2: 0.81,
};

/** A standard static IPv4 address: https://azure.microsoft.com/pricing/details/ip-addresses/ */
const ADDRESS = 0.005;
/** The image's disk of 30 GB, a standard SSD: https://azure.microsoft.com/pricing/details/managed-disks/ */
const DISK = 0.0033;

/** What a VM with its address and disk costs an hour; undefined: the table lacks it. Spot VMs cost no more. */
export function azureHourly(location: string, size: string): number | undefined {
	const base = B1S[location];
	const multiple = SIZES[size.toLowerCase()];
	return base === undefined || multiple === undefined ? undefined : base * multiple + ADDRESS + DISK;
}
