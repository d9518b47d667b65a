import { isAgentUrlKnown, settleSetting } from "../d1/settings.ts";
import { readFacts, tickPools } from "../fleet/fleet.ts";
import type { AppContext } from "./base/context.ts";

/** Nothing more to learn in this isolate: an address for agents is known. */
let isKnown = false;

/**
 * Remembers the https origin of the first request with a valid key as the address that agents call, where neither an
 * operator nor PUBLIC_URL names one, and tells the pools, which launch nothing before they know it. Call it without
 * waiting: the request does not depend on it.
 */
export async function rememberOrigin(c: AppContext): Promise<void> {
	if (isKnown || c.get("config").global.publicUrl !== null) return;
	const { origin, protocol, hostname } = new URL(c.req.url);
	if (protocol !== "https:" || isPreview(hostname)) return;
	try {
		isKnown = await isAgentUrlKnown(c.env.DB);
		if (isKnown) return;
		await settleSetting(c.env.DB, "origin", origin);
		isKnown = true;
		await tickPools(c.env, await readFacts(c.env));
	} catch (error) {
		console.warn(`origin: ${error instanceof Error ? error.message : "failed"} It will be remembered at a later request.`);
	}
}

/** A new isolate's state. For tests. */
export function forgetOrigin(): void {
	isKnown = false;
}

/**
 * Whether a host name is that of one version of a Worker and not of the deployment: `<version>-<name>.<account>.workers.dev`
 * with the first eight hex digits of the version's id (https://developers.cloudflare.com/workers/configuration/previews/).
 * An alias preview (`<alias>-<name>`) cannot be told from a Worker of that name; PUBLIC_URL settles it.
 */
export function isPreview(hostname: string): boolean {
	return /^[0-9a-f]{8}-[^.]+\.[^.]+\.workers\.dev$/i.test(hostname);
}
