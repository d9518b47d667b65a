import { countriesBy } from "../base/countries.ts";

/** https://docs.digitalocean.com/platform/regional-availability/, read in November 2026. Closed ones are there for the VMs that still run in them. */
export const countries = countriesBy({
	au: "syd1",
	ca: "tor1",
	de: "fra1",
	gb: "lon1",
	in: "blr1",
	nl: "ams1 ams2 ams3",
	sg: "sgp1",
	us: "atl1 nyc1 nyc2 nyc3 ric1 sfo1 sfo2 sfo3",
});
