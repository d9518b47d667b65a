import { z } from "zod";
import { BOOLEANS } from "../../values/kinds.ts";
import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { secret, slug, statedPrice, usualSlug, webAddress } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

/** `False`, `one-time` (or `True`), `persistent`. */
function spot() {
	const words: Readonly<Record<string, false | "one-time" | "persistent">> = {
		...Object.fromEntries(Object.entries(BOOLEANS).map(([word, isSpot]) => [word, isSpot && "one-time"])),
		"one-time": "one-time",
		persistent: "persistent",
	};
	const must = "False, True, one-time or persistent";
	return z
		.string(must)
		.refine((text) => Object.hasOwn(words, text.toLowerCase()), must)
		.transform((text) => words[text.toLowerCase()] ?? false)
		.default(false);
}

export const settings = {
	access_key_id: { schema: secret("the id of an access key for EC2"), isSecret: true, is: "the access key" },
	secret_access_key: { schema: secret("the secret of that access key"), isSecret: true, is: "the access key" },
	size: { schema: usualSlug("t4g.nano"), is: "an instance type of the region, x86 or Arm" },
	region: { schema: usualSlug("eu-west-2"), is: "a region that the account has enabled" },
	places: placesSetting,
	ami: {
		schema: slug("ami-0abcdef1234567890").nullable().default(null),
		usually: "Canonical's newest Ubuntu 24.04 for the type's architecture",
		is: "an image of the region; it must have cloud-init and Python 3.8",
	},
	spot: { schema: spot(), is: "`one-time` (or `True`) or `persistent`: launch spot instances" },
	hourly_price: {
		schema: statedPrice(),
		isHidden: true,
		usually: "from a table of September 2025, for small sizes",
		is: "what one VM costs an hour with its address and disk, in US dollars",
	},
	api_url: {
		schema: webAddress("https://ec2.eu-west-2.amazonaws.com").nullable().default(null),
		isAddress: true,
		usually: "`https://ec2.<region>.amazonaws.com`",
		is: "another address of that API",
	},
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type AwsAccount = Values<typeof settings>;
