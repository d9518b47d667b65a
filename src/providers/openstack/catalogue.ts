import { z } from "zod";
import { orNull } from "../base/failures.ts";
import { json } from "../base/http.ts";
import { Once } from "../base/once.ts";
import { type ProviderContext, ProviderError, type Retired } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { keyOf, nova } from "./session.ts";
import type { OpenStackAccount } from "./settings.ts";

/** What settings call by name or id, looked up: flavors, images, networks. */

const NAMES_MS = 3_600_000;
const names = new Once<string>((_, ageMs) => ageMs < NAMES_MS);
const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

const Named = z.object({ id: z.string(), name: z.string().nullish(), created_at: z.string().nullish() });
type Named = z.infer<typeof Named>;
const Flavor = Named.extend({ "OS-FLV-DISABLED:disabled": z.boolean().nullish() });

const keyFor = (account: OpenStackAccount, what: string, name: string) => JSON.stringify([keyOf(account), account.region, what, name]);

/** The id of the account's flavor. Throws `invalid` where there is none of that name or id. */
export function flavorId(context: ProviderContext, account: OpenStackAccount, compute: Rest): Promise<string> {
	return names.ensure(context, keyFor(account, "flavor", account.size), "", async () =>
		one("flavor", account.size, await compute.all("/flavors/detail", "flavors", Named, nova(account))),
	);
}

/** The id of the account's image, of several of that name the newest. */
export function imageId(context: ProviderContext, account: OpenStackAccount, images: Rest): Promise<string> {
	const { image } = account;
	if (UUID.test(image)) return Promise.resolve(image);
	const list = `/images?name=${encodeURIComponent(image)}&status=active`;
	return names.ensure(context, keyFor(account, "image", image), "", async () =>
		one("image", image, await images.all(list, "images", Named)),
	);
}

/** The id of a network. */
export function networkId(context: ProviderContext, account: OpenStackAccount, network: Rest, name: string): Promise<string> {
	if (UUID.test(name)) return Promise.resolve(name);
	const list = `/networks?name=${encodeURIComponent(name)}`;
	return names.ensure(context, keyFor(account, "network", name), "", async () =>
		one("network", name, await network.all(list, "networks", Named)),
	);
}

/**
 * What there is no more of flavor and image. A flavor that is disabled is shown, and no server can be made of it:
 * https://docs.openstack.org/api-ref/compute/#flavors (`OS-FLV-DISABLED:disabled`)
 */
export async function retiredNames(account: OpenStackAccount, compute: Rest, images: Rest): Promise<readonly Retired[]> {
	const { size, image } = account;
	const flavors = (await compute.all("/flavors/detail", "flavors", Flavor, nova(account))).filter(
		(each) => each["OS-FLV-DISABLED:disabled"] !== true,
	);
	const isId = flavors.some(({ id }) => id === size);
	return [...(isId ? [] : retiredUnless("size", size, namesOf(flavors))), ...(await retiredImage(image, images))];
}

async function retiredImage(image: string, images: Rest): Promise<readonly Retired[]> {
	if (UUID.test(image)) {
		const found = await orNull(images.call("GET", `/images/${image}`, json(Named)));
		return found === null ? [{ what: "image", name: image, nearest: null }] : [];
	}
	const there = await images.all(`/images?name=${encodeURIComponent(image)}&status=active`, "images", Named);
	return there.length > 0 ? [] : retiredUnless("image", image, namesOf(await images.all("/images?status=active", "images", Named)));
}

const namesOf = (all: readonly Named[]) => all.flatMap(({ name }) => name ?? []);

/** A create said that something does not exist: the next one looks all of it up anew. */
export function forgetNames(account: OpenStackAccount): void {
	const named = { flavor: account.size, image: account.image, network: account.network, floating: account.floating_network };
	for (const [what, name] of Object.entries(named)) {
		if (name !== null) names.drop(keyFor(account, what === "floating" ? "network" : what, name));
	}
}

function one(what: string, name: string, all: readonly Named[]): string {
	const byName = all.filter((each) => each.name === name).sort((a, b) => ((a.created_at ?? "") < (b.created_at ?? "") ? 1 : -1));
	const found = all.find(({ id }) => id === name) ?? byName[0];
	if (found !== undefined) return found.id;
	throw new ProviderError({ kind: "invalid", message: `OpenStack: there is no ${what} ${name}` });
}
