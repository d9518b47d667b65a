/**
 * What `npm run dev` runs: the Worker, behind a door that lets this machine's programs and pages in alone, and with its database brought up
 * to date before the first call. Bundled by dev-worker.ts, which binds what is read here; no deploy contains it.
 */
import type { Env } from "../src/rpc/env.ts";
import worker from "../src/worker.ts";
import { type Door, refusalOf } from "../test/cloud/callers.ts";
import { type Migration, migrate } from "./dev-migrations.ts";

export { Pool } from "../src/worker.ts";

export interface DevEnv extends Env {
	readonly DEV_DOOR: Door;
	readonly DEV_MIGRATIONS: readonly Migration[];
}

let migrated: Promise<void> | null = null;

/** Resolves when the database is up to date; tried again where it failed. */
function isMigrated(env: DevEnv): Promise<void> {
	migrated ??= migrate(env.DB, env.DEV_MIGRATIONS).catch((error: unknown) => {
		migrated = null;
		throw error;
	});
	return migrated;
}

export default {
	async fetch(request, env, context) {
		const refusal = refusalOf(request.method, request.headers, env.DEV_DOOR);
		if (refusal !== null) return new Response(`${refusal}\n`, { status: 403 });
		await isMigrated(env);
		return worker.fetch(request, env, context);
	},
	async scheduled(controller, env) {
		await isMigrated(env);
		await worker.scheduled(controller, env);
	},
} satisfies ExportedHandler<DevEnv>;
