import { z } from "zod";
import { orNull } from "../base/failures.ts";
import { json } from "../base/http.ts";
import type { Retired } from "../base/provider.ts";
import { retiredUnless } from "../base/retired.ts";
import type { Arm } from "./api.ts";
import { imageOf, isArm } from "./machine.ts";
import type { AzureAccount } from "./settings.ts";

/**
 * What a location has no more of size and image.
 *
 * Sizes are those of `vmSizes` (https://learn.microsoft.com/rest/api/compute/virtual-machine-sizes/list), which Azure calls deprecated in favour of the list of
 * SKUs and still answers in each version: that list has some MB on a location, this one some 200 KB, and names are all that is wanted.
 * Images: https://learn.microsoft.com/rest/api/compute/virtual-machine-images. Their answers are plain lists; what is not there is a 404.
 */

const Named = z.object({ name: z.string() });

export async function retiredParts(arm: Arm, account: AzureAccount): Promise<readonly Retired[]> {
	const { subscription_id, location, size } = account;
	const here = `/subscriptions/${subscription_id}/providers/Microsoft.Compute/locations/${encodeURIComponent(location)}`;
	const sizes = (await arm.all("compute", `${here}/vmSizes`, Named)).map(({ name }) => name);
	// Azure does not tell capitals apart.
	const asAzureHasIt = sizes.find((name) => name.toLowerCase() === size.toLowerCase()) ?? size;
	return [...retiredUnless("size", asAzureHasIt, sizes), ...(await retiredImage(arm, here, account))];
}

async function retiredImage(arm: Arm, here: string, account: AzureAccount): Promise<readonly Retired[]> {
	const image = imageOf(account);
	const [publisher = "", offer = "", sku = "", version = ""] = image.split(":");
	const of = `${here}/publishers/${publisher}/artifacttypes/vmimage/offers/${offer}/skus`;
	const names = async (path: string) =>
		((await orNull(arm.call("GET", "compute", path, json(z.array(Named))))) ?? []).map(({ name }) => name);
	const isThere = version === "latest" ? "?$top=1" : "";
	const versions = await names(`${of}/${sku}/versions${isThere}`);
	if (version === "latest" ? versions.length > 0 : versions.includes(version)) return [];
	// Of the other processor none is of use, and Canonical's say so in their names.
	const isFit = (name: string) => name !== sku && /arm64/i.test(name) === isArm(account.size);
	const others =
		versions.length > 0
			? versions.map((last) => `${publisher}:${offer}:${sku}:${last}`)
			: (await names(of)).filter(isFit).map((name) => `${publisher}:${offer}:${name}:latest`);
	return retiredUnless("image", image, others);
}
