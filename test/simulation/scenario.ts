import type { Ms, Place, Rolling, Spread } from "../../src/core/model/state.ts";
import { DEMANDS, type DemandAction, type DemandSetup, demandSetup } from "./demand.ts";
import { PROFILES, type ProfileName } from "./profiles.ts";
import { Random } from "./random.ts";

export const SECOND: Ms = 1000;
export const MINUTE: Ms = 60 * SECOND;
export const HOUR: Ms = 60 * MINUTE;
/** After the last fault a pool has so long to converge (`T` of the promises). */
export const CONVERGENCE_MS = 2 * HOUR;
/** And then nothing may change for so long. */
export const QUIET_MS = 1.5 * HOUR;

/** Faults that last: each meets a chance with probability `p` while it lasts. */
export const LASTING = [
	"createAnswerLost",
	"createdTwice",
	"rateLimited",
	"rateLimitedWithoutTime",
	"serverErrors",
	"staleList",
	"truncatedPage",
	"duplicatePage",
	"emptyList",
	"createCut",
	"createFailsLater",
	"deleteIgnored",
	"deleteLocked",
	"undeletable",
	"quota",
	"capacity",
	"invalid",
	"credentialsRefused",
	"slowCalls",
	"slowBoot",
	"neverBoots",
	"registerAnswerLost",
	"heartbeatsLost",
	"probesLost",
	"wrongUrl",
	"agentsCrash",
	"tokensStolen",
	"databaseFails",
	"databaseAmbiguous",
	"databaseOut",
	"alarmLate",
	"alarmTwice",
	"alarmLost",
	"cronOut",
	"badSetting",
	"pricesFail",
	"retagCut",
	"retagRefused",
	"staticsDown",
	"createsHang",
	"linesRefused",
] as const;
export type Lasting = (typeof LASTING)[number];
/** Dealt apart. */
const COMMON = LASTING.filter((what) => what !== "createsHang" && what !== "linesRefused");

/** Faults of an instant. */
export const SUDDEN = [
	"evicted",
	"superseded",
	"clockJump",
	"vmDeleted",
	"vmStopped",
	"addressTaken",
	"agentDies",
	"agentCrashes",
	"forgedRegistration",
	"replayedRegistration",
	"untaggedVm",
	"orphanVm",
	"priceChanges",
] as const;
/** Dealt apart from the others, so that seeds keep the rest of their runs. */
export const APART = ["databaseLost", "databaseAhead", "lineBroken", "lineSilent", "lineDoubled"] as const;
/** What befalls lines. */
const OF_LINES = ["lineBroken", "lineSilent", "lineDoubled", "linesRefused", "superseded"] as const;
export type Sudden = (typeof SUDDEN)[number] | (typeof APART)[number];

/** What an operator may do. */
export const ORDERS = [
	"scale",
	"destroy",
	"restart",
	"drop",
	"pause",
	"stop",
	"start",
	"reconfigure",
	"newBounds",
	"newCredentials",
	"deletePool",
	"recreatePool",
	"adopt",
	"release",
	"removeKeeping",
] as const;
/** Dealt apart, as some faults are. */
export type Order = (typeof ORDERS)[number] | "roll" | "endRoll" | "orderCredentials";

/** One line of a schedule. What it does not need it ignores, so that any line may be dropped when a failing schedule is shrunk. */
export interface Action {
	/** From the start of the run. */
	readonly at: Ms;
	readonly what: Lasting | Sudden | Order | DemandAction;
	readonly forMs: Ms;
	/** Probability with which a lasting fault meets a chance. */
	readonly p: number;
	/** Which pool, of those that exist then. */
	readonly pool: number;
	/** In [0, 1): which proxy, how many, how far. */
	readonly choice: number;
}

export interface PoolSetup {
	readonly name: string;
	/** One made through the API has its settings from its endpoint's configuration, and is deleted with its last name. */
	readonly source: "environment" | "api";
	readonly deployment: string;
	readonly min: number;
	readonly max: number;
	readonly intervalSeconds: number;
	readonly unknownTimeoutSeconds: number;
	readonly unregisteredTimeoutSeconds: number;
	readonly decommissionedTimeoutSeconds: number;
	readonly ageLimitSeconds: number;
	readonly rolling: Rolling;
	readonly canProbe: boolean;
	/** Static backends. */
	readonly statics: number;
	/** What its VMs may cost an hour; null: whatever they cost. */
	readonly maxHourlyCost: number | null;
	/** Null: it keeps its minimum. */
	readonly demand: DemandSetup | null;
	/** Where its VMs may be; none: where its account says. */
	readonly places: readonly Place[];
	readonly spread: Spread;
	readonly maxPerPlace: number | null;
	/** The object of the pool that stands in for it. */
	readonly fallback: string | null;
}

