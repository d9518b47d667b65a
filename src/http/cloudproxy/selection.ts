import { z } from "zod";
import { COUNTRIES, isRegion, PROVIDER_NAMES } from "../../providers/index.ts";
import {
	coolestOf,
	isSelected,
	type Selection,
	SOURCES,
	type Source,
	selectFrom,
	type Whereabouts,
	whereaboutsOf,
} from "../../read-model/select.ts";
import type { PublishedPool, Snapshot } from "../../read-model/snapshot.ts";
import type { Config } from "../../settings/environment.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { normaliseHost } from "../../values/hosts.ts";
import { invalidQuery, NotFound, ServiceUnavailable } from "../base/errors.ts";

const STARTING_RETRY_SECONDS = 5;
const MAX_TEXT_CHARS = 200;
const TEXT_RULE = `must be 1 to ${MAX_TEXT_CHARS} characters`;

// No `example` in these: the documentation page would fill each of them in, and they all narrow.
const text = (description: string) =>
	z.string({ error: TEXT_RULE }).min(1, { error: TEXT_RULE }).max(MAX_TEXT_CHARS, { error: TEXT_RULE }).optional().openapi({ description });

/** What narrows the ready proxies down, for the query of a route. Names are found however they are written. */
export const selectionQuery = {
	provider: text("Only proxies of this provider, such as `digitalocean`, or of these, comma-separated."),
	instance: text("Only proxies of instances of this name, such as `default`, or of these, comma-separated."),
	region: text("Only proxies in this region (zone, location), as /providers shows it, such as `lon1`, or in these, comma-separated."),
	country: text("Only proxies in this country (ISO 3166-1 alpha-2), such as `de`, or in these, comma-separated."),
	source: text("`own`: only proxies that Muster runs; `static`: only those that others run."),
	exclude: z
		.string({ error: "must be addresses, comma-separated" })
		.optional()
		.openapi({ description: "Addresses that are not wanted, comma-separated, such as `192.0.2.1,192.0.2.2`." }),
	host: text(
		"The site that you want to reach, such as `example.com`: proxies that it has banned (`POST /report`) are left out while they cool down.",
	),
	session: text(
		"Any text of yours, such as `customer-42`: the same text gets the same proxy for as long as that is ready, and when proxies come or go only the sessions of those move.",
	),
};
const Query = z.object(selectionQuery);

/** What a request's query selects. Throws ValidationError. */
export function selectionOf(query: z.infer<typeof Query>): Selection {
	return {
		providers: namesIn(query.provider, "provider"),
		instances: namesIn(query.instance, "instance"),
		regions: namesIn(query.region, "region"),
		countries: namesIn(query.country, "country"),
		sources: sourcesIn(query.source),
		exclude: addressesIn(query.exclude ?? ""),
		host: hostIn(query.host),
		session: query.session ?? null,
	};
}

function namesIn(given: string | undefined, field: string): ReadonlySet<string> | null {
	if (given === undefined) return null;
	const names = listed(given.toLowerCase());
	if (names.length === 0) throw invalidQuery(field, "must name at least one");
	return new Set(names);
}

function hostIn(given: string | undefined): string | null {
	const host = given === undefined ? null : normaliseHost(given);
	if (host === null && given !== undefined) throw invalidQuery("host", "must be a host name or an address");
	return host;
}

function sourcesIn(given: string | undefined): ReadonlySet<Source> | null {
	const names = namesIn(given, "source");
	if (names === null) return null;
	const sources = SOURCES.filter((source) => names.has(source));
	if (sources.length < names.size) throw invalidQuery("source", `must be one of ${SOURCES.join(", ")}`);
	return new Set(sources);
}

function addressesIn(given: string): ReadonlySet<string> {
	const addresses = given.split(",").map((address) => address.trim());
	const wrong = addresses.flatMap((address, index) => (address !== "" && canonicalAddress(address) === null ? [index + 1] : []));
	if (wrong.length > 0) throw invalidQuery("exclude", `must be IP addresses, comma-separated: number ${wrong.join(", ")} is none`);
	return new Set(addresses.flatMap((address) => canonicalAddress(address) ?? []));
}

function listed(given: string): readonly string[] {
	return given
		.split(",")
		.map((one) => one.trim())
		.filter((one) => one !== "");
}

/**
 * Refuses names that nothing has: of a provider or region that no cloud has, of an instance that is not there, of a country in which no cloud has
 * a region. Throws ValidationError, which says what there is.
 */
