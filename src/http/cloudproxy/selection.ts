import { z } from "zod";
import { isSelected, type Selection, selectFrom } from "../../read-model/select.ts";
import type { Snapshot } from "../../read-model/snapshot.ts";
import type { Config } from "../../settings/environment.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { NotFound, ServiceUnavailable, ValidationError } from "../base/errors.ts";

const STARTING_RETRY_SECONDS = 5;
const MAX_TEXT_CHARS = 200;
const TEXT_RULE = `must be 1 to ${MAX_TEXT_CHARS} characters`;

// No `example` in these: the documentation page would fill each of them in, and they all narrow.
const text = (description: string) =>
	z.string({ error: TEXT_RULE }).min(1, { error: TEXT_RULE }).max(MAX_TEXT_CHARS, { error: TEXT_RULE }).optional().openapi({ description });

/** What narrows the ready proxies down, for the query of a route. */
export const selectionQuery = {
	provider: text("Only proxies of this provider, such as `digitalocean`."),
	instance: text("Only proxies of instances of this name, such as `default`."),
	region: text("Only proxies of instances in this region (zone, location), as /providers shows it, such as `lon1`."),
	exclude: z
		.string({ error: "must be addresses, comma-separated" })
		.optional()
		.openapi({ description: "Addresses that are not wanted, comma-separated, such as `192.0.2.1,192.0.2.2`." }),
	session: text(
		"Any text of yours, such as `customer-42`: the same text gets the same proxy for as long as that is ready, and when proxies come or go only the sessions of those move.",
	),
};
const Query = z.object(selectionQuery);

/** What a request's query selects. Throws ValidationError. */
export function selectionOf(query: z.infer<typeof Query>): Selection {
	const addresses = (query.exclude ?? "").split(",").map((address) => address.trim());
	const wrong = addresses.flatMap((address, index) => (address !== "" && canonicalAddress(address) === null ? [index + 1] : []));
	if (wrong.length > 0) {
		const message = `must be IP addresses, comma-separated: number ${wrong.join(", ")} is none`;
		throw new ValidationError(`exclude ${message}.`, [{ section: "query", field: "exclude", message }]);
	}
	const exclude = new Set(addresses.flatMap((address) => canonicalAddress(address) ?? []));
	return {
		provider: query.provider?.toLowerCase() ?? null,
		instance: query.instance?.toLowerCase() ?? null,
		region: query.region ?? null,
		exclude,
		session: query.session ?? null,
	};
}

/** What to answer where nothing that was asked for is ready: that it may be soon, or that there is none. */
export function nothingReady(config: Config, snapshot: Snapshot, wanted: Selection): ServiceUnavailable | NotFound {
	return isStarting(config, snapshot, wanted)
		? new ServiceUnavailable("The pools are starting; no proxy is ready yet.", STARTING_RETRY_SECONDS)
		: new NotFound("No proxies available");
}

/** Whether a pool that is to run has never read its provider's inventory, or is yet to be made. A suspended one does not start. */
function isStarting(config: Config, snapshot: Snapshot, wanted: Selection): boolean {
	const isHeldBack = (provider: string, name: string) =>
		config.pools.some((pool) => pool.provider === provider && pool.name === name && (!pool.enabled || pool.problem !== null));
	const isPublished = (provider: string, name: string) =>
		snapshot.pools.some((pool) => pool.provider === provider && pool.name === name && pool.summary !== null);
	return (
		config.pools.some(
			(pool) =>
				pool.enabled &&
				pool.problem === null &&
				!isPublished(pool.provider, pool.name) &&
				isSelected({ provider: pool.provider, name: pool.name, region: pool.shown.region }, wanted),
		) ||
		selectFrom(snapshot, { ...wanted, exclude: new Set() }).pools.some(
			(pool) => !isHeldBack(pool.provider, pool.name) && (!pool.summary || (pool.summary.run === "running" && !pool.summary.reconciled)),
		)
	);
}
