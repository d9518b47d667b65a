import { z } from "zod";
import { type AppContext, Operation } from "../base/context.ts";

const schema = {
	operationId: "getReactorVersion",
	tags: ["Global"],
	summary: "Name the version of this dialect",
	description: "`GET /` names it too, beside the proxies.",
	responses: {
		200: {
			description: "The version.",
			content: { "application/json": { schema: z.object({ version: z.literal("1.1") }), example: { version: "1.1" } } },
		},
		401: { description: "`unauthorized`" },
		503: { description: "The database does not answer now." },
	},
};

/** `GET /v1.1/` */
export class GetVersion extends Operation {
	override schema = schema;
	handle(c: AppContext): Response {
		return c.json({ version: "1.1" });
	}
}
