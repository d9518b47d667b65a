import { type Call, json } from "./dialect.ts";
import { invalid, refuse } from "./scaleway-answers.ts";
import { IMAGES, TYPES, ZONES } from "./scaleway-catalogue.ts";

/**
 * The marketplace's API v2 (https://www.scaleway.com/en/developers/api/marketplace/): which images labels stand for, and where. Its lists have `page_size` and
 * state their total in the answer.
 */
export function answerMarketplace(call: Call): Response {
	if (call.method !== "GET") return refuse(404, "unknown_resource", "Resource not found");
	const { query } = call;
	const arch = query.get("arch");
	const fits = (image: { readonly arch: string }) => arch === null || image.arch === arch;
	switch (call.path) {
		case "/marketplace/v2/images": {
			const labels = [...new Set(IMAGES.filter(fits).map(({ label }) => label))];
			return page(call, "images", labels.map(shown));
		}
		case "/marketplace/v2/local-images": {
			const zone = query.get("zone");
			if (zone !== null && !(ZONES as readonly string[]).includes(zone)) return invalid("zone", `${zone} is not a valid zone`);
			const type = query.get("type");
			const label = query.get("image_label");
			const images = IMAGES.filter((image) => fits(image) && (label === null || image.label === label));
			const local = images.flatMap((image) =>
				(zone === null ? ZONES : [zone]).flatMap((each) =>
					(["instance_local", "instance_sbs"] as const)
						.filter((kind) => type === null || kind === type)
						.map((kind) => localImage(image, each, kind)),
				),
			);
			return page(call, "local_images", local);
		}
		default:
			return refuse(404, "unknown_resource", "Resource not found");
	}
}

const AT = "2025-06-02T09:00:00Z";

function shown(label: string): object {
	const image = IMAGES.find((each) => each.label === label);
	return {
		id: image?.id.replace(/^4dc9e3a2/, "5ca1ab1e"),
		name: image?.name,
		description: image?.name,
		logo: "",
		categories: ["distribution"],
		created_at: AT,
		updated_at: AT,
		valid_until: null,
		label,
	};
}

const localImage = ({ id, label, arch }: (typeof IMAGES)[number], zone: string, type: string): object => ({
	id,
	compatible_commercial_types: Object.keys(TYPES).filter((name) => TYPES[name]?.arch === arch),
	arch,
	zone,
	label,
	type,
});

function page(call: Call, key: string, items: readonly object[]): Response {
	const size = Number(call.query.get("page_size") ?? 50);
	if (!Number.isInteger(size) || size < 1 || size > 100) return invalid("page_size", "must be between 1 and 100");
	const from = (Number(call.query.get("page") ?? 1) - 1) * size;
	return json(200, { [key]: items.slice(from, from + size), total_count: items.length });
}