export function requireKnown(config: Config, snapshot: Snapshot, wanted: Selection): void {
	const places = placesIn(config, snapshot);
	const known = (values: readonly unknown[]) => [...new Set(values.flatMap((value) => (typeof value === "string" ? [value] : [])))].sort();
	const regions = known(places.flatMap(({ regions: all }) => all));
	const instances = known(places.map(({ name }) => name));
	const isAmong = (names: readonly string[], wantedName: string) => names.some((name) => name.toLowerCase() === wantedName);
	refuse("provider", wanted.providers, (name) => Object.hasOwn(PROVIDER_NAMES, name), Object.keys(PROVIDER_NAMES));
	refuse("instance", wanted.instances, (name) => isAmong(instances, name), instances);
	refuse("region", wanted.regions, (name) => isAmong(regions, name) || isRegion(name), regions);
	const told = () => (wanted.countries === null ? [] : places.flatMap((place) => place.countries?.() ?? []));
	const countries = new Set([...COUNTRIES, ...told()]);
	refuse("country", wanted.countries, (code) => countries.has(code), [...countries].sort());
}

function refuse(field: string, wanted: ReadonlySet<string> | null, isKnown: (name: string) => boolean, known: readonly string[]): void {
	const unknown = [...(wanted ?? [])].filter((name) => !isKnown(name));
	if (unknown.length === 0) return;
	const there = known.length === 0 ? "there are none yet" : `known are ${known.join(", ")}`;
	throw invalidQuery(field, `${JSON.stringify(unknown.join(", "))} is unknown; ${there}`);
}

/** Of pools that have published something, and of those that are yet to be made. */
function placesIn(config: Config, snapshot: Snapshot): readonly Whereabouts[] {
	const enabled = config.pools.filter((pool) => pool.enabled);
	return [...snapshot.pools.map(whereaboutsOf), ...enabled.map(whereaboutsIn)];
}

function whereaboutsIn({ provider, name, settings }: Config["pools"][number]): Whereabouts {
	return { provider, name, regions: settings.spec.places.map(({ region }) => region) };
}

/** What to answer where nothing that was asked for is ready: that it may be soon, or that there is none, and why. */
export function nothingReady(config: Config, snapshot: Snapshot, wanted: Selection, now: number): ServiceUnavailable | NotFound {
	const { host } = wanted;
	const coolest = host === null ? null : coolestOf(selectFrom(snapshot, { ...wanted, host: null }, now), host);
	if (coolest !== null) {
		const seconds = Math.max(1, Math.ceil((coolest.until - now) / 1_000));
		const message = `each cools down for ${host}, the first until ${new Date(coolest.until).toISOString()} (${seconds} s)`;
		return new NotFound(`No proxies available: ${message}. With fallback=least you get that one.`, seconds);
	}
	return isStarting(config, snapshot, wanted, now)
		? new ServiceUnavailable("The pools are starting; no proxy is ready yet.", STARTING_RETRY_SECONDS)
		: new NotFound(`No proxies available${whyNone(snapshot, wanted, now)}`);
}

/** Nothing where there is nothing to say. */
function whyNone(snapshot: Snapshot, wanted: Selection, now: number): string {
	const { pools, readyCount } = selectFrom(snapshot, { ...wanted, exclude: new Set() }, now);
	if (snapshot.pools.length === 0) return "";
	if (pools.length === 0) return `: no instance is of that selection; there are ${snapshot.pools.map(titleOf).join(", ")}`;
	if (readyCount > 0) return ": each that is ready is excluded";
	return `: ${pools.map((pool) => `${titleOf(pool)} ${conditionOf(pool)}`).join(", ")}`;
}

function titleOf({ provider, name, summary }: PublishedPool): string {
	const region = summary?.settings.region;
	return `${provider}/${name}${region ? ` (${region})` : ""}`;
}

function conditionOf({ summary }: PublishedPool): string {
	if (summary === null) return "has not run yet";
	if (summary.isSuspended) return "is suspended";
	if (summary.leased) return "has no proxy ready that is not leased";
	if (summary.run !== "running") return `is ${summary.run}`;
	return Math.max(summary.min, summary.target) === 0 ? "keeps no proxies" : "has no proxy ready";
}

/** Whether a pool that is to run has never read its provider's inventory, or is yet to be made. A suspended one does not start. */
function isStarting(config: Config, snapshot: Snapshot, wanted: Selection, now: number): boolean {
	const isHeldBack = (provider: string, name: string) =>
		config.pools.some((pool) => pool.provider === provider && pool.name === name && (!pool.enabled || pool.problem !== null));
	const isPublished = (provider: string, name: string) =>
		snapshot.pools.some((pool) => pool.provider === provider && pool.name === name && pool.summary !== null);
	return (
		config.pools.some(
			(pool) => pool.enabled && pool.problem === null && !isPublished(pool.provider, pool.name) && isSelected(whereaboutsIn(pool), wanted),
		) ||
		selectFrom(snapshot, { ...wanted, exclude: new Set() }, now).pools.some(
			(pool) => !isHeldBack(pool.provider, pool.name) && (!pool.summary || (pool.summary.run === "running" && !pool.summary.reconciled)),
		)
	);
}
