/** Lines over time: no animation, gaps where nothing is known, the same cursor in all, and its values as a table. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { Mark } from "../model/events.ts";
import { clock, exact } from "../model/format.ts";
import { now } from "../model/store.ts";
import { theme } from "../model/theme.ts";

export interface Line {
	readonly name: string;
	readonly values: readonly (number | null)[];
	/** A colour of the stylesheet. */
	readonly colour: string;
	/** Drawn as steps, as what was wanted; or with what is below it filled. */
	readonly as?: "step" | "area";
}

interface ChartProps {
	readonly title: string;
	/** Unix seconds. */
	readonly at: readonly number[];
	/** Seconds, of the whole width. */
	readonly from: number;
	readonly to: number;
	readonly lines: readonly Line[];
	readonly format: (value: number) => string;
	/** The top of its scale; as high as its values unless given. */
	readonly most?: number;
	readonly marks?: readonly Mark[];
}

const HEIGHT = 168;
const AXIS = 52;

function colourOf(name: string): string {
	// `light-dark()` is only worked out where it is used as a colour.
	const probe = document.createElement("span");
	probe.style.color = `var(${name})`;
	document.body.append(probe);
	const { color } = getComputedStyle(probe);
	probe.remove();
	return color;
}

/** In the viewer's zone: the time of a day, or the day. */
function tick(instant: number, seconds: number): string {
	const format =
		seconds <= 2 * 86_400
			? ({ hour: "2-digit", minute: "2-digit", hour12: false } as const)
			: ({ day: "numeric", month: "short" } as const);
	return new Intl.DateTimeFormat(undefined, format).format(instant * 1_000);
}

/** The points without a neighbour: no line is drawn to them. */
function lonelyIn(values: ArrayLike<number | null | undefined>): number[] {
	return Array.from(values, (value, index) =>
		value != null && values[index - 1] == null && values[index + 1] == null ? index : -1,
	).filter((index) => index !== -1);
}

function faded(colour: string): string {
	return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.16)");
}

function optionsOf(
	{ lines, format, from, to, most, marks = [] }: ChartProps,
	width: number,
	hover: (index: number | null) => void,
): uPlot.Options {
	const [line, dim] = [colourOf("--line"), colourOf("--dim")];
	const axis = { stroke: dim, font: "12px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: line, width: 1 } };
	const stepped = uPlot.paths.stepped?.({ align: 1 });
	return {
		width,
		height: HEIGHT,
		legend: { show: false },
		cursor: { sync: { key: "muster" }, drag: { x: false, y: false }, points: { size: 6 } },
		scales: { x: { time: true, range: [from, to] }, y: { range: (_, __, highest) => [0, most ?? (highest > 0 ? highest * 1.1 : 1)] } },
		axes: [
			{ ...axis, grid: { show: false }, space: 72, size: 28, values: (_, splits) => splits.map((instant) => tick(instant, to - from)) },
			{ ...axis, size: AXIS, space: 36, values: (_, splits) => splits.map((value) => format(value)) },
		],
		series: [
			{},
			...lines.map(({ name, colour, as }): uPlot.Series => {
				const stroke = colourOf(colour);
				return {
					label: name,
					stroke,
					width: 1.5,
					spanGaps: false,
					points: { show: false, filter: (plot, index) => lonelyIn(plot.data[index] ?? []), size: 6, fill: stroke },
					...(as === "area" ? { fill: faded(stroke) } : {}),
					...(as === "step" ? { dash: [5, 4], ...(stepped === undefined ? {} : { paths: stepped }) } : {}),
				};
			}),
		],
		hooks: {
			setCursor: [(plot) => hover(plot.cursor.idx ?? null)],
			draw: [
				(plot) => {
					const { ctx, bbox } = plot;
					ctx.save();
					ctx.strokeStyle = dim;
					ctx.setLineDash([2, 3]);
					for (const { at } of marks) {
						const x = Math.round(plot.valToPos(at / 1_000, "x", true));
						if (x < bbox.left || x > bbox.left + bbox.width) continue;
						ctx.beginPath();
						ctx.moveTo(x, bbox.top);
						ctx.lineTo(x, bbox.top + bbox.height);
						ctx.stroke();
					}
					ctx.restore();
				},
			],
		},
	};
}

export function Chart(props: ChartProps) {
	const { title, at, lines, format, marks = [] } = props;
	const place = useRef<HTMLDivElement>(null);
	const plot = useRef<uPlot | null>(null);
	const [hovered, setHovered] = useState<number | null>(null);
	const names = lines.map(({ name }) => name).join();
	const data = [[...at], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData;
	useEffect(() => {
		const box = place.current;
		if (box === null) return;
		const make = () => {
			plot.current?.destroy();
			plot.current = new uPlot(optionsOf(props, box.clientWidth, setHovered), data, box);
		};
		make();
		const resize = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height: HEIGHT }));
		resize.observe(box);
		const dark = matchMedia("(prefers-color-scheme: dark)");
		dark.addEventListener("change", make);
		return () => {
			resize.disconnect();
			dark.removeEventListener("change", make);
			plot.current?.destroy();
			plot.current = null;
		};
	}, [names, theme.value, props.from, props.to, at.at(-1), at.length, marks.length]);
	// The newest minutes may not have come yet.
	const latest = at.findLastIndex((_, index) => lines.some(({ values }) => values[index] != null));
	const shown = hovered ?? latest;
	const instant = at[shown];
	const mark =
		hovered === null || instant === undefined
			? undefined
			: marks.find((one) => Math.abs(one.at / 1_000 - instant) < (props.to - props.from) / 120);
	return (
		<figure class="chart">
			<figcaption>
				<strong>{title}</strong>
				<span class="values">
					{lines.map(({ name, values, colour, as }) => {
						const value = values[shown] ?? null;
						return (
							<span key={name}>
								<span class={`swatch ${as ?? ""}`} style={{ color: `var(${colour})` }} aria-hidden="true" />
								{name} <strong>{value === null ? "–" : format(value)}</strong>
							</span>
						);
					})}
					{instant !== undefined && <span class="dim">{hovered === null ? "latest" : clock(instant * 1_000, now.value)}</span>}
					{mark !== undefined && <span>{mark.says}</span>}
				</span>
			</figcaption>
			<div class="plot" ref={place} role="img" aria-label={`${title}; its values are in the table below it`} />
			<Values {...props} />
		</figure>
	);
}

/** What a screen reader has of it, one key away. */
function Values({ title, at, lines, format }: ChartProps) {
	const [isOpen, setOpen] = useState(false);
	return (
		<details class="values-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
			<summary>Values</summary>
			{isOpen && (
				<div class="scroll">
					<table>
						<caption class="hidden">{title}</caption>
						<thead>
							<tr>
								<th scope="col">Time</th>
								{lines.map(({ name }) => (
									<th key={name} scope="col" class="number">
										{name}
									</th>
								))}
							</tr>
						</thead>
						<tbody>
							{at
								.map((instant, index) => [instant, index] as const)
								.reverse()
								.map(([instant, index]) => (
									<tr key={instant}>
										<th scope="row">{exact(instant * 1_000)}</th>
										{lines.map(({ name, values }) => {
											const value = values[index] ?? null;
											return (
												<td key={name} class="number">
													{value === null ? "–" : format(value)}
												</td>
											);
										})}
									</tr>
								))}
						</tbody>
					</table>
				</div>
			)}
		</details>
	);
}