/** While it lasts, creates in that region are told that there is nothing left. */
export interface SoldOut {
	readonly region: string;
	readonly from: Ms;
	/** Infinite: nothing comes back. */
	readonly to: Ms;
}

export interface LineSetup {
	/** Probability with which an object that has nothing to do is put to sleep. */
	readonly sleeps: number;
	/** Characters of a report that are kept with a line; missing: as in production. */
	readonly reportChars?: number;
}

/** A run as data: everything but the random numbers drawn while it runs. */
export interface Scenario {
	readonly seed: number;
	readonly hours: number;
	readonly provider: ProfileName;
	/** VMs that a page of a list holds: small, so that lists have pages. */
	readonly pageSize: number;
	readonly callsAnHour: number;
	/** VMs that the account may have. */
	readonly quota: number;
	readonly pools: readonly PoolSetup[];
	/** What a VM of the usual size costs an hour at first. */
	readonly hourlyPrice: number;
	/** What each deployment may spend; one that is not named, whatever it takes. */
	readonly budgets: Readonly<Record<string, number>>;
	/** What is sold out when, from the start of the run. */
	readonly soldOut: readonly SoldOut[];
	/** Agents hold lines; null: they call. */
	readonly lines: LineSetup | null;
	/** Nobody uses the proxies: what is done to them depends on no client. */
	readonly isUnused?: boolean;
	readonly actions: readonly Action[];
}

export interface ScenarioOptions {
	readonly hours?: number;
	readonly provider?: ProfileName;
	/** Several places in each run, some of them sold out; without it, in some. */
	readonly isPlaced?: boolean;
	/** Bounds on cost in each run; without it, in some. */
	readonly isBounded?: boolean;
	/** Agents hold lines in each run, or in none; without it, in half of them. */
	readonly isLined?: boolean;
	/** No faults, only orders. */
	readonly isFaultless?: boolean;
	/** In each run an operator has all proxies replaced; without it, in some. */
	readonly isRolled?: boolean;
	/** All pools of every run have rules; else those of some. */
	readonly isDemanding?: boolean;
	/** Deals these and no other faults, and plenty of them; an operator's orders may be among them. */
	readonly focus?: readonly (Lasting | Sudden | Order)[];
}

export const faultsEndAt = (scenario: Pick<Scenario, "hours">): Ms => scenario.hours * HOUR - CONVERGENCE_MS - QUIET_MS;

