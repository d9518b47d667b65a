import type { Id, Proxy, State } from "../../../src/core/model/state.ts";
import type { Draft } from "../../../src/core/planning/draft.ts";

/** Decides as if some fields of the state were others. What is decided stays, but those fields are afterwards what they were. */
export function asIf<Answer>(draft: Draft, change: Partial<State>, decide: () => Answer): Answer {
	const before = draft.state;
	const pretended = { ...before, ...change };
	draft.state = pretended;
	const answer = decide();
	const kept = Object.fromEntries(Object.entries(before).filter(([key]) => Object.hasOwn(change, key)));
	draft.state = draft.state === pretended ? before : { ...draft.state, ...kept };
	return answer;
}

/** The state with one of its proxies changed; as it is where it has no such proxy, or the change says null. */
export function withChanged(state: State, id: Id, change: (proxy: Proxy) => Partial<Proxy> | null): State {
	const proxy = state.proxies.get(id);
	const changed = proxy === undefined ? null : change(proxy);
	return proxy === undefined || changed === null ? state : { ...state, proxies: state.proxies.with(id, { ...proxy, ...changed }) };
}
