import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ReadyEntry } from "../../src/core/model/published.ts";
import { EVERYTHING, pageFrom, pickFrom, selectFrom } from "../../src/read-model/select.ts";
import { type PublishedPool, type Snapshot, snapshotOf } from "../../src/read-model/snapshot.ts";

const never = () => {
	throw new Error("a session's proxy is no matter of chance");
};

function pool(name: string, ids: readonly string[], region = "lon1"): PublishedPool {
	const entries = ids.map((id): ReadyEntry => [id, `ip-${name}-${id}`, 1]);
	return {
		object: `object-of-${name}`,
		provider: "digitalocean",
		name,
		source: "environment",
		summary: {
			displayName: name,
			run: "running",
			min: 1,
			max: 1,
			target: 1,
			settings: { region },
			wakes: false,
			reconciled: true,
			billable: 1,
			problems: [],
			degraded: false,
			orphans: 0,
			foreign: { pools: 0, deployments: 0 },
		},
		credentials: {},
		parts: [{ count: entries.length, entries: () => entries }],
		readyCount: entries.length,
		cooling: "{}",
	};
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => `id${index}`);
const chosen = (snapshot: Snapshot, session: string) => {
	const picked = pickFrom(snapshot, session, never);
	return picked && `${picked.pool.name}/${picked.entry[0]}`;
};
const members = fc.uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 0, max: 40 })), {
	minLength: 2,
	maxLength: 60,
	selector: ([name, id]) => `${name}/${id}`,
});
const snapshotWith = (list: readonly (readonly [string, number])[]) =>
	snapshotOf(
		["a", "b", "c"].map((name) =>
			pool(
				name,
				list.filter((member) => member[0] === name).map(([, id]) => `id${id}`),
			),
		),
	);

describe("a session", () => {
	test("keeps its proxy when others come, go, or change places; it moves only when its own goes", () => {
		fc.assert(
			fc.property(members, fc.string(), fc.nat(), (list, session, seed) => {
				const before = chosen(snapshotWith(list), session);
				const gone = list[seed % list.length] as (typeof list)[number];
				const rest = list.filter((member) => member !== gone).reverse();
				const after = chosen(snapshotWith(rest), session);
				if (before === `${gone[0]}/id${gone[1]}`) expect(after).not.toBe(before);
				else expect(after).toBe(before);
			}),
		);
	});

	test("finds its proxies in one order, of which what is left stays when one is excluded", () => {
		fc.assert(
			fc.property(members, fc.string(), (list, session) => {
				const snapshot = snapshotWith(list);
				const order = pageFrom(snapshot, session, 0, list.length);
				expect(order[0]).toEqual(pickFrom(snapshot, session, never));
				const first = order[0]?.entry[1] ?? "";
				const left = selectFrom(snapshot, { ...EVERYTHING, exclude: new Set([first]) }, 0);
				expect(pageFrom(left, session, 0, list.length).map(({ entry }) => entry)).toEqual(order.slice(1).map(({ entry }) => entry));
			}),
		);
	});

	test("is as likely to get any proxy as any other, keys that differ in one digit included (chi-square, p > 0.001)", () => {
		const snapshot = snapshotOf([pool("a", ids(30)), pool("b", ids(20))]);
		const drawn = new Map<string | null, number>();
		const draws = 20_000;
		for (let draw = 0; draw < draws; draw++) {
			const name = chosen(snapshot, `customer-${draw}`);
			drawn.set(name, (drawn.get(name) ?? 0) + 1);
		}
		expect(drawn.size).toBe(50);
		const expected = draws / 50;
		const chiSquare = [...drawn.values()].reduce((sum, times) => sum + (times - expected) ** 2 / expected, 0);
		// 99.9 % of the chi-square distribution with 49 degrees of freedom: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3674.htm
		expect(chiSquare).toBeLessThan(85.351);
	});

	test("whose proxy went is spread over all that are left", () => {
		const before = snapshotOf([pool("a", ids(20))]);
		const after = selectFrom(before, { ...EVERYTHING, exclude: new Set(["ip-a-id7"]) }, 0);
		const movedTo = new Map<string | null, number>();
		for (let draw = 0; draw < 20_000; draw++) {
			const session = `s${draw}`;
			if (chosen(before, session) !== "a/id7") continue;
			const name = chosen(after, session);
			movedTo.set(name, (movedTo.get(name) ?? 0) + 1);
		}
		expect(movedTo.size).toBe(19);
		expect(Math.max(...movedTo.values())).toBeLessThan(2 * (20_000 / 20 / 19));
	});
});