/** The run that a seed stands for. */
export function scenarioOf(seed: number, options: ScenarioOptions = {}): Scenario {
	const random = new Random(`scenario ${seed}`);
	const hours = options.hours ?? 12;
	const drawn = random.pick(Object.keys(PROFILES) as ProfileName[]);
	const provider = options.provider ?? drawn;
	const first = poolSetup(random, "default", "a");
	const pools = [first];
	const money = new Random(`money ${seed}`);
	const isBounded = options.isBounded ?? (money.chance(0.35) && options.isDemanding !== true);
	const drawnPrice = money.pick([0.006, 0.0071, 0.0042, 0.00744]);
	// Drawn apart, so that seeds keep the rest of their runs: some clouds give VMs away for a while.
	const hourlyPrice = isBounded && new Random(`free ${seed}`).chance(0.1) ? 0 : drawnPrice;
	if (isBounded && money.chance(0.5)) pools.push(neighbour(money, "third", "a"));
	// Drawn apart, so that seeds keep the rest of their runs.
	const api = new Random(`api ${seed}`);
	if (api.chance(0.2)) pools.push({ ...neighbour(api, "made", "a"), source: "api" });
	if (random.chance(0.12)) pools.push(neighbour(random, "second", "a"));
	if (random.chance(0.12)) pools.push(neighbour(random, "default", "b"));
	const faulty = { hours };
	const actions: Action[] = [];
	const end = faultsEndAt(faulty);
	// Some runs are calm, so that a single fault shows what it does; others are storms. Half have a theme: a few faults again and again.
	const theme = options.focus ?? (random.chance(0.5) ? Array.from({ length: 3 }, () => kind(random)) : []);
	const faults = options.isFaultless ? 0 : random.pick(options.focus ? [8, 16] : [1, 4, 8, 16, 32]);
	for (let i = 0; i < faults; i++) actions.push(fault(random, end, theme));
	for (let i = random.pick([0, 5, 10, 20]); i > 0; i--) actions.push(order(random, end));
	const lost = new Random(`lost ${seed}`);
	const isLosing = options.focus?.includes("databaseLost") ?? lost.chance(0.15);
	for (let i = options.isFaultless || !isLosing ? 0 : lost.between(1, 3); i > 0; i--)
		actions.push({
			at: lost.between(0, end - MINUTE),
			what: "databaseLost",
			forMs: 0,
			p: 1,
			pool: lost.between(0, 7),
			choice: lost.next(),
		});
	// Races: something else befalls the same proxy a moment later.
	for (const { at, what, pool, choice } of actions.slice()) {
		if (!random.chance(0.4)) continue;
		const next = options.isFaultless || random.chance(0.6) ? order(random, end, what) : fault(random, end, theme);
		const soon = Math.min(end - MINUTE, at + random.between(0, random.pick([2 * SECOND, 20 * SECOND, 3 * MINUTE])));
		actions.push({ ...next, at: soon, pool, choice, forMs: Math.min(next.forMs, end - soon) });
	}
	// As well drawn apart. A storm may hold a roll up until the faults are over.
	const rolls = new Random(`rolls ${seed}`);
	for (let i = rolls.chance(options.isRolled === true ? 1 : 0.2) ? rolls.between(1, 3) : 0; i > 0; i--)
		actions.push({
			at: rolls.between(0, end - MINUTE),
			what: rolls.chance(0.85) ? "roll" : "endRoll",
			forMs: 0,
			p: 1,
			pool: rolls.between(0, 7),
			choice: rolls.next(),
		});
	const credentials = new Random(`credentials ${seed}`);
	const isOrdered = options.focus?.includes("orderCredentials") ?? credentials.chance(0.2);
	for (let i = isOrdered ? credentials.between(1, 4) : 0; i > 0; i--)
		actions.push({
			at: credentials.between(0, end - MINUTE),
			what: "orderCredentials",
			forMs: 0,
			p: 1,
			pool: credentials.between(0, 7),
			choice: credentials.next(),
		});
	const ahead = new Random(`ahead ${seed}`);
	const isAhead = options.focus?.includes("databaseAhead") ?? ahead.chance(0.1);
	for (let i = options.isFaultless || !isAhead ? 0 : ahead.between(1, 3); i > 0; i--)
		actions.push({
			at: ahead.between(0, end - MINUTE),
			what: "databaseAhead",
			forMs: 0,
			p: 1,
			pool: ahead.between(0, 7),
			choice: ahead.next(),
		});
	const hanging = new Random(`hanging ${seed}`);
	const hangs = options.focus?.includes("createsHang") ?? (!options.isFaultless && hanging.chance(0.15));
	for (let i = hangs ? hanging.between(1, 6) : 0; i > 0; i--) actions.push(...growth(hanging, end));
	// What a budget holds back is judged where nothing else changes what is wanted.
	// They are probed in each interval: most of what a run would spend its time on.
	const hasStatics = options.focus?.includes("staticsDown") ?? seed % 4 === 0;
	const lines = linesOf(seed, end, options, actions);
	const setups = isBounded ? pools : withDemand(seed, pools, actions, end, options);
	actions.sort((a, b) => a.at - b.at);
	const placing = placingOf(seed, end, options, setups);
	return {
		seed,
		hours,
		provider,
		pageSize: random.pick([2, 3, 5, 200]),
		// As little as leaves a quarter for deletes and finds, with room for lists of several pages.
		callsAnHour: Math.min(
			random.chance(0.3) ? 600 + 600 * pools.length : PROFILES[provider].callsAnHour,
			new Random(`calls ${seed}`).chance(0.1) ? 240 * pools.length : Number.POSITIVE_INFINITY,
		),
		quota: random.chance(0.1) ? 32 * pools.length : 1000,
		pools: setups.map((pool, index) => ({
			...pool,
			...placing.pool(index),
			statics: hasStatics ? pool.statics : 0,
			maxHourlyCost: isBounded && money.chance(0.6) ? boundOf(money, [pool], hourlyPrice) : null,
		})),
		hourlyPrice,
		budgets: isBounded && money.chance(0.7) ? { a: boundOf(money, pools, hourlyPrice), b: boundOf(money, pools, hourlyPrice) } : {},
		soldOut: placing.soldOut,
		lines,
		actions,
	};
}

