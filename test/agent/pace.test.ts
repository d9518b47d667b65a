import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { MESSAGES_A_REQUEST } from "../../src/core/model/limits.ts";

interface Scenario {
	readonly hours: number;
	/** As the pool's directives have them. */
	readonly rise: number;
	readonly rises?: Readonly<Record<string, number>>;
	readonly report?: number;
	/** Numbers of connections that there are in turn, each for a second; one: nobody comes or goes. */
	readonly counts: readonly number[];
	/** Requests in each second on connections that are there. */
	readonly rates?: readonly number[];
	/** No ping is answered. */
	readonly deaf?: boolean;
}

/** The agent's own loop, by a clock that is driven: how many reports it makes, and when the highest number was told, and the highest rate. */
function paced(asked: Scenario): {
	readonly reports: number;
	readonly toldAfter: number | null;
	readonly fastAfter: number | null;
	readonly pinged: readonly number[];
	readonly endedAfter: number;
	readonly closest: number;
} {
	const scenario = { rises: {}, rates: [0], report: 300, deaf: false, ...asked };
	const program = join(import.meta.dirname, "../../src/agent/agent.py");
	const out = execFileSync("python3", ["-S", join(import.meta.dirname, "pace.py"), program, JSON.stringify(scenario)], {
		encoding: "utf8",
	});
	return JSON.parse(out) as ReturnType<typeof paced>;
}

/** Billed requests a day that reports come to. */
const dailyOf = (scenario: Scenario) => (paced(scenario).reports * 24) / scenario.hours / MESSAGES_A_REQUEST;
/** Of the 400 that a VM may take, what its line, its deploys and its part of the pool's alarms take: see plan-count.test.ts. */
const OTHERS = 20;
const SECONDS = {
	flipping: [0, 1],
	slow: [0, 0, 1, 1],
	slower: [0, 0, 0, 1, 1, 1],
	seldom: Array.from({ length: 20 }, (_, second) => Number(second < 10)),
	busy: [7, 9, 8, 12, 6, 10],
	bursts: [0, 0, 0, 40, 40, 0, 0, 0],
	steps: [1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2],
};

it.each(Object.keys(SECONDS) as (keyof typeof SECONDS)[])(
	"an agent whose connections change each second (%s) stays within its share of the plan",
	(how) => {
		for (const rise of [0, 1, 8])
			expect(dailyOf({ hours: 2, rise, counts: SECONDS[how] }), `rise ${rise}`).toBeLessThanOrEqual(400 - OTHERS);
	},
);

it("whatever happens in a second goes into one report", () => {
	const { reports, closest } = paced({ hours: 0.2, rise: 1, rises: { requests: 0.1 }, counts: SECONDS.bursts, rates: [0, 40] });
	expect(reports).toBeGreaterThan(20);
	expect(closest).toBeGreaterThan(1);
});

/** The agent's own reporting for so long by a driven clock, where each line breaks at once, or is refused: seconds between its tries, and its calls. */
function away(how: "broken" | "refused", hours: number) {
	const [program, agent] = ["away.py", "../../src/agent/agent.py"].map((name) => join(import.meta.dirname, name));
	const command = ["-S", program ?? "", agent ?? "", how, String(hours)];
	const out = execFileSync("python3", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
	const { tries, ...calls } = JSON.parse(out) as { tries: number[]; heartbeats: number; registered: number };
	return { ...calls, gaps: tries.slice(1).map((at, index) => at - (tries[index] ?? 0)) };
}

it("an agent whose line breaks comes back after half a second to thirty, any of them as likely", () => {
	const { gaps, heartbeats, registered } = away("broken", 4);
	expect([heartbeats, registered]).toEqual([0, 1]);
	expect(gaps.length).toBeGreaterThan(700);
	expect([Math.min(...gaps) >= 0.5, Math.max(...gaps) <= 30]).toEqual([true, true]);
	const shares = [0, 1, 2].map((third) => gaps.filter((gap) => Math.floor((gap - 0.5) / 9.84) === third).length / gaps.length);
	for (const share of shares) expect(share).toBeGreaterThan(0.25);
});

it("an agent whose line is refused goes on with heartbeats, and tries the line again each ten minutes", () => {
	const { gaps, heartbeats, registered } = away("refused", 1);
	expect(registered).toBe(1);
	// The interval is 30 s, or up to a tenth less.
	expect([heartbeats >= 119, heartbeats <= 140]).toEqual([true, true]);
	expect(gaps).toHaveLength(5);
	for (const gap of gaps) expect([gap >= 600, gap <= 630]).toEqual([true, true]);
});

it("an agent pings each 20 s, and gives a line up 10 s after a ping that is not answered", () => {
	const { pinged, endedAfter } = paced({ hours: 0.1, rise: 0, counts: [0] });
	expect(pinged[0]).toBeLessThanOrEqual(20.25);
	for (const [index, at] of pinged.slice(1).entries()) expect(at - (pinged[index] ?? 0)).toSatisfy((s: number) => s >= 20 && s <= 20.5);
	expect(endedAfter).toBeGreaterThan(359);
	const deaf = paced({ hours: 0.1, rise: 0, counts: [0], deaf: true });
	expect(deaf.pinged).toHaveLength(1);
	expect(deaf.endedAfter - (deaf.pinged[0] ?? 0)).toSatisfy((s: number) => s >= 10 && s <= 10.5);
});

it("an idle agent reports once in five minutes", () => {
	expect(dailyOf({ hours: 2, rise: 1, counts: [0] })).toBeLessThanOrEqual(60 - OTHERS);
});

it("a rise is told within two seconds though connections have come and gone for half an hour", () => {
	const quarter = (counts: readonly number[]) => Array.from({ length: 900 }, (_, second) => counts[second % counts.length] ?? 0);
	const { toldAfter } = paced({ hours: 0.51, rise: 1, counts: [...quarter([3, 4]), ...quarter([3, 4]), 9, 9, 9, 9, 9] });
	expect(toldAfter).toBeGreaterThanOrEqual(1800);
	expect(toldAfter).toBeLessThanOrEqual(1802);
});

it("a rise of another metric that the rules go by is told within two seconds and a half, though the mean since the last report tells nothing of it", () => {
	const rates = [...Array.from({ length: 1000 }, (_, second) => 10 + (second % 2)), ...Array.from({ length: 10 }, () => 30)];
	const rising = { hours: 0.28, rise: 0, rises: { requests: 8, cpu: 0.5, unheardOf: 1 }, counts: [3], rates };
	const { fastAfter } = paced(rising);
	expect(fastAfter).toBeGreaterThan(1000);
	expect(fastAfter).toBeLessThanOrEqual(1002.5);
	expect(paced({ ...rising, rises: {} }).fastAfter).toBeNull();
});

it("rates that waver by any step stay within a VM's share of the plan", () => {
	const rates = [...Array.from({ length: 997 }, (_, second) => (second * 7919) % 50), 400, 0, 0];
	for (const requests of [0.25, 4, 32]) {
		// An interval of rules is the pace.
		const daily = dailyOf({ hours: 2, rise: 0, rises: { requests }, report: 30, counts: [3], rates });
		expect(daily, String(requests)).toBeLessThanOrEqual(400 - OTHERS);
	}
});
