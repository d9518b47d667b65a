import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { consoleFiles } from "../../scripts/console.ts";
import { fullBucket, MOST_A_DAY, spent, waitMs } from "../../src/ui/model/budget.ts";
import { clock, duration, money, monthly, rate, sentence } from "../../src/ui/model/format.ts";
import { withNewest, withOlder } from "../../src/ui/model/pages.ts";
import { snippets } from "../../src/ui/model/snippets.ts";

const FIRST_VIEW = ["index.html", "app.js", "app.css", "icon.svg"];
const MOST_BYTES = 120 * 1024;

test("the first view is 120 KB at the most, compressed", () => {
	const files = consoleFiles();
	const sizes = FIRST_VIEW.map((name) => gzipSync(files.get(name) ?? Buffer.alloc(MOST_BYTES)).byteLength);
	expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(MOST_BYTES);
});

test("no file of the page names another host to fetch from", () => {
	const text = [...consoleFiles()]
		.filter(([name]) => name.endsWith(".css") || name.endsWith(".html"))
		.map(([, content]) => content.toString());
	expect(text.join("\n").match(/https?:\/\/(?!www\.w3\.org)[^"')\s]+/g)).toBeNull();
});

const DAY_MS = 86_400_000;

/** How many billed requests a tab makes in `days`, where each look costs `billed` and things move always, never, or as said. */
function billedIn(days: number, billed: number, isMoving: (now: number) => boolean): number {
	let [now, total] = [1_000, 0];
	let bucket = fullBucket(now);
	for (const end = now + days * DAY_MS; now < end; ) {
		bucket = spent(bucket, billed, now);
		total += billed;
		now += waitMs(bucket, billed, isMoving(now), now);
	}
	return total;
}

test("a tab that is open for a day costs no more than it may, whatever moves and whatever a look costs", () => {
	for (const billed of [1, 2, 4, 9]) {
		expect(billedIn(1, billed, () => false)).toBeLessThanOrEqual(MOST_A_DAY);
		expect(billedIn(1, billed, () => true)).toBeLessThanOrEqual(MOST_A_DAY);
		expect(billedIn(1, billed, (now) => Math.floor(now / 3_600_000) % 3 === 0)).toBeLessThanOrEqual(MOST_A_DAY);
	}
	// And it is used: a tab that is only looked at sees the fleet every two minutes at the least.
	expect(billedIn(1, 1, () => false)).toBeGreaterThan(720);
});

test("what moves is looked at every two seconds, and what rests every ten while there is enough", () => {
	const full = fullBucket(0);
	expect(waitMs(full, 1, true, 0)).toBe(2_000);
	expect(waitMs(full, 1, false, 0)).toBe(10_000);
	const poor = spent(full, 200, 0);
	expect(waitMs(poor, 1, true, 0)).toBe(2_000);
	expect(waitMs(poor, 1, false, 0)).toBeGreaterThan(60_000);
});

test("durations are in the largest honest unit", () => {
	expect([0, 12, 65, 200, 3_700, 7_200, 90_000, 900_000].map(duration)).toEqual([
		"0 s",
		"12 s",
		"1 min 5 s",
		"3 min",
		"1 h 1 min",
		"2 h",
		"1 d 1 h",
		"10 d",
	]);
});

test("money keeps the digits that say something", () => {
	expect(money(0.00595, "USD")).toBe("$0.00595");
	expect(money(0.0112, "EUR")).toBe("€0.0112");
	expect(money(12, "USD")).toBe("$12.00");
	expect(monthly(0.0333, "USD")).toBe("$24");
	expect(rate(84_000_000)).toEqual({ value: "84", unit: "MB/s" });
});

test("a sentence of the API is shown with the viewer's time, and without the call that its button makes", () => {
	const at = Date.parse("2026-11-29T14:32:00.000Z");
	const said = `nbg1 is sold out; tried again at 2026-11-29T14:32:00.000Z, or now by start (POST /v1.1/endpoints/hetzner-default/state with {"action":"start"})`;
	expect(sentence(said, at)).toBe(`Nbg1 is sold out; tried again at ${clock(at, at)}`);
});

test("older pages stay when the newest is read again, and none is added twice", () => {
	const page = (from: number, to: number, previous: string | null) => ({
		entries: Array.from({ length: from - to + 1 }, (_, index) => ({ id: `e${from - index}` })),
		previous,
	});
	const first = page(9, 7, "e7");
	const second = withOlder(first, page(6, 4, "e4"), "e7");
	expect(second).toEqual(page(9, 4, "e4"));
	expect(withOlder(second, page(6, 4, "e4"), "e7"), "asked for twice").toEqual(second);
	expect(withNewest(second, page(11, 9, "e9"))).toEqual(page(11, 4, "e4"));
	expect(withNewest(second, page(30, 28, "e28")), "with a gap").toEqual(page(30, 28, "e28"));
	expect(withNewest(second, page(9, 7, "e7")), "nothing new").toEqual(second);
});

test("what is copied holds no key, and the selection", () => {
	const given = { origin: "https://muster.test", needsKey: true, query: "region=lon1&session=a", url: "http://u:p@192.0.2.1:8899" };
	const all = snippets(given).flatMap(({ parts }) => parts.map(({ code }) => code));
	expect(
		all.filter((code) => code.includes("/random")).every((code) => code.includes("AUTH_KEY") && code.includes("region=lon1&session=a")),
	).toBe(true);
	expect(snippets({ ...given, needsKey: false }).some(({ parts }) => parts.some(({ code }) => code.includes("AUTH_KEY")))).toBe(false);
	const gateway = snippets(given).find(({ name }) => name === "gateway")?.parts[1]?.code;
	expect(gateway).toContain("http://u-region-lon1-session-a:any@127.0.0.1:8888");
});