/** Dealt from numbers of its own, so that runs with lines are otherwise those without. */
function linesOf(seed: number, end: Ms, options: ScenarioOptions, actions: Action[]): LineSetup | null {
	const random = new Random(`lines ${seed}`);
	const isLined = random.chance(0.5);
	if (!(options.isLined ?? isLined)) return null;
	const most = options.isFaultless || options.focus !== undefined ? 0 : random.pick([0, 4, 16, 32]);
	for (let i = 0; i < most; i++) actions.push(fault(random, end, OF_LINES));
	const isForgetful = random.chance(0.3);
	// Each sleep costs a reload of all that is stored: at every chance, a seed would cost as much as three.
	return { sleeps: random.pick([0, 0.1, 0.25]), ...(isForgetful && { reportChars: 0 }) };
}

const PLACES: readonly Place[] = ["here", "there", "yonder"].flatMap((region) => ["small", "large"].map((size) => ({ region, size })));

/** A share of the runs has pools of several places. Regions sell out and come back, and one of several may stay sold out to the end. */
function placingOf(
	seed: number,
	end: Ms,
	options: ScenarioOptions,
	pools: readonly PoolSetup[],
): Pick<Scenario, "soldOut"> & { readonly pool: (index: number) => Partial<PoolSetup> } {
	const random = new Random(`places ${seed}`);
	if (!random.chance(options.isPlaced === true ? 1 : 0.2) || options.isPlaced === false) return { soldOut: [], pool: () => ({}) };
	const first = random.between(0, 1);
	const places = PLACES.filter((_, index) => index % 2 === first || random.chance(0.2));
	const regions = [...new Set(places.map(({ region }) => region))];
	const soldOut = regions.flatMap((region) =>
		Array.from({ length: random.between(0, 3) }, (): SoldOut => {
			const from = random.between(0, end - MINUTE);
			return { region, from, to: Math.min(end, from + random.between(MINUTE, random.pick([10 * MINUTE, HOUR, 3 * HOUR]))) };
		}),
	);
	// The first of them is where a pool looks first.
	if (random.chance(0.5))
		soldOut.push({ region: random.chance(0.7) ? "here" : random.pick(regions), from: 0, to: Number.POSITIVE_INFINITY });
	const spread = random.pick(["pack", "even", "cheapest"] as const);
	const isFallen = pools.length > 1 && random.chance(0.5);
	// Dealt from numbers of its own, so that the other runs are what they were. What stays sold out has no room for anybody.
	const isBounded = new Random(`per place ${seed}`).chance(0.4);
	const isOutForGood = ({ region }: Place) => soldOut.some((out) => out.region === region && out.to === Number.POSITIVE_INFINITY);
	const usable = Math.max(1, places.filter((place) => options.isFaultless === true || !isOutForGood(place)).length);
	const maxPerPlace = (index: number) => (isBounded ? Math.ceil(((pools[index]?.max ?? 0) + 2) / usable) : null);
	if (!isFallen)
		return { soldOut: options.isFaultless ? [] : soldOut, pool: (index) => ({ places, spread, maxPerPlace: maxPerPlace(index) }) };
	// The first pool has no room anywhere for a while, and others stand in for it; some of them the other way round as well.
	const [own, others] = [places.filter(({ region }) => region !== "yonder"), places.filter(({ region }) => region === "yonder")];
	for (let i = random.between(1, 2); i > 0; i--) {
		const from = random.between(0, end - 30 * MINUTE);
		const to = Math.min(end, from + random.between(10 * MINUTE, 2 * HOUR));
		soldOut.push({ region: "here", from, to }, { region: "there", from, to });
	}
	const passing = soldOut.filter(({ to }) => to !== Number.POSITIVE_INFINITY);
	const isMutual = random.chance(0.5);
	return {
		soldOut: options.isFaultless ? [] : passing,
		pool: (index) =>
			index === 0
				? { places: own, spread, fallback: "object2" }
				: { places: others, spread, fallback: isMutual && index === 1 ? "object1" : null },
	};
}