describe("a selection", () => {
	const snapshot = snapshotOf([pool("default", ids(3)), pool("nyc", ids(2), "nyc1")]);

	test("by provider, instance, region or country has those pools' proxies", () => {
		expect(selectFrom(snapshot, EVERYTHING, 0)).toBe(snapshot);
		expect(selectFrom(snapshot, { ...EVERYTHING, providers: new Set(["digitalocean"]) }, 0).readyCount).toBe(5);
		expect(selectFrom(snapshot, { ...EVERYTHING, providers: new Set(["aws"]) }, 0).readyCount).toBe(0);
		expect(selectFrom(snapshot, { ...EVERYTHING, instances: new Set(["nyc"]) }, 0).readyCount).toBe(2);
		expect(selectFrom(snapshot, { ...EVERYTHING, instances: new Set(["nyc"]), regions: new Set(["lon1"]) }, 0).readyCount).toBe(0);
		expect(selectFrom(snapshot, { ...EVERYTHING, regions: new Set(["nyc1"]) }, 0).pools.map(({ name }) => name)).toEqual(["nyc"]);
		expect(selectFrom(snapshot, { ...EVERYTHING, regions: new Set(["lon1", "nyc1"]) }, 0)).toEqual(snapshot);
		expect(selectFrom(snapshot, { ...EVERYTHING, countries: new Set(["us", "de"]) }, 0).pools.map(({ name }) => name)).toEqual(["nyc"]);
	});

	test("leaves out the addresses that it excludes and counts without them", () => {
		const some = selectFrom(snapshot, { ...EVERYTHING, exclude: new Set(["ip-default-id1", "ip-nyc-id0", "192.0.2.1"]) }, 0);
		expect(some.readyCount).toBe(3);
		expect(pageFrom(some, null, 0, 10).map(({ entry }) => entry[1])).toEqual(["ip-default-id0", "ip-default-id2", "ip-nyc-id1"]);
		expect(pickFrom(selectFrom(some, { ...EVERYTHING, regions: new Set(["none"]) }, 0), "key", never)).toBeNull();
	});
});

describe("the region of a selection", () => {
	const places = [
		{ region: "nbg1", size: "cx23" },
		{ region: "hel1", size: "cpx11" },
	];
	const spread = (): PublishedPool => {
		const shown = pool("spread", [], "nbg1, hel1");
		const entries: ReadyEntry[] = [
			["a", "ip-a", 1, null, "nbg1:cx23"],
			["b", "ip-b", 1, null, "hel1:cpx11"],
			["old", "ip-old", 1],
		];
		const summary = shown.summary && { ...shown.summary, places };
		return { ...shown, summary, parts: [{ count: 3, entries: () => entries }], readyCount: 3 };
	};
	const inRegion = (region: string) =>
		pageFrom(
			selectFrom(snapshotOf([spread(), pool("whole", ["w"], "hel1")]), { ...EVERYTHING, regions: new Set([region]) }, 0),
			null,
			0,
			10,
		).map(({ entry }) => entry[0]);

	test("is each proxy's own where its pool has several places; one of which nothing is said is in the first", () => {
		expect(inRegion("hel1")).toEqual(["b", "w"]);
		expect(inRegion("nbg1")).toEqual(["a", "old"]);
		expect(inRegion("ash")).toEqual([]);
	});
});
