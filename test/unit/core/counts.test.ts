import { expect, test } from "vitest";
import { plan } from "../../../src/core/plan.ts";
import { NOW, poolOf } from "../fake-ports.ts";

test("the log tells how many proxies there are and how many of them ready, once for each change", () => {
	const start = { ...poolOf(2, (index) => (index === 0 ? {} : { phase: { at: "booting", vm: "vm-1" } })), counted: { all: 1, ready: 1 } };
	const once = plan(start, NOW, () => 0.5).state;
	expect(once.log.map(({ text }) => text)).toEqual(["instances 1 => 2, ready 1 => 1"]);
	expect(plan(once, NOW, () => 0.5).state.logSeq).toBe(once.logSeq);
});
