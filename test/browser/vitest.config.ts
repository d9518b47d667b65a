import { defineConfig } from "vitest/config";

/** `npm run test:browser`: the console in Debian's Chromium (`apt-get install chromium`, or CHROMIUM names another), on a fleet of `npm run dev`. */
export default defineConfig({
	test: {
		name: "browser",
		include: ["test/browser/*.test.ts"],
		testTimeout: 120_000,
		hookTimeout: 180_000,
		fileParallelism: false,
		// A browser on a busy machine misses a moment now and then; what is broken fails again.
		retry: 1,
	},
});
