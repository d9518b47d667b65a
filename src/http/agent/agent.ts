import { z } from "zod";
import { type Directives, HeartbeatBody, parseBearer, RegisterBody } from "../../agent/protocol.ts";
import type { AgentAnswer, PoolRpc } from "../../rpc/pool.ts";
import { askPool, isPoolObject, openLine } from "../../rpc/reach.ts";
import { bearerOf, clientAddress } from "../base/auth.ts";
import { requireJson } from "../base/body.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { NotFound, Unauthorized, UpgradeRequired } from "../base/errors.ts";

// What the agents call. None of it touches D1: an agent's token begins with its pool's object, and that knows the rest.

/** A heartbeat with the most sessions that it may hold stays well below this. */
const MAX_HEARTBEAT_BYTES = 256 * 1024;

const DirectivesShape = z.object({
	interval: z.number(),
	drain: z.boolean(),
	grace: z.number(),
	drop: z.array(z.string()),
	url: z.string(),
	credentials: z.object({ version: z.number().int(), username: z.string(), password: z.string() }).nullable(),
	allow: z.array(z.string()),
	address: z.string().nullable(),
});
const responses = {
	200: {
		description: "What the agent is to do.",
		content: {
			"application/json": {
				schema: DirectivesShape,
				example: {
					interval: 30,
					drain: false,
					grace: 0,
					drop: [],
					url: "https://muster.example.workers.dev",
					credentials: { version: 1, username: "username", password: "password" },
					allow: [],
					address: "192.0.2.1",
				} satisfies Directives,
			},
		},
	},
	400: { description: "The body cannot be read." },
	401: { description: "The token or key is not one of this deployment's, or not this agent's." },
	503: { description: "The pool does not answer now." },
};
const about = { tags: ["Agents"], security: [{ agent: [] }], responses };
const jsonBody = <Schema extends z.ZodType>(schema: Schema, example: z.infer<Schema>) => ({
	body: { required: false, content: { "application/json": { schema, example } } },
});

const EXAMPLE_KEY = `${"0a".repeat(32)}.k2j3h4g5f6d7s8a9.${"x".repeat(43)}`;

const registerSchema = {
	...about,
	summary: "Register an agent",
	description:
		"With a boot token: the agent names the key that it minted, and is told what to do. Without one: answers 200, empty, and changes nothing.",
	request: jsonBody(RegisterBody, { key: EXAMPLE_KEY, agent: "1" }),
};
const unregisterSchema = {
	...about,
	summary: "Take an agent off the list until it registers again",
	description: "With its VM key. Without one: answers 200, empty, and changes nothing.",
};
const heartbeatSchema = {
	...about,
	operationId: "heartbeat",
	summary: "Report what an agent does, and learn what it is to do",
	description: "With its VM key, every `interval` seconds. An agent that is answered 401 registers again.",
	request: jsonBody(HeartbeatBody, {
		active: 1,
		metrics: { requests: 2.5, bytes: 1024, errors: 0, cpu: 0.01, load: 0.1 },
		sessions: ["198.51.100.7:50123"],
		credentials: 1,
		boot: "0123456789abcdef",
		counters: { bytesIn: 20480, bytesOut: 1048576, requests: 300, errors: 2, opened: 120 },
	}),
};

const lineSchema = {
	tags: ["Agents"],
	security: [{ agent: [] }],
	operationId: "openLine",
	summary: "Open an agent's line",
	description:
		"A WebSocket, with the VM's key, on which the agent reports what changes and is told at once what it is to do; `src/agent/protocol.ts` says how. Where it is refused, heartbeats do.",
	responses: {
		101: { description: "The line is open." },
		401: { description: "The key is not one of this deployment's, or not this agent's." },
		404: { description: "Lines are switched off." },
		426: { description: "The request asks for no WebSocket." },
		503: { description: "The pool does not answer now." },
	},
};

/** It may say more behind its version. */
const versionIn = (agent: string) => agent.split(" ", 1)[0] ?? "";

/** `POST /v1.1/register` */
export class Register extends Operation {
	override schema = { ...registerSchema, operationId: "register" };
	async handle(c: AppContext): Promise<Response> {
		const token = bearerOf(c);
		if (token === null) return c.body(null, 200);
		requireToken(c, token);
		await requireJson(c, false);
		const { key, agent } = (await this.getValidatedData<typeof registerSchema>()).body;
		return answer(c, token, (pool) => pool.register({ token, key, address: clientAddress(c), agent: versionIn(agent) }));
	}
}

/** `POST /v1.1/unregister` */
export class Unregister extends Operation {
	override schema = { ...unregisterSchema, operationId: "unregister" };
	async handle(c: AppContext): Promise<Response> {
		const key = bearerOf(c);
		if (key === null) return c.body(null, 200);
		return answer(c, key, (pool) => pool.unregister({ key, address: clientAddress(c) }));
	}
}

/** `POST /v1.1/heartbeat` */
export class Heartbeat extends Operation {
	static override readonly maxBodyBytes = MAX_HEARTBEAT_BYTES;
	override schema = heartbeatSchema;
	async handle(c: AppContext): Promise<Response> {
		const key = bearerOf(c);
		requireToken(c, key);
		await requireJson(c, false);
		const { body } = await this.getValidatedData<typeof heartbeatSchema>();
		return answer(c, key, (pool) => pool.heartbeat({ key, address: clientAddress(c), body }));
	}
}

/** `GET /v1.1/agent` */
export class OpenLine extends Operation {
	override schema = lineSchema;
	async handle(c: AppContext): Promise<Response> {
		const key = bearerOf(c);
		requireToken(c, key);
		if (!c.get("config").global.agentLine) throw new NotFound("Lines are switched off (AGENT_LINE): report by calls.");
		if (c.req.header("Upgrade")?.toLowerCase() !== "websocket") throw new UpgradeRequired();
		const said = await openLine(c.env, objectOf(key), c.req.raw);
		if (said.webSocket === null) throw new Unauthorized(`Refused: ${await said.text()}.`);
		// A new answer: headers are added to it on its way out, and those of a stub's are fixed.
		return new Response(null, { status: 101, webSocket: said.webSocket });
	}
}

/** `POST /register`, the other dialect's name for it. */
export class RegisterAlias extends Register {
	override schema = { ...registerSchema, operationId: "registerAlias" };
}

/** `POST /unregister` */
export class UnregisterAlias extends Unregister {
	override schema = { ...unregisterSchema, operationId: "unregisterAlias" };
}

/** The object that a token or key of this deployment names. Throws Unauthorized; no object is called for a made-up one. */
function requireToken(c: AppContext, bearer: string | null): asserts bearer is string {
	const parts = bearer === null ? null : parseBearer(bearer);
	if (!parts || !isPoolObject(c.env, parts.object)) throw new Unauthorized("This is no token or key of this deployment.");
}

function objectOf(bearer: string): string {
	return bearer.slice(0, bearer.indexOf("."));
}

async function answer(c: AppContext, bearer: string, question: (pool: PoolRpc) => Promise<AgentAnswer>): Promise<Response> {
	requireToken(c, bearer);
	const said = await askPool(c.env, objectOf(bearer), question);
	if (!said.ok) throw new Unauthorized(`Refused: ${said.message}.`);
	const directives: Directives = said.directives;
	return c.json(directives);
}
