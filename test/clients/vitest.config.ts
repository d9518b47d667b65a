import { defineConfig } from "vitest/config";

/** Apart from `npm test`: it needs the clients that `scripts/test-clients-install.sh` installs. */
export default defineConfig({
	test: {
		name: "clients",
		root: import.meta.dirname,
		include: ["*.test.ts"],
		testTimeout: 400_000,
		hookTimeout: 60_000,
		reporters: ["verbose"],
	},
});
