/** What there is at Azure, and where. */

export interface Place {
	readonly subscription: string;
	readonly group: string;
}

/** Azure does not tell capitals apart. */
export const isSame = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

export const LOCATIONS = ["eastus", "westus2", "northeurope", "westeurope", "uksouth"];

interface Size {
	readonly architecture: "x64" | "Arm64";
	readonly isBurstable: boolean;
}
const X64: Size = { architecture: "x64", isBurstable: false };
export const SIZES: Readonly<Record<string, Size>> = {
	Standard_B1ls: { architecture: "x64", isBurstable: true },
	Standard_B1s: { architecture: "x64", isBurstable: true },
	Standard_B2ats_v2: { architecture: "x64", isBurstable: true },
	Standard_B2pts_v2: { architecture: "Arm64", isBurstable: true },
	Standard_D2s_v3: X64,
	Standard_F1s: X64,
	Standard_D2ps_v5: { architecture: "Arm64", isBurstable: false },
};
export const IMAGES: Readonly<Record<string, Size["architecture"]>> = {
	"Canonical:ubuntu-24_04-lts:server": "x64",
	"Canonical:ubuntu-24_04-lts:server-arm64": "Arm64",
	"Canonical:ubuntu-24_04-lts:minimal": "x64",
	"Debian:debian-12:12-gen2": "x64",
};
