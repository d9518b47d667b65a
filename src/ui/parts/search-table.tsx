/** A table under its heading that is searched and sorted; both stand in the address. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { refine, route } from "../model/route.ts";
import { Empty } from "./basics.tsx";
import { type Column, sorted, Table } from "./table.tsx";

interface SearchTableProps<Row> {
	/** What its rows are, in the plural. */
	readonly title: string;
	readonly label?: string;
	readonly columns: readonly Column<Row>[];
	readonly rows: readonly Row[];
	readonly id: (row: Row) => string;
	/** What of a row is searched. */
	readonly texts: (row: Row) => readonly (string | null | undefined)[];
	/** The search's name in the address. */
	readonly param?: string;
	readonly placeholder: string;
	/** What the search is called for those who do not see it. */
	readonly named: string;
	readonly usualSort?: string;
	readonly open?: (row: Row) => void;
	/** A further choice beside the search: what it leaves, and its name in the address. */
	readonly choice?: { readonly param: string; readonly control: ComponentChildren; readonly isMeant: (row: Row) => boolean };
	/** Where there is no row at all. */
	readonly empty: ComponentChildren;
	/** Where no row has what is searched. */
	readonly missing?: (wanted: string) => ComponentChildren;
}

export function SearchTable<Row>({
	title,
	label = title,
	columns,
	rows,
	id,
	texts,
	param = "filter",
	placeholder,
	named,
	usualSort = "",
	open,
	choice,
	empty,
	missing,
}: SearchTableProps<Row>) {
	const { query } = route.value;
	const [given, sort, chosen] = [query.get(param) ?? "", query.get("sort") ?? usualSort, query.get(choice?.param ?? "") ?? ""];
	const wanted = given.trim().toLowerCase();
	const shown = useMemo(() => {
		const has = (row: Row) => wanted === "" || texts(row).some((text) => text?.toLowerCase().includes(wanted));
		return sorted(
			rows.filter((row) => (choice === undefined || choice.isMeant(row)) && has(row)),
			columns,
			sort,
		);
	}, [rows, wanted, sort, chosen, columns]);
	const key = title.toLowerCase().replace(/\W+/g, "-");
	return (
		<section aria-labelledby={key}>
			<div class="heading">
				<h2 id={key}>
					{title} <span class="dim">{shown.length === rows.length ? rows.length : `${shown.length} of ${rows.length}`}</span>
				</h2>
				<div class="filters">
					<input
						type="search"
						placeholder={placeholder}
						aria-label={named}
						value={given}
						onInput={(event) => refine({ [param]: event.currentTarget.value })}
					/>
					{choice?.control}
				</div>
			</div>
			<Table
				label={label}
				columns={columns}
				rows={shown}
				id={id}
				sort={sort}
				onSort={(next) => refine({ sort: next })}
				{...(open === undefined ? {} : { open })}
				empty={
					rows.length === 0 && (missing === undefined || wanted === "")
						? empty
						: (missing?.(given.trim()) ?? (
								<Empty title={`None of the ${title.toLowerCase()} matches`}>
									<button type="button" onClick={() => refine({ [param]: "", ...(choice === undefined ? {} : { [choice.param]: "" }) })}>
										Show all
									</button>
								</Empty>
							))
				}
			/>
		</section>
	);
}
