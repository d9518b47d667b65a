import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/**
 * `unit`, `simulation`, `agent`, `cloud` and `e2e` run in Node, `worker` inside workerd with real D1 and Durable Objects.
 * One project: `npx vitest run --project unit`; one file: add its name.
 */
const node = (name: string, timeoutSeconds: number, extra = {}) => ({
	test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: timeoutSeconds * 1000, hookTimeout: timeoutSeconds * 1000, ...extra },
});

export default defineConfig({
	test: {
		projects: [
			node("unit", 20),
			node("cloud", 30),
			node("agent", 60),
			node("simulation", 600),
			node("e2e", 180, { fileParallelism: false }),
			{
				plugins: [
					cloudflareTest(async () => ({
						wrangler: { configPath: "./wrangler.toml" },
						miniflare: { bindings: { TEST_MIGRATIONS: await readD1Migrations("./migrations") } },
					})),
				],
				test: { name: "worker", include: ["test/worker/**/*.test.ts"], setupFiles: ["test/worker/setup.ts"], testTimeout: 30_000 },
			},
		],
	},
});
