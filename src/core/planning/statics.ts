import { isStatic } from "../model/statics.ts";
import { Table } from "../model/table.ts";
import type { Draft } from "./draft.ts";

/** What is not configured any more is forgotten. */
export function settleStatics(draft: Draft): void {
	const { statics } = draft.state;
	if (statics.size === 0) return;
	const kept = Table.of([...statics].filter(([id]) => isStatic(draft.state, id)));
	if (kept.size < statics.size) draft.state = { ...draft.state, statics: kept };
}
