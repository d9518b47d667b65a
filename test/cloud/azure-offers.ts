import { refuse } from "./azure-answers.ts";
import { IMAGES, isSame, LOCATIONS, SIZES } from "./azure-catalogue.ts";
import { type Call, json } from "./dialect.ts";

/**
 * What a location has: sizes (https://learn.microsoft.com/rest/api/compute/virtual-machine-sizes/list) and images, as publishers, offers, SKUs and
 * versions (https://learn.microsoft.com/rest/api/compute/virtual-machine-images), whose lists are plain arrays.
 */
export function answerCatalogue(call: Call, subscription: string, location: string, below: string): Response {
	if (!LOCATIONS.some((each) => isSame(each, location))) {
		const sentence = `The provided location '${location}' is not available for resource group. List of available regions is '${LOCATIONS.join(",")}'.`;
		return refuse(400, "LocationNotAvailableForResourceType", sentence);
	}
	if (isSame(below, "vmSizes")) return json(200, { value: Object.keys(SIZES).map(size) });
	const [, path] = /^publishers(?:\/(.+))?$/i.exec(below) ?? [];
	const [publisher, , , , offer, , sku, , version] = /^publishers/i.test(below) ? (path ?? "").split("/").map(decodeURIComponent) : [];
	const names = path?.split("/").filter((_, index) => [1, 2, 3, 5, 7].includes(index)) ?? [];
	const EXPECTED = ["artifacttypes", "vmimage", "offers", "skus", "versions"];
	if (!/^publishers/i.test(below) || names.some((name, index) => !isSame(name, EXPECTED[index] ?? "")))
		return refuse(404, "InvalidResourceType", `The resource type could not be found: ${below}.`);
	const wanted = [publisher || undefined, offer, sku].filter((part) => part !== undefined);
	const there = Object.keys(IMAGES)
		.map((urn) => urn.split(":"))
		.filter((parts) => wanted.every((part, index) => isSame(part, parts[index] ?? "")));
	if (there.length === 0) return refuse(404, "NotFound", "Artifact: VMImage was not found.");
	const at = `/Subscriptions/${subscription}/Providers/Microsoft.Compute/Locations/${location}/${below}`;
	const shown = (name: string) => ({ location, name, id: `${at}/${name}` });
	if (version !== undefined)
		return VERSIONS.includes(version) ? json(200, shown(version)) : refuse(404, "NotFound", "Artifact: VMImage was not found.");
	const all = sku === undefined ? [...new Set(there.map((parts) => parts[wanted.length] ?? ""))] : VERSIONS;
	return json(200, all.slice(0, Number(call.query.get("$top") ?? all.length)).map(shown));
}

const VERSIONS = ["24.04.202506100", "24.04.202510220"];

const size = (name: string) => ({
	name,
	numberOfCores: 1,
	osDiskSizeInMB: 1_047_552,
	resourceDiskSizeInMB: 4096,
	memoryInMB: 1024,
	maxDataDiskCount: 2,
});
