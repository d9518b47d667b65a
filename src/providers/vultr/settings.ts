import { z } from "zod";
import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { apiUrl, secret, usualSlug } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

const osId = "the number of an operating system of Vultr's list, such as 2284 (Ubuntu 24.04)";

export const settings = {
	api_token: { schema: secret("an API key that any address may use"), isSecret: true, is: "the API key" },
	plan: { schema: usualSlug("vc2-1c-1gb"), shownAs: "size", is: "a plan that the region has (`GET /v2/plans`)" },
	region: { schema: usualSlug("ewr"), is: "`GET /v2/regions` lists them" },
	places: placesSetting,
	os_id: {
		schema: z
			.string(osId)
			.regex(/^[1-9]\d{0,8}$/, osId)
			.transform(Number)
			.default(2284),
		is: "the number of an operating system (`GET /v2/os`); it must have cloud-init and Python 3.8. 2284 is Ubuntu 24.04",
	},
	api_url: { schema: apiUrl("https://api.vultr.com"), isAddress: true, is: "another address of that API" },
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type VultrAccount = Values<typeof settings>;
