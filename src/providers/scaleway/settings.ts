import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { apiUrl, secret, usualSlug, uuid } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

export const settings = {
	// It names the key, and proves nothing: kept since Scaleway gives both.
	access_key: {
		schema: secret("the access key").default(""),
		isSecret: true,
		is: "the API key's name. Scaleway does not ask for it; it may be left out",
	},
	secret_key: { schema: secret("the secret key of an API key that may manage Instances"), isSecret: true, is: "the API key's secret" },
	project_id: {
		schema: uuid("a project's id, such as 11111111-2222-3333-4444-555555555555"),
		is: "the project in which Instances are made, and looked for",
	},
	zone: {
		schema: usualSlug("fr-par-1"),
		shownAs: "region",
		is: "`fr-par-1` to `-3`, `nl-ams-1` to `-3`, `pl-waw-1` to `-3`, `it-mil-1`",
	},
	size: { schema: usualSlug("DEV1-S"), is: "a commercial type that the zone has, x86 or Arm" },
	places: placesSetting,
	image: {
		schema: usualSlug("ubuntu_noble"),
		is: "an image's label, which means the one for the type's processor, or the id of one of the project's own; it must have cloud-init and Python 3.8",
	},
	api_url: { schema: apiUrl("https://api.scaleway.com"), isAddress: true, is: "another address of that API" },
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type ScalewayAccount = Values<typeof settings>;
