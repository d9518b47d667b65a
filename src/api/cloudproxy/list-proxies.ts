import { accepts } from "hono/accepts";
import { z } from "zod";
import { type ColdPage, pageCold } from "../../db/cold.ts";
import { coldRead, keepSome, type ReadyProxy, readReady } from "../../db/ready.ts";
import { isEverything, pageFrom, selectFrom } from "../../db/select.ts";
import { type AppContext, Endpoint, metadata } from "../context.ts";
import { stateAge } from "../headers.ts";
import { readyProxy } from "./proxy.ts";
import { selectionOf, selectionQuery } from "./selection.ts";
import { ADMIN_FAULTS, faults, json, PROXY_LIST, ProxyList, wholeNumber } from "./shapes.ts";

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
			limit: wholeNumber(1, 100).default(10).openapi({ description: "How many to list at most.", example: 10 }),
			...selectionQuery,
		}),
	},
	responses: {
		200: json("One page of the ready proxies.", ProxyPage),
		...faults(422),
		...ADMIN_FAULTS,
	},
};

/** `GET /`: the ready proxies; `version` is what clients of the other dialect look for at the root. */
export class ListProxies extends Endpoint {
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		const { query } = await this.getValidatedData<typeof schema>();
		const wanted = selectionOf(query);
		const cold = isEverything(wanted) ? await pageAlone(c, query.offset, query.limit) : null;
		if (cold) return answer(c, cold.total, cold.proxies);
		const { snapshot, ageMs } = await readReady(c.env.DB, Date.now());
		stateAge(c, ageMs);
		const selected = selectFrom(snapshot, wanted);
		return answer(c, selected.readyCount, pageFrom(selected, wanted.session, query.offset, query.limit));
	}
}

function answer(c: AppContext, total: number, proxies: readonly ReadyProxy[]): Response {
	return c.json({ metadata: metadata(c), total, proxies: proxies.map(readyProxy), version: "1.1" });
}

/** One page without the whole list, where this isolate does not hold that. Null: read the list. */
async function pageAlone(c: AppContext, offset: number, limit: number): Promise<ColdPage | null> {
	const { DB } = c.env;
	const now = Date.now();
	const { isCold, isSnapshotDue } = coldRead(now);
	if (!isCold) return null;
	// Whoever reads the list next says what is wrong, or has what was read before.
	const page = await pageCold(DB, offset, limit).catch(() => null);
	if (page) keepSome(page.heads, now);
	if (page && isSnapshotDue) c.executionCtx.waitUntil(readReady(DB, now).catch(() => undefined));
	return page;
}

/** Whether the caller is a browser that would rather see a page than JSON. */
export function prefersPage(c: AppContext): boolean {
	return accepts(c, { header: "Accept", supports: ["application/json", "text/html"], default: "application/json" }) === "text/html";
}
