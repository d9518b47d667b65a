import { z } from "zod";
import { readOrderedCredentials } from "../../d1/settings.ts";
import { inForce } from "../../fleet/credentials.ts";
import { readReady } from "../../read-model/ready.ts";
import { pageFrom, selectFrom } from "../../read-model/select.ts";
import type { ReadyProxy, Snapshot } from "../../read-model/snapshot.ts";
import { type AppContext, hasQuery, laterOf, Operation, stateAge, textAnswer } from "../base/context.ts";
import { Conflict } from "../base/errors.ts";
import { isHeld, tagOf } from "../base/etag.ts";
import { formatOf, inFormat } from "./formats.ts";
import { readyProxy } from "./proxies.ts";
import { requireKnown, selectionOf, selectionQuery } from "./selection.ts";
import { ADMIN_FAULTS, faults, wholeNumber } from "./shapes.ts";

const pageQuery = {
	offset: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0).openapi({ description: "How many to pass over.", example: 0 }),
	limit: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional().openapi({ description: "How many to list at most; all unless given." }),
	...selectionQuery,
};

const textSchema = {
	operationId: "getProxyList",
	tags: ["Proxies"],
	summary: "List the ready proxies as text",
	description:
		"All of them, a line each, in an order that stays while nothing changes; with `session`, in the order in which that session would use them. It does not start proxies. What is shown may be one second old; Age says how old it is.",
	request: { query: z.object({ format: formatOf("url"), ...pageQuery }) },
	responses: {
		200: { description: "The list; empty where nothing is ready.", content: { "text/plain": { schema: z.string() } } },
		304: { description: "It is what the caller has." },
		...faults(422),
		...ADMIN_FAULTS,
	},
};

/** `GET /proxies.txt`: the ready proxies in a format that other tools read. */
export class GetProxyList extends Operation {
	override schema = textSchema;

	async handle(c: AppContext): Promise<Response> {
		const { query } = hasQuery(c) ? await this.getValidatedData<typeof textSchema>() : USUAL;
		const { snapshot, ageMs } = await readForList(c);
		// Which ones cool down for a site changes with time alone.
		const moment = query.host === undefined ? "" : Math.floor(Date.now() / 1_000);
		const made = rememberedFor(snapshot, `${moment} ${c.req.url}`, () => inFormat(query.format, selected(c, snapshot, query), readyProxy));
		return taggedAnswer(c, made, ageMs);
	}
}

const USUAL: { readonly query: PageQuery & { readonly format: "url" } } = { query: { format: "url", offset: 0 } };

const pacSchema = {
	operationId: "getProxyAutoConfig",
	tags: ["Proxies"],
	summary: "Get a proxy auto-configuration (PAC)",
	description:
		"For browsers and systems, of fleets that ask for no credentials (`ONLY_HOST_IP`): a PAC cannot carry any, and browsers go without a proxy where it tries. Each site has a first proxy of its own and others to fall back on, and never goes without one; where none is ready nothing is reachable.",
	request: {
		query: z.object({
			...pageQuery,
			limit: wholeNumber(1, 100).default(10).openapi({ description: "How many it names at most.", example: 10 }),
		}),
	},
	responses: {
		200: { description: "The script.", content: { "application/x-ns-proxy-autoconfig": { schema: z.string() } } },
		304: { description: "It is what the caller has." },
		...faults(409, 422),
		...ADMIN_FAULTS,
	},
};

/** `GET /proxy.pac`. 409 where the proxies ask for credentials. */
export class GetProxyAutoConfig extends Operation {
	override schema = pacSchema;

	async handle(c: AppContext): Promise<Response> {
		const { query } = await this.getValidatedData<typeof pacSchema>();
		const { snapshot, ageMs } = await readForList(c);
		const proxies = selected(c, snapshot, query);
		const asks =
			proxies.length > 0
				? proxies.some((proxy) => readyProxy(proxy).auth_enabled)
				: inForce(c.env, await readOrderedCredentials(c.env.DB)).source !== null;
		if (asks)
			throw new Conflict(
				"These proxies ask for credentials, which a PAC cannot carry: set ONLY_HOST_IP=True and HOST_IP, without PROXY_USERNAME, or use the gateway.",
			);
		return taggedAnswer(c, { text: pacOf(proxies), type: "application/x-ns-proxy-autoconfig" }, ageMs);
	}
}

async function readForList(c: AppContext): Promise<{ snapshot: Snapshot; ageMs: number }> {
	const { snapshot, ageMs } = await readReady(c.env.DB, Date.now(), laterOf(c));
	return { snapshot, ageMs: ageMs ?? 0 };
}

async function taggedAnswer(c: AppContext, made: Made, ageMs: number): Promise<Response> {
	made.tag ??= await tagOf(made.text);
	const { tag } = made;
	if (!isHeld(c, tag)) return textAnswer(c, made.text, made.type, ageMs, { ETag: tag });
	stateAge(c, ageMs);
	return c.body(null, 304, { ETag: tag });
}

type PageQuery = Parameters<typeof selectionOf>[0] & { readonly offset: number; readonly limit?: number | undefined };

function selected(c: AppContext, snapshot: Snapshot, query: PageQuery): readonly ReadyProxy[] {
	const wanted = selectionOf(query);
	requireKnown(c.get("config"), snapshot, wanted);
	return pageFrom(selectFrom(snapshot, wanted, Date.now()), wanted.session, query.offset, query.limit ?? Number.MAX_SAFE_INTEGER);
}

interface Made {
	readonly text: string;
	readonly type: string;
	tag?: string;
}

/** Lists of one snapshot that are kept: of ten thousand proxies each is a megabyte. */
const MAX_REMEMBERED = 8;
const remembered = new WeakMap<Snapshot, Map<string, Made>>();

/** What was made of this snapshot for the same address: who follows a list asks for the same one again and again. */
function rememberedFor(snapshot: Snapshot, url: string, make: () => Made): Made {
	const known = remembered.get(snapshot) ?? new Map<string, Made>();
	remembered.set(snapshot, known);
	const before = known.get(url);
	if (before !== undefined) return before;
	const made = make();
	if (known.size >= MAX_REMEMBERED) known.clear();
	known.set(url, made);
	return made;
}

/** Nothing listens there: a browser that is told of no proxy at all, or of one that it cannot read, goes without. */
const NOWHERE = "127.0.0.1:1";

/** A script that knows nothing of the site but its host's name, and begins with another proxy for each. */
function pacOf(proxies: readonly ReadyProxy[]): string {
	const hosts = inFormat("host:port", proxies, readyProxy)
		.text.split("\n")
		.filter((line) => line !== "");
	return `function FindProxyForURL(url, host) {
	var proxies = ${JSON.stringify(hosts.length === 0 ? [NOWHERE] : hosts)};
	var first = 0;
	for (var i = 0; i < host.length; i++) first = (first * 31 + host.charCodeAt(i)) % proxies.length;
	var found = [];
	for (var j = 0; j < proxies.length; j++) found.push("PROXY " + proxies[(first + j) % proxies.length]);
	return found.join("; ");
}
`;
}
