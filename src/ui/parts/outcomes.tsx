/** How requests fared over time: the share of good ones, and how many there were. */
import { count, digits, percent } from "../model/format.ts";
import { OUTCOME_RANGES, type OutcomeHistory, USUAL_OUTCOME_RANGE } from "../model/outcomes.ts";
import { route } from "../model/route.ts";
import { Chart } from "./chart.tsx";
import { Ranges } from "./ranges.tsx";

const NAMES = OUTCOME_RANGES.map(([name]) => name);

/** The range that stands in the address, as far as outcomes are kept. */
export function outcomeRange(): string {
	const range = route.value.query.get("range") ?? "";
	return NAMES.includes(range) ? range : USUAL_OUTCOME_RANGE;
}

export function OutcomeCharts({ answer }: { readonly answer: OutcomeHistory | string | null }) {
	const range = outcomeRange();
	return (
		<section aria-labelledby="outcomes-over-time">
			<div class="heading">
				<h2 id="outcomes-over-time">Requests over time</h2>
				<Ranges names={NAMES} usual={USUAL_OUTCOME_RANGE} current={range} />
			</div>
			{answer === null && <p class="dim">Asking …</p>}
			{typeof answer === "string" && <p class="fault">{answer}</p>}
			{typeof answer === "object" && answer !== null && <Drawn answer={answer} />}
		</section>
	);
}

function Drawn({ answer }: { readonly answer: OutcomeHistory }) {
	const { points, totals, from, to } = answer;
	const at = points.map((point) => point.at);
	if (totals.outcomes === 0)
		return <p class="dim">Nothing is recorded of this time: what clients report comes here within a quarter of an hour.</p>;
	return (
		<>
			<div class="charts">
				<Chart
					title="Success"
					at={at}
					from={from}
					to={to}
					most={1}
					lines={[{ name: "good of those reported", colour: "--ready", values: points.map(({ success_rate }) => success_rate) }]}
					format={percent}
				/>
				<Chart
					title="Requests an hour"
					at={at}
					from={from}
					to={to}
					lines={[
						{ name: "reported", colour: "--ink", values: points.map(({ outcomes }) => outcomes) },
						{ name: "bad", colour: "--failed", as: "area", values: points.map(({ outcomes, ok }) => outcomes - ok) },
					]}
					format={digits}
				/>
			</div>
			<p class="dim spent">
				{percent(totals.success_rate ?? 0)} of {count(totals.outcomes, "reported request")} in this time; the newest come within a quarter
				of an hour
			</p>
		</>
	);
}
