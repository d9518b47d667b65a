import { accepts } from "hono/accepts";
import { z } from "zod";
import { pageCold } from "../../read-model/cold.ts";
import { type ReadyProxy, readReady } from "../../read-model/ready.ts";
import { EVERYTHING, isEverything, pageFrom, type Selection, selectFrom } from "../../read-model/select.ts";
import { type AppContext, Endpoint, hasQuery, metadata } from "../base/context.ts";
import { stateAge } from "../base/headers.ts";
import { readAlone } from "./alone.ts";
import { readyProxy } from "./proxy.ts";
import { selectionOf, selectionQuery } from "./selection.ts";
import { ADMIN_FAULTS, faults, json, PROXY_LIST, ProxyList, wholeNumber } from "./shapes.ts";

const USUAL_LIMIT = 10;
const MAX_LIMIT = 100;

const ProxyPage = ProxyList.extend({ version: z.literal("1.1") }).openapi("ProxyPage", { example: { ...PROXY_LIST, version: "1.1" } });

const schema = {
	operationId: "listProxies",
	tags: ["Proxies"],
	summary: "List the ready proxies",
	description:
		"Those queued for destruction or restart are neither listed nor counted. With `session` they are in the order in which that session would use them: the first is the one that `/random` gives it. What is shown may be one second old.",
	request: {
		query: z.object({
			offset: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0).openapi({ description: "How many to pass over.", example: 0 }),
			limit: wholeNumber(1, MAX_LIMIT).default(USUAL_LIMIT).openapi({ description: "How many to list at most.", example: USUAL_LIMIT }),
			...selectionQuery,
		}),
	},
	responses: {
		200: json("One page of the ready proxies.", ProxyPage),
		...faults(422),
		...ADMIN_FAULTS,
	},
};

interface Page {
	readonly offset: number;
	readonly limit: number;
	readonly wanted: Selection;
}

/** `GET /`: the ready proxies; `version` is what clients of the other dialect look for at the root. */
export class ListProxies extends Endpoint {
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		const { offset, limit, wanted } = plainPage(c) ?? (await this.checked());
		const cold = isEverything(wanted)
			? await readAlone(
					c,
					(db) => pageCold(db, offset, limit),
					({ heads }) => heads,
				)
			: null;
		if (cold) return answer(c, cold.total, cold.proxies);
		const { snapshot, ageMs } = await readReady(c.env.DB, Date.now(), (work) => c.executionCtx.waitUntil(work));
		stateAge(c, ageMs);
		const selected = selectFrom(snapshot, wanted);
		return answer(c, selected.readyCount, pageFrom(selected, wanted.session, offset, limit));
	}

	private async checked(): Promise<Page> {
		const { query } = await this.getValidatedData<typeof schema>();
		return { offset: query.offset, limit: query.limit, wanted: selectionOf(query) };
	}
}

/** What a query of nothing but a right `limit` asks for, or none: to check it by the schema takes as long as to answer it. Null: check it. */
function plainPage(c: AppContext): Page | null {
	const limit = hasQuery(c) ? Number(/\?limit=(\d{1,3})$/.exec(c.req.url)?.[1] ?? 0) : USUAL_LIMIT;
	return limit >= 1 && limit <= MAX_LIMIT ? { offset: 0, limit, wanted: EVERYTHING } : null;
}

function answer(c: AppContext, total: number, proxies: readonly ReadyProxy[]): Response {
	return c.json({ metadata: metadata(c), total, proxies: proxies.map(readyProxy), version: "1.1" });
}

/** Whether the caller is a browser that would rather see a page than JSON. */
export function prefersPage(c: AppContext): boolean {
	return accepts(c, { header: "Accept", supports: ["application/json", "text/html"], default: "application/json" }) === "text/html";
}
