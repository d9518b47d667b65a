import { tend } from "./fleet/fleet.ts";
import { app } from "./http/app.ts";
import type { Env } from "./rpc/env.ts";

export { Pool } from "./pool/pool.ts";

/** The Worker: HTTP, and once a minute what keeps pools alive. Everything else a pool does by itself, in its own object. */
export default {
	fetch: app.fetch,
	async scheduled(controller, env) {
		await tend(env, controller.scheduledTime);
	},
} satisfies ExportedHandler<Env>;
