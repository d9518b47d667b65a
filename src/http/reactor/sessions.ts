import { z } from "zod";
import { AGENT_PORT } from "../../agent/protocol.ts";
import { endpointText, normaliseSession } from "../../agent/session.ts";
import { askPool } from "../../rpc/reach.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest, Forbidden } from "../base/errors.ts";
import { addressed, unknownEndpoint } from "./addressed.ts";
import { requireDone } from "./configuration.ts";
import { bodyFault, endpointFaults, endpointParams, orderFaults } from "./shapes.ts";

const sessionParams = endpointParams.extend({
	session: z.string().openapi({ description: "The client's `address:port`, IPv6 in brackets.", example: "198.51.100.7:50123" }),
});
const about = { tags: ["Sessions"] };
const listSchema = {
	...about,
	operationId: "listEndpointSessions",
	summary: "List the connections open through an endpoint's proxies",
	description: "As the agents told at their last heartbeat, at most a thousand each.",
	request: { params: endpointParams },
	responses: {
		200: {
			description: "The proxy's `address:port` by the client's.",
			content: { "application/json": { schema: z.record(z.string(), z.string()), example: { "198.51.100.7:50123": "192.0.2.1:8899" } } },
		},
		...endpointFaults,
	},
};
const querySchema = {
	...about,
	operationId: "queryEndpointSession",
	summary: "Ask which proxy a connection goes through",
	description: "As its agent told with its last heartbeat.",
	request: { params: sessionParams },
	responses: {
		200: {
			description: "The proxy's `address:port`; `null` where there is no such connection.",
			content: { "application/json": { schema: z.string().nullable(), example: "192.0.2.1:8899" } },
		},
		...endpointFaults,
	},
};
const dropSchema = {
	...about,
	operationId: "dropEndpointSession",
	summary: "Close a connection",
	description: "Its proxy learns it with its next heartbeat and closes the TCP connection.",
	request: { params: sessionParams },
	responses: {
		200: { description: "It will be closed, if it is open; the body is empty." },
		...orderFaults,
		...bodyFault("The session is no `address:port`."),
	},
};

/** `GET /v1.1/endpoints/{endpoint}/sessions` */
export class ListEndpointSessions extends Operation {
	static override readonly opensToProxies = true;
	override schema = listSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof listSchema>();
		return c.json(await sessionsOf(c, params.endpoint));
	}
}

/** `GET /v1.1/endpoints/{endpoint}/sessions/{session}` */
export class QueryEndpointSession extends Operation {
	static override readonly opensToProxies = true;
	override schema = querySchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof querySchema>();
		const sessions = await sessionsOf(c, params.endpoint);
		const session = normaliseSession(params.session);
		return c.json((session === null ? undefined : sessions[session]) ?? null);
	}
}

/** `DELETE /v1.1/endpoints/{endpoint}/sessions/{session}` */
export class DropEndpointSession extends Operation {
	static override readonly opensToProxies = true;
	override schema = dropSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof dropSchema>();
		const { object, caller } = await addressed(c, params.endpoint);
		const session = normaliseSession(params.session);
		if (session === null) throw new BadRequest(`"${params.session}" is no session: it must be address:port, or [address]:port for IPv6.`);
		const own = proxyThatAsks(c, caller);
		if (own !== null) {
			const backend = (await askPool(c.env, object, (pool) => pool.sessions()))?.[session];
			if (backend !== undefined && backend !== endpointText(own, AGENT_PORT)) throw new Forbidden("This session is another proxy's.");
		}
		// Whatever a proxy says that it has: what it drops is told to nobody else.
		const only = own === null ? {} : { address: own };
		const outcome = await askPool(c.env, object, (pool) => pool.command({ do: "drop", session, ...only }));
		requireDone(outcome);
		return c.body(null, 200);
	}
}

async function sessionsOf(c: AppContext, name: string): Promise<Record<string, string>> {
	const { object, caller } = await addressed(c, name);
	const sessions = (await askPool(c.env, object, (pool) => pool.sessions())) ?? unknownEndpoint(name);
	const own = proxyThatAsks(c, caller);
	if (own === null) return sessions;
	const backend = endpointText(own, AGENT_PORT);
	return Object.fromEntries(Object.entries(sessions).filter((session) => session[1] === backend));
}

/** The address of the proxy whose own key, or address alone, let the request in; null: a better key did. */
function proxyThatAsks(c: AppContext, caller: string | null): string | null {
	return c.get("holder") === "proxy" ? caller : null;
}
