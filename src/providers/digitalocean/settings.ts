import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { apiUrl, secret, usualSlug } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

export const settings = {
	access_token: { schema: secret("an API token that may read and write droplets, firewalls and tags"), isSecret: true, is: "the token" },
	size: { schema: usualSlug("s-1vcpu-512mb-10gb"), is: "a size that the region has" },
	region: { schema: usualSlug("lon1"), is: "`GET /v2/regions` lists them" },
	places: placesSetting,
	image: {
		schema: usualSlug("ubuntu-24-04-x64"),
		is: "an image's slug, or the number of one of the account's own; it must have cloud-init and Python 3.8",
	},
	api_url: { schema: apiUrl("https://api.digitalocean.com"), isAddress: true, is: "another address of that API" },
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type DigitalOceanAccount = Values<typeof settings>;
