import { countriesBy } from "../base/countries.ts";

/** https://techdocs.akamai.com/cloud-computing/docs/how-to-choose-a-data-center, read in November 2026. */
export const countries = countriesBy({
	au: "ap-southeast au-mel",
	br: "br-gru",
	ca: "ca-central",
	de: "eu-central de-fra-2",
	es: "es-mad",
	fr: "fr-par fr-par-2",
	gb: "eu-west gb-lon",
	id: "id-cgk",
	in: "ap-west in-maa in-bom-2",
	it: "it-mil",
	jp: "ap-northeast jp-osa jp-tyo-3",
	nl: "nl-ams",
	se: "se-sto",
	sg: "ap-south sg-sin-2",
	us: "us-central us-east us-iad us-iad-2 us-lax us-mia us-ord us-sea us-southeast us-west",
});
