import type { PoolRpc } from "./pool.ts";

/** What the platform binds (wrangler.toml), beside the settings that `readConfig` reads. */
export interface Env {
	readonly DB: D1Database;
	readonly POOL: DurableObjectNamespace<PoolRpc & Rpc.DurableObjectBranded>;
	/** Files of the documentation page; see scripts/assets.ts. */
	readonly ASSETS: Fetcher;
	/** Of the deploy that runs; missing in development. */
	readonly VERSION?: { readonly id: string; readonly tag: string };
	readonly [setting: string]: unknown;
}
