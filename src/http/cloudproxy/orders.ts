import { z } from "zod";
import { findByAddress, type Queue, readQueue } from "../../read-model/proxies.ts";
import { forgetReady } from "../../read-model/ready.ts";
import { askPool } from "../../rpc/reach.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { Conflict, NotFound } from "../base/errors.ts";
import { publishedProxy } from "./proxies.ts";
import { ADMIN_FAULTS, faults, json, ProxyAnswer, ProxyList, requireAddress } from "./shapes.ts";

const MESSAGES: Readonly<Record<Queue, string>> = {
	destroy: "Proxy scheduled for deletion",
	restart: "Proxy scheduled for restart",
};

const orderRequest = {
	query: z.object({
		ip_address: z
			.string({ error: "is required: the proxy's address, as in ?ip_address=192.0.2.1" })
			.openapi({ description: "The proxy's address.", example: "192.0.2.1" }),
	}),
};
const orderResponses = { 200: json("The proxy that the order is about.", ProxyAnswer), ...faults(404, 409, 422), ...ADMIN_FAULTS };
const queueResponses = { 200: json("The whole queue.", ProxyList), ...ADMIN_FAULTS };

const destroySchema = {
	operationId: "destroyProxy",
	tags: ["Proxies"],
	summary: "Destroy one proxy",
	description: "Its VM is deleted at once, without draining, and replaced if its pool's target asks for it. May be repeated.",
	request: orderRequest,
	responses: orderResponses,
};
const restartSchema = {
	operationId: "restartProxy",
	tags: ["Proxies"],
	summary: "Restart one proxy",
	description: "Its VM is power-cycled by its provider. It leaves the list at once and comes back when it is healthy. May be repeated.",
	request: orderRequest,
	responses: orderResponses,
};
const destroyQueueSchema = {
	operationId: "listProxiesToDestroy",
	tags: ["Proxies"],
	summary: "List the proxies scheduled for deletion",
	description: "All of them, on one page: those that were ordered to go and are not gone yet.",
	responses: queueResponses,
};
const restartQueueSchema = {
	operationId: "listProxiesToRestart",
	tags: ["Proxies"],
	summary: "List the proxies scheduled for restart",
	description: "All of them, on one page: those that were ordered to restart and are not back yet.",
	responses: queueResponses,
};

/** `DELETE /destroy?ip_address=` */
export class DestroyProxy extends Operation {
	static override readonly isOrder = true;
	override schema = destroySchema;
	async handle(c: AppContext): Promise<Response> {
		return order(c, "destroy", (await this.getValidatedData<typeof destroySchema>()).query.ip_address);
	}
}

/** `DELETE /restart?ip_address=` */
export class RestartProxy extends Operation {
	static override readonly isOrder = true;
	override schema = restartSchema;
	async handle(c: AppContext): Promise<Response> {
		return order(c, "restart", (await this.getValidatedData<typeof restartSchema>()).query.ip_address);
	}
}

/** `GET /destroy` */
export class ListDestroyQueue extends Operation {
	override schema = destroyQueueSchema;
	handle(c: AppContext): Promise<Response> {
		return listQueue(c, "destroy");
	}
}

/** `GET /restart` */
export class ListRestartQueue extends Operation {
	override schema = restartQueueSchema;
	handle(c: AppContext): Promise<Response> {
		return listQueue(c, "restart");
	}
}

async function order(c: AppContext, queue: Queue, text: string): Promise<Response> {
	const proxy = await findByAddress(c.env.DB, requireAddress(text, "ip_address"));
	if (!proxy) throw unknown(text);
	const { object, id } = proxy;
	const outcome = await askPool(c.env, object, (pool) => pool.command({ do: queue, id }));
	forgetReady({ object, id });
	if (!outcome.ok && outcome.error === "conflict") throw new Conflict(outcome.message);
	// A proxy that is gone already while D1 still shows it is what an order to destroy it asks for.
	if (!outcome.ok && queue === "restart") throw unknown(text);
	return c.json({ metadata: metadata(c), message: MESSAGES[queue], proxy: publishedProxy(proxy) });
}

async function listQueue(c: AppContext, queue: Queue): Promise<Response> {
	const proxies = (await readQueue(c.env.DB, queue)).map(publishedProxy);
	return c.json({ metadata: metadata(c), total: proxies.length, proxies });
}

function unknown(address: string): NotFound {
	return new NotFound(`Proxy '${address}' not found`);
}
