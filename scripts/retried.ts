import type { Reporter } from "vitest/node";

/** Names, at a run's end, the tests that passed at a second try only (`--retry=1`), and what the first one failed of. */
export const retried: Reporter = {
	onTestRunEnd(modules) {
		const tests = modules.flatMap((module) => [...module.children.allTests()]).filter((test) => test.diagnostic()?.flaky === true);
		if (tests.length === 0) return;
		console.log(`\n${tests.length} passed only when tried again:`);
		for (const test of tests) {
			const { errors = [] } = test.result();
			const reasons = errors.map(({ message }) => `\n   ${message.split("\n")[0]}`);
			console.log(` ↻ ${test.project.name} ${test.module.relativeModuleId} > ${test.fullName}${reasons.join("")}`);
		}
	},
};
