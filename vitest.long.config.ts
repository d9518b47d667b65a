import { defineConfig } from "vitest/config";

/** What is too long for each test run: `npm run test:long`. */
export default defineConfig({
	test: {
		include: ["test/**/*.long.test.ts"],
		testTimeout: 1_200_000,
		// Each of them keeps two processors busy.
		fileParallelism: false,
		maxConcurrency: 2,
	},
});
