import { z } from "zod";
import { EXIT_HEADER } from "../rpc/pool.ts";
import { clientAddress } from "./base/auth.ts";
import { type AppContext, Operation } from "./base/context.ts";
import { faults } from "./cloudproxy/shapes.ts";

const NONCE = "1 to 128 letters, digits, - or _";

const schema = {
	operationId: "probe",
	tags: ["Health"],
	summary: "Answer a nonce",
	description: "A static backend is probed by asking it for this page: who gets the nonce back has come through it.",
	security: [],
	request: {
		query: z.object({
			nonce: z
				.string({ error: ({ input }) => (input === undefined ? `is required: ${NONCE}` : `must be ${NONCE}`) })
				.regex(/^[A-Za-z0-9_-]{1,128}$/, { error: `must be ${NONCE}` })
				.openapi({ description: "What is to be answered.", example: "b1946ac92492d234" }),
		}),
	},
	responses: {
		200: { description: "The nonce.", content: { "text/plain": { schema: z.string(), example: "b1946ac92492d234" } } },
		...faults(422),
	},
};

/** `GET /probe?nonce=N` */
export class Probe extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const address = clientAddress(c);
		return c.text((await this.getValidatedData<typeof schema>()).query.nonce, 200, address === "" ? {} : { [EXIT_HEADER]: address });
	}
}
