import { z } from "zod";
import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { apiUrl, secret, usualSlug } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

const imageMust = "an image such as linode/ubuntu24.04, or private/12345 for one of your own";
const generationMust = "legacy_config or linode";

export const settings = {
	access_token: {
		schema: secret("a personal access token with linodes:read_write, firewall:read_write and images:read_only"),
		isSecret: true,
		alsoSpelt: ["api_token", "token"],
		is: "a personal access token, of a user without restrictions: others may not tag",
	},
	size: { schema: usualSlug("g6-nanode-1"), alsoSpelt: ["type"], is: "a type of Linode (`GET /v4/linode/types`)" },
	region: { schema: usualSlug("us-ord"), is: "a region with the capability *Metadata* (`GET /v4/regions`)" },
	places: placesSetting,
	image: {
		schema: z
			.string(imageMust)
			.regex(/^(linode|private|shared)\/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, imageMust)
			.default("linode/ubuntu24.04"),
		is: "an image with the capability *cloud-init*; it must have Python 3.8",
	},
	interface_generation: {
		schema: z.enum(["legacy_config", "linode"], generationMust).default("legacy_config"),
		is: "how the VM's network is made: `linode` where the account allows Linode interfaces alone",
	},
	api_url: { schema: apiUrl("https://api.linode.com"), isAddress: true, is: "another address of that API" },
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type LinodeAccount = Values<typeof settings>;
