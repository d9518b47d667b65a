import type { Ms, StaticBackend, StaticHealth } from "../model/state.ts";
import { backendsOf } from "../model/statics.ts";
import { differences, Table } from "../model/table.ts";
import type { Draft } from "./draft.ts";

interface Settled {
	readonly statics: Table<StaticHealth>;
	readonly probed: Table<Ms>;
}
const NOTHING: Settled = { statics: Table.empty(), probed: Table.empty() };

/** What was last seen to hold nothing but a list's own: there are thousands, and it is asked at each plan. */
const settled = new WeakMap<readonly StaticBackend[], Settled>();

/** What is not configured any more is forgotten, and what is new waits for its first probe. */
export function settleStatics(draft: Draft): void {
	const { state } = draft;
	const { statics, staticsProbed, spec } = state;
	if (spec.statics.length === 0 && statics.size === 0 && staticsProbed.size === 0) return;
	const backends = backendsOf(spec.statics);
	const before = settled.get(spec.statics) ?? NOTHING;
	const isOwn = (id: string) => backends.has(id);
	const kept = only(isOwn, before.statics, statics);
	let probed = only(isOwn, before.probed, staticsProbed);
	if (probed.size < backends.size) probed = Table.of([...[...backends.keys()].map((id): [string, Ms] => [id, 0]), ...probed]);
	settled.set(spec.statics, { statics: kept, probed });
	if (kept !== statics || probed !== staticsProbed) draft.state = { ...state, statics: kept, staticsProbed: probed };
}

/** A table without what is not meant, itself where all is. `before` held nothing else: only what differs from it is looked at. */
function only<Value>(isMeant: (id: string) => boolean, before: Table<Value>, table: Table<Value>): Table<Value> {
	for (const [id, , value] of differences(before, table))
		if (value !== undefined && !isMeant(id)) return Table.of([...table].filter(([key]) => isMeant(key)));
	return table;
}
