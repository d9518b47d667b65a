import { z } from "zod";
import { findByAddress } from "../../read-model/proxies.ts";
import type { Fetched } from "../../rpc/pool.ts";
import { askPool } from "../../rpc/reach.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { NotFound } from "../base/errors.ts";
import { ADMIN_FAULTS, faults, json, METADATA, Metadata, requireAddress } from "../cloudproxy/shapes.ts";

const schema = {
	operationId: "testProxy",
	tags: ["Console"],
	summary: "Fetch a page through one proxy",
	description:
		"The page is this deployment's own `/probe`, asked for as a client of the proxy would. Changes nothing: what the pool thinks of the proxy goes by its own probes.",
	request: {
		query: z.object({
			ip_address: z
				.string({ error: "is required: the proxy's address, as in ?ip_address=192.0.2.1" })
				.openapi({ description: "The proxy's address.", example: "192.0.2.1" }),
		}),
	},
	responses: {
		200: json(
			"What came of it.",
			z.object({
				metadata: Metadata,
				ok: z.boolean(),
				message: z.string().openapi({ description: "The same as a sentence." }),
				milliseconds: z.number().int().openapi({ description: "From the connection's start to the answer's end." }),
				exit_address: z.string().nullable().openapi({ description: "The address that the page was called from." }),
			}),
			{ metadata: METADATA, ok: true, message: "The page came back through it.", milliseconds: 84, exit_address: "192.0.2.1" },
		),
		...faults(404, 422),
		...ADMIN_FAULTS,
	},
};

const SENTENCES: Readonly<Record<Fetched["verdict"], string>> = {
	ok: "The page came back through it.",
	silent: "It did not answer in time.",
	refused: "It takes no connection.",
	credentials: "It refuses the credentials that it was given.",
	egress: "It cannot reach this deployment, or nobody knows yet under which address that is reached.",
	impostor: "What came back is not what was sent: something else answers at its address.",
};

/** `POST /ui/test?ip_address=` */
export class TestProxy extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const given = (await this.getValidatedData<typeof schema>()).query.ip_address;
		const address = requireAddress(given, "ip_address");
		const proxy = await findByAddress(c.env.DB, address);
		const fetched = proxy && (await askPool(c.env, proxy.object, (pool) => pool.fetchThrough(address)));
		if (!fetched) throw new NotFound(`Proxy '${given}' not found`);
		const { verdict, ms, exit } = fetched;
		return c.json({ metadata: metadata(c), ok: verdict === "ok", message: SENTENCES[verdict], milliseconds: ms, exit_address: exit });
	}
}
