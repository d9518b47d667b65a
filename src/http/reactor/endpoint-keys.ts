import { Cached } from "../../d1/database.ts";
import { listPools } from "../../d1/directory.ts";
import { eachPool } from "../../fleet/fleet.ts";
import { opens } from "../../pool/endpoint.ts";
import { askPool } from "../../rpc/reach.ts";
import type { EndpointConfiguration } from "../../settings/configuration.ts";
import { logWarning } from "../../values/log.ts";
import type { AppContext } from "../base/context.ts";

/**
 * Whether a key is any endpoint's own, where the request is about no endpoint. Whoever sends made-up keys must not make the Worker ask
 * every pool for each: what their configurations say of keys, which is no secret, is kept for a minute in this isolate.
 */
const STALENESS_MS = 60_000;
/** The free plan allows some dozens of calls in one request. */
const MOST_POOLS = 30;

const verifiers = new Cached<readonly EndpointConfiguration[]>("endpoints' keys", () => STALENESS_MS);

/** Forgets what this isolate knows of them, after a configuration was changed. */
export function forgetEndpointKeys(): void {
	verifiers.forget();
}

/** False where D1 or the pools do not answer: then nobody knows. */
export async function isAnyEndpointsKey(c: AppContext, given: string, now: number): Promise<boolean> {
	try {
		const { value } = await verifiers.read(now, () => readVerifiers(c));
		return value.some((configuration) => opens(configuration, given));
	} catch (error) {
		logWarning("endpoints' keys", error);
		return false;
	}
}

async function readVerifiers(c: AppContext): Promise<readonly EndpointConfiguration[]> {
	const pools = (await listPools(c.env.DB)).filter(({ removedAt }) => removedAt === null).slice(0, MOST_POOLS);
	const read = await eachPool(pools, ({ object }) => askPool(c.env, object, (pool) => pool.configuration()).catch(() => null));
	return read.flatMap((configuration) => (configuration?.endpoint?.auth_hash ? [{ endpoint: configuration.endpoint }] : []));
}
