import { z } from "zod";
import { pickCold } from "../../read-model/cold.ts";
import { type ReadyProxy, readReady, snapshotOf } from "../../read-model/ready.ts";
import { EVERYTHING, pickFrom, selectFrom } from "../../read-model/select.ts";
import { type AppContext, Endpoint, hasQuery, metadata } from "../base/context.ts";
import { stateAge } from "../base/headers.ts";
import { readAlone } from "./alone.ts";
import { readyProxy } from "./proxy.ts";
import { nothingReady, selectionOf, selectionQuery } from "./selection.ts";
import { ADMIN_FAULTS, faults, json, ProxyAnswer } from "./shapes.ts";
import { wakeFor } from "./wake.ts";

const schema = {
	operationId: "getRandomProxy",
	tags: ["Proxies"],
	summary: "Get one ready proxy at random",
	description:
		"Each ready proxy that is asked for is equally likely; with `session`, always the same one. What is known may be one second old; the Age header says when it is older. A pool that is empty while nobody uses it starts a proxy when it is asked for; 503 with Retry-After meanwhile.",
	request: { query: z.object(selectionQuery) },
	responses: { 200: json("One ready proxy.", ProxyAnswer), ...faults(404, 422), ...ADMIN_FAULTS },
};

/** `GET /random`. Nothing ready: 503 while a pool is starting, or starts a proxy for this request; else 404. */
export class GetRandomProxy extends Endpoint {
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		// Nothing is asked for mostly, and then there is nothing to check.
		const wanted = hasQuery(c) ? selectionOf((await this.getValidatedData<typeof schema>()).query) : EVERYTHING;
		const cold = wanted === EVERYTHING ? await readAlone(c, pickCold, ({ pool }) => snapshotOf([pool])) : null;
		if (cold) return answer(c, cold);
		const { snapshot, ageMs } = await readReady(c.env.DB, Date.now(), (work) => c.executionCtx.waitUntil(work));
		stateAge(c, ageMs);
		const picked = pickFrom(selectFrom(snapshot, wanted), wanted.session, Math.random);
		if (!picked) throw (await wakeFor(c, snapshot, wanted)) ?? nothingReady(c.get("config"), snapshot, wanted);
		return answer(c, picked);
	}
}

function answer(c: AppContext, proxy: ReadyProxy): Response {
	return c.json({ metadata: metadata(c), message: "Random proxy retrieved successfully", proxy: readyProxy(proxy) });
}
