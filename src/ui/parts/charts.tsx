/** The charts of a pool, or of all together, and the choice of their range. */
import { type Mark, useMarks } from "../model/events.ts";
import { digits, money, percent, rate } from "../model/format.ts";
import { type History, type Metric, RANGES, series, share, USUAL_RANGE, useHistory } from "../model/history.ts";
import { route } from "../model/route.ts";
import { Chart, type Line } from "./chart.tsx";
import { Ranges } from "./ranges.tsx";

type Share = readonly [Metric, Metric];

interface Shown {
	readonly title: string;
	/** Of a counter so much a second; of a pair of counters the share that the first is of the second. */
	readonly lines: readonly (readonly [metric: Metric | Share, name: string, colour: string, as?: Line["as"]])[];
	readonly most?: number;
	/** Drawn only where there was any of it. */
	readonly needs?: Metric;
	readonly format: (value: number) => string;
}

const speed = (value: number) => {
	const { value: text, unit } = rate(value);
	return `${text} ${unit}`;
};

const CHARTS: Readonly<Record<string, Shown>> = {
	ready: {
		title: "Ready",
		lines: [
			["ready", "ready", "--ready", "area"],
			["wanted", "wanted", "--ink", "step"],
		],
		format: digits,
	},
	traffic: {
		title: "Traffic",
		lines: [
			["bytesOut", "out", "--booting", "area"],
			["bytesIn", "in", "--ink"],
		],
		format: speed,
	},
	connections: { title: "Connections", lines: [["connections", "open", "--booting", "area"]], format: digits },
	requests: {
		title: "Requests a second",
		lines: [
			["requests", "requests", "--ink"],
			["errors", "errors", "--failed", "area"],
		],
		format: digits,
	},
	success: {
		title: "Success",
		lines: [[["outcomesOk", "outcomes"], "of what clients report", "--ready"]],
		most: 1,
		needs: "outcomes",
		format: percent,
	},
};

const secondsOf = (range: string): number => RANGES.find(([name]) => name === range)?.[1] ?? 86_400;

export function Charts({ pool, which }: { readonly pool: string | null; readonly which: readonly (keyof typeof CHARTS)[] }) {
	const range = route.value.query.get("range") ?? USUAL_RANGE;
	const kept = useHistory(pool, range);
	const marks = useMarks(pool, secondsOf(range));
	return (
		<section aria-labelledby="over-time">
			<div class="heading">
				<h2 id="over-time">Over time</h2>
				<Ranges names={RANGES.map(([name]) => name)} usual={USUAL_RANGE} current={range} />
			</div>
			{kept === null && <p class="dim">Asking …</p>}
			{kept?.problem != null && <p class="fault">{kept.problem}</p>}
			{kept?.history != null && <Drawn history={kept.history} range={range} which={which} marks={marks} />}
		</section>
	);
}

function Drawn({
	history,
	range,
	which,
	marks,
}: {
	readonly history: History;
	readonly range: string;
	readonly which: readonly string[];
	readonly marks: readonly Mark[];
}) {
	const seconds = secondsOf(range);
	const { to } = history;
	const at = history.points.map((point) => point.at);
	const spent = history.totals.cost;
	if (history.points.every(({ values }) => values.every((value) => value === null)))
		return <p class="dim">Nothing is recorded of this time yet: a point comes each minute.</p>;
	return (
		<>
			<div class="charts">
				{which.map((name) => {
					const chart = CHARTS[name];
					if (chart === undefined || (chart.needs !== undefined && !history.totals[chart.needs])) return null;
					const lines = chart.lines.map(
						([metric, title, colour, as]): Line => ({
							name: title,
							colour,
							values: typeof metric === "string" ? series(history, metric) : share(history, ...metric),
							...(as === undefined ? {} : { as }),
						}),
					);
					return (
						<Chart
							key={name}
							title={chart.title}
							at={at}
							from={to - seconds}
							to={to}
							lines={lines}
							format={chart.format}
							marks={marks}
							{...(chart.most === undefined ? {} : { most: chart.most })}
						/>
					);
				})}
			</div>
			{spent != null && history.currency !== null && (
				<p class="dim spent">
					{money(spent, history.currency)} spent in this time
					{history.currencies.length > 1
						? `, not counting what is paid in ${history.currencies.filter((other) => other !== history.currency).join(" and ")}`
						: ""}
				</p>
			)}
		</>
	);
}
