import { z } from "zod";
import { listPools } from "../../d1/directory.ts";
import { eachPool } from "../../fleet/fleet.ts";
import { forgetReady } from "../../read-model/ready.ts";
import { askPool } from "../../rpc/reach.ts";
import { canonicalAddress } from "../../values/addresses.ts";
import { type AppContext, Operation } from "../base/context.ts";

const responses = {
	200: { description: "Done, or nothing to do; the body is empty." },
	401: { description: "`unauthorized`: neither the admin key nor that of the endpoint whose proxy has the address came." },
	503: { description: "A pool or the database does not answer now." },
};
const about = {
	tags: ["Agents"],
	request: { params: z.object({ ip: z.string().openapi({ description: "The proxy's address.", example: "192.0.2.1" }) }) },
	responses,
};
const registerSchema = {
	...about,
	operationId: "registerIp",
	summary: "Vouch for what has this address",
	description:
		"For VMs without Muster's agent: they are handed out while a probe through them passes. An address that no proxy has is remembered for a while, for one whose address is not known yet, and otherwise passed over.",
};
const unregisterSchema = {
	...about,
	operationId: "unregisterIp",
	summary: "Take what has this address off the list until it registers again",
	description: "It is replaced after `unregistered_timeout`. An address that no proxy has is passed over.",
};

/** `POST /v1.1/register/{ip}` */
export class RegisterIp extends Operation {
	override schema = registerSchema;
	async handle(c: AppContext): Promise<Response> {
		const { ip } = (await this.getValidatedData<typeof registerSchema>()).params;
		return tell(c, ip, "confirm");
	}
}

/** `POST /v1.1/unregister/{ip}` */
export class UnregisterIp extends Operation {
	override schema = unregisterSchema;
	async handle(c: AppContext): Promise<Response> {
		const { ip } = (await this.getValidatedData<typeof unregisterSchema>()).params;
		return tell(c, ip, "leave");
	}
}

/** Tells the pool that has a proxy at this address; where none has, every pool, since it may not know its proxies' addresses yet. */
async function tell(c: AppContext, ip: string, order: "confirm" | "leave"): Promise<Response> {
	const address = canonicalAddress(ip);
	if (address === null) return c.body(null, 200);
	const owner = await c.get("addressed")?.();
	const pools: readonly { readonly object: string }[] = owner
		? [owner]
		: (await listPools(c.env.DB)).filter(({ removedAt }) => removedAt === null);
	await eachPool(pools, ({ object }) => askPool(c.env, object, (pool) => pool.command({ do: order, address })));
	forgetReady();
	return c.body(null, 200);
}
