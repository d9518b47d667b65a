import { type Place, placeBreaker, placeKey } from "../../src/core/model/places.ts";
import type { Id, Ms, Proxy, State } from "../../src/core/model/state.ts";
import type { Host } from "./host.ts";
import type { Changes } from "./record.ts";
import { SECOND } from "./scenario.ts";
import type { World } from "./world.ts";

/** The shortest pause after a place was sold out; an operator's start, or a setting that changes, ends it. */
const LEAST_PAUSE_MS = 4 * SECOND;

/** What a pool was told of one place, kept apart from what it believes. */
interface Told {
	/** Of the last refusal for want of room, and how many there were since the last create that was done. */
	refusedAt: Ms;
	refusals: number;
	/** When the first refusal of the last incident was known. */
	incidentAt: Ms;
	/** Intents whose creates went out after it and are not answered. */
	readonly underway: Set<Id>;
}

/**
 * Promise 19: no create goes to a place that is closed or has as many as it may, one at a time asks whether there is room again, no intent has
 * creates in two places, and where proxies are spread evenly each goes where the fewest are and leaves where the most are.
 */
export class PlaceWatch {
	private readonly world: World;
	private readonly broken: (message: string) => void;
	private readonly told = new Map<string, Told>();
	private readonly sentTo = new Map<Id, string>();
	private readonly sentAt = new Map<Id, Ms>();
	private readonly mendedAt = new Map<string, Ms>();
	/** How far the fullest place of an even pool was ahead of the emptiest at the most, once it had all that it should: in what is meant to stay, and in what is ready. */
	readonly widest = { kept: 0, ready: 0 };
	private readonly wasFull = new Set<string>();

	constructor(world: World, broken: (message: string) => void) {
		this.world = world;
		this.broken = broken;
	}

	/** Something may have mended the cause: each place may be tried at once. */
	mended(host: Host): void {
		this.mendedAt.set(host.object, this.world.clock.now);
	}

	creating(host: Host, state: State, id: Id): void {
		const place = state.proxies.get(id)?.place ?? null;
		const key = placeKey(place);
		const { maxPerPlace } = state.spec;
		const there = [...state.proxies.values()].filter((proxy) => placeKey(proxy.place) === key).length;
		if (maxPerPlace !== null && there > maxPerPlace)
			this.broken(`the create of ${id} makes ${there} in ${key}, which may have ${maxPerPlace}`);
		const first = this.sentTo.get(id);
		if (first !== undefined && first !== key) this.broken(`the create of ${id} went to ${first}, and goes to ${key}`);
		this.sentTo.set(id, key);
		this.sentAt.set(id, this.world.clock.now);
		const told = this.of(host, place);
		if (told.refusals === 0) return;
		const sinceMs = this.world.clock.now - told.refusedAt;
		const isMended = (this.mendedAt.get(host.object) ?? Number.NEGATIVE_INFINITY) >= told.refusedAt;
		// A create that was lost is sent once more whatever has become of its place: it is the first one's answer that is asked for.
		const isRepeat = first !== undefined;
		if (sinceMs < LEAST_PAUSE_MS && !isMended && !isRepeat) this.broken(`the create of ${id} goes to ${key}, sold out ${sinceMs} ms ago`);
		for (const other of told.underway) {
			const phase = state.proxies.get(other)?.phase;
			if (phase?.at !== "launching" || phase.sentAt === null) told.underway.delete(other);
		}
		if (told.underway.size > 0 && !told.underway.has(id) && !isRepeat)
			this.broken(`the create of ${id} goes to ${key}, which another one is trying`);
		told.underway.add(id);
	}

	/** A create's answer was applied; null: it was done. */
	answered(host: Host, place: Place | null, id: Id, kind: string | null): void {
		const told = this.of(host, place);
		told.underway.delete(id);
		if (kind === null) Object.assign(told, { refusals: 0 });
		else if (kind === "capacity" || kind === "quota" || kind === "invalid") {
			// What went out before the first of them was known, or in the same instant, is one incident with it. What was done meanwhile ends one.
			const isOther = (this.sentAt.get(id) ?? 0) > told.incidentAt;
			if (isOther) told.refusedAt = this.world.clock.now;
			if (isOther || told.refusals === 0) told.incidentAt = this.world.clock.now;
			told.refusals++;
		}
	}

