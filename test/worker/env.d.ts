/** The types of what `cloudflare:workers` hands to the tests: `env`, and the Worker's own exports. */
declare namespace Cloudflare {
	interface Env {
		DB: D1Database;
		POOL: DurableObjectNamespace<import("../../src/pool/pool.ts").Pool>;
		ASSETS: Fetcher;
		TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
	}
	interface GlobalProps {
		mainModule: typeof import("../../src/worker.ts");
		durableNamespaces: "Pool";
	}
}
