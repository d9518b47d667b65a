/** How static backends were found: proxies that others run. */
import type { Ms } from "./basics.ts";
import { record, table, value } from "./shape.ts";
import { promptVital, type Slice, shown, vital } from "./slice.ts";
import type { Table } from "./table.ts";

/** Probes that failed in a row, and since when it is up, or down. */
export interface StaticHealth {
	readonly isUp: boolean;
	readonly failures: number;
	readonly since: Ms;
}

export interface BackendFields {
	/** By their ids (`statics.ts`); those never probed are left out. Five thousand have no room in the row of facts. */
	readonly statics: Table<StaticHealth>;
	/** When each was last probed; 0: never. What is due is found by it (`effects/probe-static.ts`). */
	readonly staticsProbed: Table<Ms>;
}

export const backendSlice: Slice<BackendFields> = {
	statics: shown(promptVital(table(record<StaticHealth>({ isUp: value<boolean>(false), failures: value(0), since: value(0) })))),
	staticsProbed: vital(table(value(0))),
};
