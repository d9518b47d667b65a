import { expect, test } from "vitest";
import type { Proxy, State } from "../../../src/core/model/state.ts";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

const planned = (state: State) => plan(state, NOW, () => 0.5).state;

/** The pool after a plan that found it sound, with one proxy changed since. */
function changed(change: Partial<Proxy>): State {
	const sound = planned(poolOf(300, () => ({})));
	expect(sound.breach).toBe(null);
	const [first] = sound.proxies.values();
	if (first === undefined) throw new Error("there is no proxy");
	return { ...sound, proxies: sound.proxies.with(first.id, { ...first, ...change }) };
}

test.each<[string, Partial<Proxy>, RegExp]>([
	["has another's VM", { phase: { at: "ready", vm: "vm-299" } }, /^VM vm-299 belongs to two intents/],
	["is ready without an address", { address: null }, /is ready without an address/],
])("a pool that was sound is stopped once a proxy of it %s", (_, change, breach) => {
	expect(planned(changed(change)).breach).toMatch(breach);
});

test("what no promise is about stops nothing", () => {
	expect(planned(changed({ credentials: 7 })).breach).toBe(null);
});
