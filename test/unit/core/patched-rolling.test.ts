import { expect, test } from "vitest";
import { apply } from "../../../src/core/apply.ts";
import type { Settings } from "../../../src/core/model/command.ts";
import type { PatchedRolling, Rolling, State } from "../../../src/core/model/state.ts";
import { newState } from "../../../src/core/model/state.ts";

const ENVIRONMENT: Rolling = { enabled: false, minAvailable: 3, batchSize: 2 };
const WANTED: Rolling = { enabled: true, minAvailable: 4, batchSize: 1 };
const PATCHED: PatchedRolling = { ...WANTED, environment: ENVIRONMENT };

const born = newState({ object: "o", provider: "aws", name: "default", deployment: "d", incarnation: 1, tag: "t" }, 1);
const configured = (state: State, rolling: Rolling): State => {
	const settings: Settings = {
		spec: { ...born.spec, rolling },
		suspended: null,
		agentUrl: null,
		credentials: null,
		allow: [],
		fromEnvironment: true,
	};
	return apply(state, { on: "command", command: { do: "configure", settings, account: "" } }, 2);
};
const told = (state: State, patched: PatchedRolling | null, environment = ENVIRONMENT) =>
	apply(state, { on: "rolling", patched, environment }, 3);

test("rolling settings that an operator gave hold at once, and no configuration undoes them", () => {
	const patched = told(configured(born, ENVIRONMENT), PATCHED);
	expect(patched.spec.rolling).toEqual(WANTED);
	expect(patched.log.at(-1)?.text).toBe("rolling deployment is on, at most 1 at a time, at least 4 ready");
	expect(configured(patched, ENVIRONMENT)).toBe(patched);
	expect(told(patched, { ...PATCHED }), "told again").toBe(patched);
});

test("they are void once the environment says something else, and not before the pool hears of either", () => {
	const patched = told(configured(born, ENVIRONMENT), PATCHED);
	const changed = { ...ENVIRONMENT, batchSize: 7 };
	expect(configured(patched, changed).spec.rolling).toEqual(changed);
	expect(told(patched, PATCHED, changed).spec.rolling).toEqual(changed);
	expect(told(patched, null).spec.rolling).toEqual(ENVIRONMENT);
});

test("a pool that is told of none changes nothing", () => {
	const state = configured(born, ENVIRONMENT);
	expect(told(state, null)).toBe(state);
});
