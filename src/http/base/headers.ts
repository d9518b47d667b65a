import type { AppContext } from "./context.ts";

/** States how old the data in an answer is, where D1 fails and it is older than promised (RFC 9111, Age: whole seconds). */
export function stateAge(c: AppContext, ageMs: number | null): void {
	if (ageMs !== null) c.header("Age", String(Math.ceil(ageMs / 1_000)));
}
