import { countriesBy } from "../base/countries.ts";

/** https://docs.hetzner.cloud/reference/cloud#locations (`country`), read in November 2026. */
export const countries = countriesBy({ de: "fsn1 nbg1", fi: "hel1", sg: "sin", us: "ash hil" });
