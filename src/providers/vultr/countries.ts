import { countriesBy } from "../base/countries.ts";

/** https://www.vultr.com/api/#tag/region (`GET /v2/regions`: `country`), read in November 2026. */
export const countries = countriesBy({
	au: "mel syd",
	br: "sao",
	ca: "yto",
	cl: "scl",
	de: "fra",
	es: "mad",
	fr: "cdg",
	gb: "lhr man",
	il: "tlv",
	in: "blr bom del",
	jp: "itm nrt",
	kr: "icn",
	mx: "mex",
	nl: "ams",
	pl: "waw",
	se: "sto",
	sg: "sgp",
	us: "atl dfw ewr hnl lax mia ord sea sjc",
	za: "jnb",
});
