import { countriesBy } from "../base/countries.ts";

/** https://www.scaleway.com/en/docs/account/reference-content/products-availability/, read in November 2026. Zones are `fr-par-1`. */
export const countries = countriesBy({ fr: "fr-par", it: "it-mil", nl: "nl-ams", pl: "pl-waw" }, (zone) => zone.replace(/-\d+$/, ""));
