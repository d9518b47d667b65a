import { z } from "zod";
import { flag } from "../../values/kinds.ts";
import type { Values } from "../../values/setting.ts";
import { type AccountTable, schemaOf } from "../base/account.ts";
import { secret, slug, statedPrice, usualSlug, webAddress } from "../base/fields.ts";
import { placesSetting } from "../base/places.ts";

/** A name or an id, as clouds choose them: one line. */
const named = (example: string) => {
	const must = `a name or an id such as ${example}`;
	return z.string(must).regex(/^[^\p{C}]{1,255}$/u, must);
};
const optional = (example: string) => named(example).nullable().default(null);
const microversionMust = "a microversion of Nova from 2.52 on, such as 2.52";
const gigabytesMust = "whole gigabytes, 1 to 1000";
const currencyMust = "a currency's code, such as EUR";

export const settings = {
	auth_url: {
		schema: webAddress("https://auth.example.org/v3"),
		isAddress: true,
		alsoSpelt: ["api_url"],
		is: "the address of the identity service (`OS_AUTH_URL`); the others' are in its catalogue",
	},
	application_credential_id: {
		schema: slug("21dced0fd20347869b93710d2b98aae0").nullable().default(null),
		isRecipient: true,
		isHidden: true,
		is: "an application credential's id",
	},
	application_credential_secret: {
		schema: secret("that application credential's secret").nullable().default(null),
		isSecret: true,
		is: "its secret",
	},
	username: { schema: optional("muster"), isRecipient: true, isHidden: true, is: "instead of an application credential: a user's name" },
	password: {
		schema: z
			.string("that user's password")
			.regex(/^[^\p{C}]{1,4096}$/u, "that user's password")
			.nullable()
			.default(null),
		isSecret: true,
		is: "that user's password",
	},
	project: { schema: optional("5b2f…"), isHidden: true, is: "the project's id or name, where a user signs in" },
	domain: { schema: named("Default").default("Default"), isHidden: true, is: "the name of the domain of user and project" },
	region: { schema: usualSlug("RegionOne"), is: "a region of the catalogue" },
	size: { schema: named("d2-2"), alsoSpelt: ["flavor"], is: "a flavor's name or id" },
	places: placesSetting,
	image: { schema: named("Ubuntu 24.04").default("Ubuntu 24.04"), is: "an image's name or id; it must have cloud-init and Python 3.8" },
	network: {
		schema: optional("Ext-Net"),
		usually: "the project's only network",
		is: "the name or id of the network that VMs join",
	},
	floating_network: {
		schema: optional("public"),
		is: "where VMs have no public address of their own: the name or id of the external network that a floating IP of each is taken from",
	},
	availability_zone: { schema: optional("nova"), is: "an availability zone" },
	volume_gb: {
		schema: z
			.string(gigabytesMust)
			.regex(/^([1-9]\d{0,2}|1000)$/, gigabytesMust)
			.transform(Number)
			.nullable()
			.default(null),
		is: "boot from a volume of so many gigabytes, as flavors without a disk must",
	},
	config_drive: { schema: flag(false), is: "`True`: user data come on a drive, where VMs reach no metadata service" },
	microversion: {
		schema: z
			.string(microversionMust)
			.regex(/^2\.(5[2-9]|[6-9]\d|1\d\d)$/, microversionMust)
			.default("2.52"),
		is: "of Nova's API",
	},
	hourly_price: {
		schema: statedPrice(),
		isHidden: true,
		usually: "not known",
		is: "what one VM costs an hour with its address: OpenStack shows no prices",
	},
	currency: {
		schema: z
			.string(currencyMust)
			.regex(/^[A-Z]{3}$/, currencyMust)
			.default("USD"),
		isHidden: true,
		is: "the currency of that price",
	},
} satisfies AccountTable;

export const schema = schemaOf(settings);
export type OpenStackAccount = Values<typeof settings>;
