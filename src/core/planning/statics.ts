import type { StaticBackend, StaticHealth } from "../model/state.ts";
import { isStatic } from "../model/statics.ts";
import { Table } from "../model/table.ts";
import type { Draft } from "./draft.ts";

/** What of a list was seen to hold nothing else: there are thousands, and it is asked at each plan. */
const settled = new WeakMap<readonly StaticBackend[], Table<StaticHealth>>();

/** What is not configured any more is forgotten. */
export function settleStatics(draft: Draft): void {
	const { state } = draft;
	const { statics, staticsProbed, spec } = state;
	if (statics.size === 0 && staticsProbed.size === 0) return;
	if (settled.get(spec.statics) === statics && staticsProbed.size <= spec.statics.length) return;
	const known = <T>(table: Table<T>) => Table.of([...table].filter(([id]) => isStatic(state, id)));
	const [kept, probed] = [known(statics), known(staticsProbed)];
	const isSettled = kept.size === statics.size;
	settled.set(spec.statics, isSettled ? statics : kept);
	if (isSettled && probed.size === staticsProbed.size) return;
	draft.state = { ...state, statics: isSettled ? statics : kept, staticsProbed: probed };
}
