import { flag } from "../../values/kinds.ts";
import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { apiUrl, slug, statedPrice, usualSlug } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";
import { serviceAccountKey, tokenUriOf } from "./token.ts";

export const settings = {
	project: { schema: slug("my-project-123456"), is: "the project's id" },
	service_account_key: {
		schema: serviceAccountKey(),
		isSecret: true,
		sentTo: tokenUriOf,
		is: "the key file's content (JSON), on one line. Tokens come from its `token_uri`",
	},
	size: { schema: usualSlug("e2-micro"), is: "a machine type that the zone has, x86 or Arm" },
	zone: { schema: usualSlug("us-central1-a"), shownAs: "region", is: "where VMs are made" },
	places: placesSetting,
	image_project: { schema: usualSlug("ubuntu-os-cloud"), is: "whose image" },
	image_family: {
		schema: slug("ubuntu-minimal-2404-lts-amd64").nullable().default(null),
		usually: "`ubuntu-minimal-2404-lts-amd64`, for Arm types (`t2a-`, `c4a-`, `n4a-`) `…-arm64`",
		is: "the newest image of this family; it must have cloud-init and Python 3.8",
	},
	spot: { schema: flag(false), is: "`True`: launch spot VMs" },
	hourly_price: {
		schema: statedPrice(),
		isHidden: true,
		usually: "from a table of September 2025, for small sizes",
		is: "what one VM costs an hour with its address and disk, in US dollars",
	},
	api_url: { schema: apiUrl("https://compute.googleapis.com"), isAddress: true, is: "another address of that API" },
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type GcpAccount = Values<typeof settings>;
