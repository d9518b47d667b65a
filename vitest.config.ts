import { availableParallelism } from "node:os";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { buildAssets } from "./scripts/assets.ts";
import { retried } from "./scripts/retried.ts";
import { POOL_NAMESPACE, SETTINGS as UPGRADE_SETTINGS } from "./test/upgrade/settings.ts";
import { newWorld } from "./test/worker/pool/world.ts";

// The Worker's configuration names their directory, which a fresh clone does not have.
await buildAssets();

/** Runs in Node. */
const node = (name: string, timeoutSeconds: number, extra = {}) => ({
	test: {
		name,
		include: [`test/${name}/**/*.test.ts`],
		// These are vitest.long.config.ts's.
		exclude: ["**/*.long.test.ts", "**/node_modules/**"],
		testTimeout: timeoutSeconds * 1000,
		hookTimeout: timeoutSeconds * 1000,
		...extra,
	},
});

/** Runs inside workerd, with real D1 and Durable Objects. */
const workerd = (name: string, include: string, miniflare = () => ({}), bindings = {}, extra = {}) => ({
	plugins: [
		// Called for each file that runs alone, or once.
		cloudflareTest(async () => ({
			wrangler: { configPath: "./wrangler.toml" },
			miniflare: { ...miniflare(), bindings: { TEST_MIGRATIONS: await readD1Migrations("./migrations"), ...bindings } },
		})),
	],
	test: {
		name,
		include: [include],
		setupFiles: ["test/worker/setup.ts"],
		testTimeout: 60_000,
		// What fails before the tests is not tried again.
		hookTimeout: 120_000,
		// The plug-in, as of 1.5.0, hands on the code of vitest's cache without its source maps: stacks would name lines of the output.
		fsModuleCache: false,
		// What an object prints goes to the reporter as a call, and for one of an object that a test has crashed it would wait without end.
		disableConsoleIntercept: true,
		...extra,
	},
});

/** Of a closed deployment without pools; a test that needs other settings calls the Worker with its own. */
const API_SETTINGS = { AUTH_KEY: "the-admin-key-of-the-tests", PROXY_USERNAME: "user", PROXY_PASSWORD: "p@ss/w:rd" };

/** What the pools under test are told; their cloud is the local one, inside this process. */
const POOL_SETTINGS = {
	PUBLIC_URL: "https://muster.test",
	PROXY_USERNAME: "user",
	PROXY_PASSWORD: "pass",
	ALLOW_ANONYMOUS: "True",
	// Reactor's own examples set the key "bar".
	ALLOW_SHORT_KEY: "True",
	// And the address http://example.com.
	ALLOW_INSECURE_URL: "True",
	ENCRYPTION_KEY: "the-encryption-key-of-the-tests",
	DIGITALOCEAN_ENABLED: "True",
	DIGITALOCEAN_ACCESS_TOKEN: "local-pool-tests",
	DIGITALOCEAN_API_URL: "http://cloud.test/digitalocean",
	DIGITALOCEAN_MIN_SCALING: "1",
	DIGITALOCEAN_MAX_SCALING: "3",
};

/** Tests that wait for real time more than they work: more of them at once than there are processors, and apart from those that do work. */
const WAITING = { maxWorkers: 5, sequence: { groupOrder: 1 } };

/** One project: `npx vitest run --project unit`; one file: add its name. */
export default defineConfig({
	test: {
		// The default leaves one of two processors idle while a file waits.
		maxWorkers: Math.max(2, availableParallelism() - 1),
		reporters: ["default", retried],
		projects: [
			node("unit", 60, { isolate: false }),
			node("cloud", 90),
			node("simulation", 600, { maxConcurrency: 2 }),
			// Loading the Worker anew for each file would take three times what its tests take.
			workerd("worker", "test/worker/*.test.ts", () => ({}), API_SETTINGS, { isolate: false }),
			// Not part of `npm test`: `npm run test:sdks` installs what it needs.
			node("sdks", 120),

			node("agent", 150, WAITING),
			node("gateway", 60, WAITING),
			node("e2e", 180, WAITING),
			workerd("pool", "test/worker/pool/*.test.ts", () => ({ outboundService: newWorld() }), POOL_SETTINGS, {
				...WAITING,
				isolate: false,
				setupFiles: ["test/worker/pool/setup.ts", "test/worker/setup.ts"],
			}),
			// D1 has the tables of the earlier version, until the test brings them up to date.
			workerd("upgrade", "test/upgrade/*.test.ts", () => ({ outboundService: newWorld(), ...POOL_NAMESPACE }), UPGRADE_SETTINGS, {
				setupFiles: [],
				...WAITING,
			}),

			// After all others: it measures how soon things happen, with the machine to itself.
			node("timed", 180, { maxWorkers: 3, sequence: { groupOrder: 2 } }),
		],
	},
});