	/** A pool's proxies changed. */
	committed(host: Host, before: State, after: State, changes: Changes): void {
		const { spec, target } = after;
		if (spec.spread !== "even" || spec.places.length < 2 || before.spec !== after.spec) return;
		const keys = spec.places.map(placeKey);
		const counts = countsOf(after, isKept);
		const ready = countsOf(after, ({ phase }) => phase.at === "ready");
		if (ready.size > 0 && [...ready.values()].reduce((sum, size) => sum + size) >= target) this.wasFull.add(host.object);
		if (this.wasFull.has(host.object)) {
			this.widest.kept = Math.max(this.widest.kept, differenceOf(keys, counts));
			this.widest.ready = Math.max(this.widest.ready, differenceOf(keys, ready));
		}
		this.joining(host, after, counts, changes);
		this.leaving(host, before, after, changes);
	}

	/** A new intent goes where the fewest are, of the places that are open. Where a price decides what is open, that is another matter. */
	private joining(host: Host, after: State, counts: ReadonlyMap<string, number>, changes: Changes): void {
		const { spec, money } = after;
		const added = changes.flatMap(([, was, proxy]) => (was === undefined && proxy?.phase.at === "launching" ? [proxy] : []));
		if (added.length === 0 || spec.maxHourlyCost !== null || money.budget !== null) return;
		const isOpen = (place: Place) => {
			const there = [...after.proxies.values()].filter((proxy) => placeKey(proxy.place) === placeKey(place)).length;
			const isRefused = this.of(host, place).refusals > 0 || placeBreaker(after, place).failures > 0;
			return !isRefused && (spec.maxPerPlace === null || there < spec.maxPerPlace);
		};
		const least = Math.min(...spec.places.filter(isOpen).map((place) => counts.get(placeKey(place)) ?? 0));
		for (const { id, place } of added) {
			const there = counts.get(placeKey(place)) ?? 0;
			if (there > least + 1) this.broken(`${id} is the ${there}th in ${placeKey(place)}, where another place that is open has ${least}`);
		}
	}

	/** Of those that are replaced for their age, or for an order, the next to go is where the most are. */
	private leaving(host: Host, before: State, after: State, changes: Changes): void {
		const isReplaced = ({ why }: Proxy) => why === "rolled by an operator" || why === "older than the age limit";
		const going = changes.flatMap(([, was, proxy]) =>
			was !== undefined && isKept(was) && (proxy === undefined || !isKept(proxy)) ? [was] : [],
		);
		const replaced = going.filter(({ id, phase }) => {
			const now = after.proxies.get(id);
			return phase.at === "ready" && now?.phase.at === "draining" && isReplaced(now);
		});
		// What goes for another reason at the same moment may go first or last.
		if (replaced.length === 0 || replaced.length < going.length) return;
		const left = countsOf(before, (proxy) => isKept(proxy) && !going.includes(proxy));
		const isNext = ({ id, phase, isRolled, createdAt }: Proxy) =>
			phase.at === "ready" &&
			after.proxies.get(id)?.phase.at === "ready" &&
			(isRolled || (after.spec.ageLimitSeconds > 0 && host.now() >= createdAt + after.spec.ageLimitSeconds * SECOND));
		const listed = new Set(after.spec.places.map(placeKey));
		const others = new Set([...before.proxies.values()].filter(isNext).map(({ place }) => placeKey(place)));
		for (const { id, place } of replaced) {
			const key = placeKey(place);
			if (!listed.has(key)) continue;
			for (const other of others) {
				const [own, theirs] = [left.get(key) ?? 0, left.get(other) ?? 0];
				if (theirs > own + 1) this.broken(`${id} of ${key} is replaced, which leaves ${own} there and ${theirs} in ${other}`);
			}
		}
	}

	/** An instance is gone with its memory: its calls are answered by nobody. */
	dropped(host: Host): void {
		for (const [key, told] of this.told) if (key.startsWith(`${host.object} `)) told.underway.clear();
	}

	private of(host: Host, place: Place | null): Told {
		const key = `${host.object} ${placeKey(place)}`;
		const told = this.told.get(key) ?? { refusedAt: 0, refusals: 0, incidentAt: 0, underway: new Set() };
		this.told.set(key, told);
		return told;
	}
}

/** Meant to stay; on purpose not the core's own. */
function isKept({ phase }: Proxy): boolean {
	return phase.at !== "draining" && phase.at !== "deleting" && phase.at !== "releasing";
}

/** How many of those that are meant are in each place. */
function countsOf({ proxies }: State, isMeant: (proxy: Proxy) => boolean): ReadonlyMap<string, number> {
	const counts = new Map<string, number>();
	for (const proxy of proxies.values()) {
		const key = placeKey(proxy.place);
		if (isMeant(proxy)) counts.set(key, (counts.get(key) ?? 0) + 1);
	}
	return counts;
}

/** By how many the fullest of these places is ahead of the emptiest. */
function differenceOf(keys: readonly string[], counts: ReadonlyMap<string, number>): number {
	const sizes = keys.map((key) => counts.get(key) ?? 0);
	return Math.max(...sizes) - Math.min(...sizes);
}
