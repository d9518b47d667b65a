import { type Place, placeKey } from "../../src/core/model/places.ts";
import type { Id, Ms, State } from "../../src/core/model/state.ts";
import type { Host } from "./host.ts";
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

/** Promise 19: no create goes to a place that is closed or has as many as it may, one at a time asks whether there is room again, and no intent has creates in two places. */
export class PlaceWatch {
	private readonly world: World;
	private readonly broken: (message: string) => void;
	private readonly told = new Map<string, Told>();
	private readonly sentTo = new Map<Id, string>();
	private readonly sentAt = new Map<Id, Ms>();
	private readonly mendedAt = new Map<string, Ms>();

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
