// biome-ignore-all lint/a11y/useSemanticElements: rows stand at places of their own, which a table's cannot
// biome-ignore-all lint/a11y/useFocusableInteractive: rows and the headers' buttons are
/** A table that draws the rows in view alone: a thousand are as quick as ten. On a narrow page a row is a card of two lines. */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./basics.tsx";

export interface Column<Row> {
	readonly key: string;
	readonly title: string;
	readonly cell: (row: Row) => ComponentChildren;
	/** What it is sorted by; without it, it is not. */
	readonly by?: (row: Row) => string | number | null;
	readonly isNumber?: boolean;
	/** A track of a grid: "64px", "minmax(100px, 1fr)". */
	readonly width: string;
	/** Left out where the page is not wide. */
	readonly isSpare?: boolean;
	/** Where it stands in a card: its heading, beside it, below, or nowhere. */
	readonly card?: "head" | "side" | "line" | "none";
}

interface TableProps<Row> {
	readonly label: string;
	readonly columns: readonly Column<Row>[];
	readonly rows: readonly Row[];
	readonly id: (row: Row) => string;
	readonly sort: string;
	readonly onSort: (sort: string) => void;
	readonly open?: (row: Row) => void;
	readonly empty: ComponentChildren;
}

const ROW = 36;
const CARD = 72;
const OVERSCAN = 8;
const NARROW = "(max-width: 720px)";

/** "since" ascending, "-since" descending. */
export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: string): readonly Row[] {
	const isDown = sort.startsWith("-");
	const by = columns.find(({ key }) => key === sort.replace(/^-/, ""))?.by;
	if (by === undefined) return rows;
	const order = (a: Row, b: Row) => {
		const [x, y] = [by(a), by(b)];
		if (x === y) return 0;
		// What is not known comes last, whichever way.
		if (x === null) return 1;
		if (y === null) return -1;
		const way = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
		return isDown ? -way : way;
	};
	return [...rows].sort(order);
}

export function Table<Row>({ label, columns, rows, id, sort, onSort, open, empty }: TableProps<Row>) {
	const body = useRef<HTMLDivElement>(null);
	const [isNarrow, setNarrow] = useState(matchMedia(NARROW).matches);
	const [view, setView] = useState({ from: 0, to: 40 });
	const height = isNarrow ? CARD : ROW;

	useEffect(() => {
		const query = matchMedia(NARROW);
		const change = () => setNarrow(query.matches);
		query.addEventListener("change", change);
		return () => query.removeEventListener("change", change);
	}, []);
	useLayoutEffect(() => {
		const measure = () => {
			const top = -(body.current?.getBoundingClientRect().top ?? 0);
			const from = Math.max(0, Math.floor(top / height) - OVERSCAN);
			const to = Math.ceil((top + innerHeight) / height) + OVERSCAN;
			setView((before) => (before.from === from && before.to === to ? before : { from, to: Math.max(to, from + OVERSCAN) }));
		};
		measure();
		addEventListener("scroll", measure, { passive: true });
		addEventListener("resize", measure);
		return () => {
			removeEventListener("scroll", measure);
			removeEventListener("resize", measure);
		};
	}, [height, rows.length]);

	const key = sort.replace(/^-/, "");
	const isDown = sort.startsWith("-");
	const widths = {
		"--columns": columns.map(({ width }) => width).join(" "),
		"--fewer-columns": columns
			.filter(({ isSpare }) => isSpare !== true)
			.map(({ width }) => width)
			.join(" "),
	};
	const classOf = ({ key: name, isNumber, isSpare }: Column<Row>) => `c-${name} ${isNumber ? "number" : ""} ${isSpare ? "spare" : ""}`;
	const shown = rows.slice(view.from, view.to);
	if (rows.length === 0) return <>{empty}</>;
	return (
		<div class={`table ${isNarrow ? "cards" : ""}`} style={widths} role="table" aria-label={label} aria-rowcount={rows.length + 1}>
			<div class="head" role="rowgroup">
				<div class="tr" role="row" aria-rowindex={1}>
					{columns.map((column) => (
						<div
							key={column.key}
							role="columnheader"
							class={classOf(column)}
							aria-sort={column.key !== key ? "none" : isDown ? "descending" : "ascending"}
						>
							{column.by === undefined ? (
								column.title
							) : (
								<button type="button" onClick={() => onSort(column.key === key && !isDown ? `-${column.key}` : column.key)}>
									{column.title}
									{column.key === key && <Icon name={isDown ? "down" : "up"} />}
								</button>
							)}
						</div>
					))}
				</div>
			</div>
			<div class="body" role="rowgroup" ref={body} style={{ height: `${rows.length * height}px` }}>
				{shown.map((row, index) => (
					<div
						key={id(row)}
						class="tr"
						role="row"
						tabIndex={0}
						data-row={id(row)}
						aria-rowindex={view.from + index + 2}
						style={{ top: `${(view.from + index) * height}px` }}
						onClick={() => open?.(row)}
						onKeyDown={(event) => {
							if (event.key === "Enter" && event.target === event.currentTarget) open?.(row);
						}}
					>
						{columns.map((column) => (
							<div key={column.key} role="cell" class={`${classOf(column)} at-${column.card ?? "none"}`}>
								{column.cell(row)}
							</div>
						))}
					</div>
				))}
			</div>
		</div>
	);
}
