import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { apiUrl, secret, slug, usualSlug } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

export const settings = {
	access_token: {
		schema: secret("an API token of the project, with Read & Write"),
		isSecret: true,
		alsoSpelt: ["api_token"],
		is: "the project's token",
	},
	size: { schema: usualSlug("cx23"), is: "a server type that the location has" },
	location: { schema: usualSlug("nbg1"), shownAs: "region", is: "`fsn1`, `nbg1`, `hel1` (Europe), `ash`, `hil` (America), …" },
	// Servers are placed by location since data centers were retired in July 2026: one is reduced to its location, which then holds.
	datacenter: {
		schema: slug("nbg1-dc3")
			.transform((name) => name.replace(/-dc\d+$/, ""))
			.optional(),
		isHidden: true,
		isOverruled: true,
		is: "as formerly, `nbg1-dc3`: means its location, and wins over `HETZNER_LOCATION`",
	},
	places: placesSetting,
	image: {
		schema: usualSlug("ubuntu-24.04"),
		is: "an image's name, or the number of one of the project's own; it must have cloud-init and Python 3.8",
	},
	api_url: { schema: apiUrl("https://api.hetzner.cloud"), isAddress: true, is: "another address of that API" },
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type HetznerAccount = Values<typeof settings>;
