import { z } from "zod";
import { flag } from "../../values/kinds.ts";
import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { apiUrl, secret, slug, statedPrice, usualSlug, uuid } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

/** What a resource group's name can have. */
export const GROUP = /^[\w.()-]{0,89}[\w()-]$/;

const guid = (what: string) => uuid(`the ${what} id, such as 00000000-0000-0000-0000-000000000000`);

function resourceGroup(usual: string) {
	const must = `a resource group's name such as ${usual}`;
	return z.string(must).regex(GROUP, must).default(usual);
}

function image() {
	const must = "publisher:offer:sku:version, such as Canonical:ubuntu-24_04-lts:server:latest";
	return z.string(must).regex(/^[\w.-]{1,80}(:[\w.-]{1,80}){3}$/, must);
}

export const settings = {
	subscription_id: { schema: guid("subscription"), isHidden: true, is: "the subscription" },
	tenant_id: { schema: slug("00000000-0000-0000-0000-000000000000"), isHidden: true, isRecipient: true, is: "the directory" },
	client_id: { schema: guid("application (client)"), isHidden: true, isRecipient: true, is: "the application" },
	client_secret: { schema: secret("a client secret of that application"), isSecret: true, is: "the application's client secret" },
	resource_group: { schema: resourceGroup("cloudproxy-rg"), is: "where everything is made" },
	size: { schema: usualSlug("Standard_B1s"), is: "a VM size that the location has, x86 or Arm" },
	location: { schema: slug("eastus").toLowerCase().default("eastus"), shownAs: "region", is: "a region of Azure's" },
	places: placesSetting,
	image: {
		schema: image().nullable().default(null),
		usually: "`Canonical:ubuntu-24_04-lts:server:latest`, for Arm sizes (`Standard_B2pts_v2`) `…:server-arm64:…`",
		is: "an image as `publisher:offer:sku:version`; it must have cloud-init and Python 3.8",
	},
	spot: {
		schema: flag(false),
		is: "`True`: launch spot VMs, at any price up to the usual one. Burstable sizes (`Standard_B…`) cannot be spot",
	},
	hourly_price: {
		schema: statedPrice(),
		isHidden: true,
		usually: "from a table of September 2025, for the smallest sizes",
		is: "what one VM costs an hour with its address and disk, in US dollars",
	},
	api_url: {
		schema: apiUrl("https://management.azure.com"),
		isAddress: true,
		is: "another address of that API: for the US government's cloud `https://management.usgovcloudapi.net`, for China's `https://management.chinacloudapi.cn`",
	},
	login_url: {
		schema: apiUrl("https://login.microsoftonline.com"),
		isAddress: true,
		is: "another address of the sign-in: for the US government's cloud `https://login.microsoftonline.us`, for China's `https://login.chinacloudapi.cn`",
	},
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type AzureAccount = Values<typeof settings>;
