// Metrics as Prometheus reads them: its text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/) and OpenMetrics 1.0
// (https://prometheus.io/docs/specs/om/open_metrics_spec/). What a library does beyond this is to keep the numbers in memory, and here D1 does.

export const FORMATS = {
	text: "text/plain; version=0.0.4; charset=utf-8",
	openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
} as const;
export type Format = keyof typeof FORMATS;

export interface Sample {
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

/** How observations are spread: `counts` of those up to each of `bounds` and above the one before, and one more of what is above the last. */
export interface Spread {
	readonly labels: Readonly<Record<string, string>>;
	readonly bounds: readonly number[];
	readonly counts: readonly number[];
	readonly sum: number;
}

interface About {
	/** Without the suffix that its type brings: `_total`, `_info`. */
	readonly name: string;
	readonly help: string;
}

export type Family =
	| (About & { readonly type: "gauge" | "counter" | "info"; readonly samples: readonly Sample[] })
	| (About & { readonly type: "histogram"; readonly spreads: readonly Spread[] });

/** A family that has no sample is left out. Throws where a series would be there twice: of those Prometheus drops one without a word. */
export function exposition(families: readonly Family[], format: Format): string {
	const lines: string[] = [];
	const seen = new Set<string>();
	for (const family of families) {
		const series = seriesOf(family);
		if (series.length === 0) continue;
		const isOpen = format === "openmetrics";
		const name = isOpen || family.type === "gauge" || family.type === "histogram" ? family.name : series[0]?.name;
		lines.push(
			`# HELP ${name} ${helpText(family.help, isOpen)}`,
			`# TYPE ${name} ${family.type === "info" && !isOpen ? "gauge" : family.type}`,
		);
		for (const one of series) {
			const key = `${one.name}${labelText(
				Object.fromEntries(
					Object.entries(one.labels)
						.filter(([, value]) => value !== "")
						.sort(),
				),
			)}`;
			if (seen.has(key)) throw new Error(`the series ${key} is there twice`);
			seen.add(key);
			lines.push(`${one.name}${labelText(one.labels)} ${numberText(one.value)}`);
		}
	}
	if (format === "openmetrics") lines.push("# EOF");
	return `${lines.join("\n")}\n`;
}

function seriesOf(family: Family): readonly (Sample & { readonly name: string })[] {
	if (family.type !== "histogram") {
		const name = `${family.name}${{ counter: "_total", info: "_info", gauge: "" }[family.type]}`;
		return family.samples.map((sample) => ({ ...sample, name }));
	}
	return family.spreads.flatMap(({ labels, bounds, counts, sum }) => {
		let below = 0;
		const buckets = [...bounds.map(floatText), "+Inf"].map((le, index) => {
			below += counts[index] ?? 0;
			return { name: `${family.name}_bucket`, labels: { ...labels, le }, value: below };
		});
		return [...buckets, { name: `${family.name}_sum`, labels, value: sum }, { name: `${family.name}_count`, labels, value: below }];
	});
}

function labelText(labels: Readonly<Record<string, string>>): string {
	const pairs = Object.entries(labels).map(
		([name, value]) => `${name}="${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`,
	);
	return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function helpText(text: string, isOpen: boolean): string {
	const escaped = text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
	return isOpen ? escaped.replace(/"/g, '\\"') : escaped;
}

/** OpenMetrics wants the bounds of buckets as floats. */
const floatText = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));

function numberText(value: number): string {
	if (Number.isNaN(value)) return "NaN";
	if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
	return String(value);
}