/** A share of the runs has pools with rules, and clients who come and go. Dealt from numbers of its own, so that the other runs are what they were. */
function withDemand(seed: number, pools: readonly PoolSetup[], actions: Action[], end: Ms, options: ScenarioOptions): readonly PoolSetup[] {
	const random = new Random(`demand ${seed}`);
	if (!random.chance(options.isDemanding === true ? 1 : 0.25)) return pools;
	const changes = random.pick([2, 6, 12, 24]);
	for (let i = 0; i < changes; i++) {
		const what = random.chance(0.6) ? "load" : random.pick(DEMANDS);
		const at = random.between(0, end - MINUTE);
		const forMs = Math.min(random.between(0, random.pick([MINUTE, 20 * MINUTE, 2 * HOUR])), end - at);
		actions.push({ at, what, forMs, p: 1, pool: random.between(0, 7), choice: random.next() });
	}
	return pools.map((pool, index) => {
		if (index > 0 && random.chance(0.4)) return pool;
		const drawn = random.pick([0, 0, 1, 2]);
		const follows = index > 0 && random.chance(0.5);
		// One that goes by another's load would never rest, empty, while clients of its own keep asking for a proxy.
		const min = follows ? Math.max(1, drawn) : drawn;
		return { ...pool, min, max: min + random.between(1, 10), demand: demandSetup(random, follows ? "object1" : null) };
	});
}

function poolSetup(random: Random, name: string, deployment: string): PoolSetup {
	const min = random.chance(0.04) ? random.between(8, 24) : random.pick([0, 1, 1, 2, 2, 3, 3, 4, 6]);
	return {
		name,
		source: "environment",
		deployment,
		min,
		max: min + random.between(0, 4),
		intervalSeconds: random.pick([30, 60, 60, 120, 120, 300]),
		unknownTimeoutSeconds: random.pick([60, 120, 120, 300]),
		unregisteredTimeoutSeconds: random.pick([300, 600, 600, 900]),
		decommissionedTimeoutSeconds: random.pick([30, 300, 600]),
		ageLimitSeconds: random.chance(0.15) ? random.between(1, 4) * 3600 : 0,
		rolling: { enabled: random.chance(0.5), minAvailable: random.between(0, min), batchSize: random.between(1, 3) },
		canProbe: random.chance(0.85),
		statics: random.chance(0.2) ? random.pick([1, 1, 2]) : 0,
		maxHourlyCost: null,
		demand: null,
		places: [],
		spread: "pack",
		maxPerPlace: null,
		fallback: null,
	};
}

/** It is there for what pools do to each other, and looks seldom: most looks find nothing, and they are what a run spends its time on. */
function neighbour(random: Random, name: string, deployment: string): PoolSetup {
	const pool = poolSetup(random, name, deployment);
	return { ...pool, intervalSeconds: Math.max(120, pool.intervalSeconds) };
}

/** From what is too tight for the pools' minimum to what leaves room for their surge. */
function boundOf(random: Random, pools: readonly Pick<PoolSetup, "min">[], hourlyPrice: number): number {
	const min = pools.reduce((sum, pool) => sum + pool.min, 0);
	return Math.round(random.between(Math.ceil(min / 2), min + 4) * hourlyPrice * 1e6) / 1e6;
}

function kind(random: Random): Lasting | Sudden {
	return random.chance(0.4) ? random.pick(SUDDEN) : random.pick(COMMON);
}

function fault(random: Random, end: Ms, theme: readonly (Lasting | Sudden | Order)[]): Action {
	const what = theme.length > 0 ? random.pick(theme) : kind(random);
	const at = random.between(0, end - MINUTE);
	const longest = random.pick([2 * MINUTE, 20 * MINUTE, 90 * MINUTE, 4 * HOUR]);
	return {
		at,
		what,
		forMs: Math.min(random.between(30 * SECOND, longest), end - at),
		p: random.pick([0.1, 0.5, 1]),
		pool: random.between(0, 7),
		choice: random.next(),
	};
}

/** A pool grows by many at once while creates hang, and its agents die one by one, so that one is found silent in the midst of it. */
function growth(random: Random, end: Ms): Action[] {
	const at = random.between(10 * MINUTE, end - 20 * MINUTE);
	const line = (what: Action["what"], afterMs: Ms, choice: number, forMs: Ms = 0): Action => ({
		at: at + afterMs,
		what,
		forMs,
		p: 1,
		pool: 0,
		choice,
	});
	const deaths = Array.from({ length: 6 }, () => line("agentDies", -random.between(0, 8 * MINUTE), random.next()));
	const size = 0.971 + random.next() * 0.02;
	return [...deaths, line("createsHang", 0, 0, 15 * MINUTE), line("scale", 0, size), line("scale", 15 * MINUTE, random.next() / 3)];
}

/** `after`: what it follows at once, where it does. */
function order(random: Random, end: Ms, after?: Action["what"]): Action {
	const isContrary = after === "restart" && random.chance(0.5);
	const what = isContrary ? "destroy" : random.chance(0.4) ? "scale" : random.pick(ORDERS);
	return { at: random.between(0, end - MINUTE), what, forMs: 0, p: 1, pool: random.between(0, 7), choice: random.next() };
}
