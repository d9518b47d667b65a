import { countriesBy } from "../base/countries.ts";

/**
 * Regions are called as each cloud likes: these are OVHcloud's (https://www.ovhcloud.com/en/about-us/infrastructure-data-centers/) and Infomaniak's
 * (https://docs.infomaniak.cloud), read in November 2026.
 */
export const countries = countriesBy(
	{
		au: "syd syd1",
		ca: "bhs bhs3 bhs5",
		ch: "dc3-a dc4-a",
		de: "de de1",
		fr: "gra gra5 gra7 gra9 gra11 rbx rbx-a sbg sbg5 sbg7 eu-west-par",
		gb: "uk uk1",
		in: "ap-south-mum ap-south-mum-1",
		pl: "waw waw1",
		sg: "sgp sgp1",
		us: "us-east-va-1 us-west-or-1",
	},
	(region) => region.replace(/-?\d+$/, ""),
);
