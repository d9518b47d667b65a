import { z } from "zod";
import type { LeaseShown, LeaseWishes } from "../../core/model/leases.ts";
import { READY_STALENESS_MS } from "../../core/model/limits.ts";
import type { ReadyEntry } from "../../core/model/published.ts";
import { eachPool } from "../../fleet/fleet.ts";
import { forgetReady, readReady } from "../../read-model/ready.ts";
import { isSpread, type Selection, selectFrom } from "../../read-model/select.ts";
import { type PublishedPool, type Snapshot, snapshotOf, whereIs } from "../../read-model/snapshot.ts";
import { askPool, isPoolObject, PoolUnreachable, tryPool } from "../../rpc/reach.ts";
import { type AppContext, laterOf, metadata, Operation } from "../base/context.ts";
import { NotFound, refused, type ServiceUnavailable } from "../base/errors.ts";
import { readyProxy } from "./proxies.ts";
import { nothingReady, requireKnown, selectionOf, selectionQuery } from "./selection.ts";
import { ADMIN_FAULTS, bodyOf, faults, json, METADATA, Metadata, PROXY_LIST, Proxy, wholeNumber } from "./shapes.ts";
import { wakeFor } from "./wake.ts";

const MAX_SECONDS = 3_600;
const MAX_COUNT = 100;
/** Pools are asked again for what the others could not give. */
const ROUNDS = 2;
const TAKEN_RETRY_SECONDS = 1;

const LEASE = {
	lease: `${"0123456789abcdef".repeat(4)}.4la7q7p8t3kjffjo`,
	until: "2026-02-24T08:10:00.000Z",
	replaces: null,
	proxy: PROXY_LIST.proxies[0] ?? null,
};
const Lease = z
	.object({
		lease: z.string().openapi({ description: "What names the lease." }),
		until: z.iso.datetime(),
		replaces: z.string().nullable().openapi({ description: "The address that it named before: that proxy is not ready any more." }),
		proxy: Proxy.nullable().openapi({ description: "Null: its proxy is not ready any more, and none that it could name instead is free." }),
	})
	.openapi("Lease", { example: LEASE });
const Leases = z.object({ metadata: Metadata, message: z.string(), leases: z.array(Lease) }).openapi("Leases", {
	example: { metadata: METADATA, message: "1 of 1 leased", leases: [LEASE] },
});
const LeaseAnswer = z.object({ metadata: Metadata, message: z.string(), lease: Lease }).openapi("LeaseAnswer", {
	example: { metadata: METADATA, message: "Lease renewed", lease: LEASE },
});
const LeaseList = z.object({ metadata: Metadata, total: z.number().int(), leases: z.array(Lease) }).openapi("LeaseList", {
	example: { metadata: METADATA, total: 1, leases: [LEASE] },
});

const seconds = wholeNumber(1, MAX_SECONDS).openapi({ description: "How long it lasts from now on." });
const { session: _, ...narrowing } = selectionQuery;
const NewLease = bodyOf({
	selection: z.strictObject(narrowing).optional().openapi({ description: "Which proxies may be given, as in the query of `/random`." }),
	seconds,
	count: wholeNumber(1, MAX_COUNT).default(1).openapi({ description: "How many proxies are wanted; there may be fewer." }),
	exclusive: z.literal(true, { error: "must be true: a proxy that others are given too needs no lease" }).default(true),
}).openapi({ example: { selection: { country: "de", host: "example.com" }, seconds: 600, count: 1, exclusive: true } });
const Renewal = bodyOf({ seconds }).openapi({ example: { seconds: 600 } });
const params = z.object({ lease: z.string().openapi({ description: "What names the lease.", example: LEASE.lease }) });

const postSchema = {
	operationId: "leaseProxies",
	tags: ["Leases"],
	summary: "Lease proxies",
	description: `Each lease names one proxy that nobody else is given, by a lease or in a list, until it is released or expires. It is answered once the proxies have left every list, which takes some ${READY_STALENESS_MS / 1_000 + 0.5} s. Where a leased proxy dies the lease names another: ask for it again.`,
	request: { body: { required: true, content: { "application/json": { schema: NewLease } } } },
	responses: { 200: json("As many as there are, up to `count`.", Leases), ...faults(400, 404, 409, 413, 422), ...ADMIN_FAULTS },
};
const listSchema = {
	operationId: "listLeases",
	tags: ["Leases"],
	summary: "List the leases",
	description: "Of all pools, asked of the pools themselves.",
	responses: { 200: json("All of them.", LeaseList), ...ADMIN_FAULTS },
};
const getSchema = {
	operationId: "getLease",
	tags: ["Leases"],
	summary: "Get a lease",
	description: "With the proxy that it names now.",
	request: { params },
	responses: { 200: json("The lease.", LeaseAnswer), ...faults(404), ...ADMIN_FAULTS },
};
const renewSchema = {
	operationId: "renewLease",
	tags: ["Leases"],
	summary: "Renew a lease",
	description: "It lasts so many seconds from now on.",
	request: { params, body: { required: true, content: { "application/json": { schema: Renewal } } } },
	responses: { 200: json("The lease.", LeaseAnswer), ...faults(400, 404, 409, 413, 422), ...ADMIN_FAULTS },
};
const releaseSchema = {
	operationId: "releaseLease",
	tags: ["Leases"],
	summary: "Release a lease",
	description: "Its proxy is handed out again. May be repeated.",
	request: { params },
	responses: {
		200: json(
			"That it is released.",
			z
				.object({ metadata: Metadata, message: z.string() })
				.openapi("Released", { example: { metadata: METADATA, message: "Lease released" } }),
		),
		...faults(404, 409),
		...ADMIN_FAULTS,
	},
};

/** `POST /leases` */
export class LeaseProxies extends Operation {
	override schema = postSchema;

	async handle(c: AppContext): Promise<Response> {
		const { body } = await this.getValidatedData<typeof postSchema>();
		const wanted = selectionOf(body.selection ?? {});
		const now = Date.now();
		const { snapshot } = await readReady(c.env.DB, now, laterOf(c));
		requireKnown(c.get("config"), snapshot, wanted);
		const granted: ShownLease[] = [];
		const silent: PoolUnreachable[] = [];
		const listed = selectFrom(snapshot, wanted, now);
		let candidates = listed;
		for (let round = 0; round < ROUNDS && granted.length < body.count && candidates.readyCount > 0; round++) {
			const asked = await Promise.all(
				sharesOf(candidates, body.count - granted.length).map(async ({ pool, count }) => {
					const leases = await leaseOf(c, pool, count, body.seconds, wanted);
					if (!(leases instanceof PoolUnreachable)) return { pool, leases, isExhausted: leases.length < count };
					silent.push(leases);
					return { pool, leases: [], isExhausted: true };
				}),
			);
			granted.push(...asked.flatMap(({ leases }) => leases));
			const exhausted = asked.filter(({ isExhausted }) => isExhausted).map(({ pool }) => pool);
			candidates = snapshotOf(candidates.pools.filter((pool) => !exhausted.includes(pool)));
		}
		// What others have granted nobody else would know of.
		if (granted.length === 0) throw silent[0] ?? (listed.readyCount > 0 ? taken() : await none(c, snapshot, wanted, now));
		forgetReady();
		// Until no isolate hands them out from what it has read.
		await new Promise((resolve) => setTimeout(resolve, READY_STALENESS_MS));
		return c.json({ metadata: metadata(c), message: `${granted.length} of ${body.count} leased`, leases: granted });
	}
}

/** `GET /leases` */
export class ListLeases extends Operation {
	override schema = listSchema;

	async handle(c: AppContext): Promise<Response> {
		const { snapshot } = await readReady(c.env.DB, Date.now(), laterOf(c));
		const all = await eachPool(snapshot.pools, async (pool) =>
			((await askPool(c.env, pool.object, (stub) => stub.leases())) ?? []).map((lease) => shown(pool, lease)),
		);
		const leases = all.flat();
		return c.json({ metadata: metadata(c), total: leases.length, leases });
	}
}

/** `GET /leases/{lease}` */
export class GetLease extends Operation {
	override schema = getSchema;

	async handle(c: AppContext): Promise<Response> {
		const named = await find(c, (await this.getValidatedData<typeof getSchema>()).params.lease);
		return c.json({ metadata: metadata(c), message: "Lease found", lease: await held(c, named) });
	}
}

/** `PATCH /leases/{lease}` */
export class RenewLease extends Operation {
	override schema = renewSchema;

	async handle(c: AppContext): Promise<Response> {
		const { params: given, body } = await this.getValidatedData<typeof renewSchema>();
		const named = await find(c, given.lease);
		const outcome = await askPool(c.env, named.pool.object, (pool) =>
			pool.command({ do: "renewLease", id: named.id, seconds: body.seconds }),
		);
		if (!outcome.ok) throw refused(outcome);
		return c.json({ metadata: metadata(c), message: "Lease renewed", lease: await held(c, named) });
	}
}

/** `DELETE /leases/{lease}` */
export class ReleaseLease extends Operation {
	override schema = releaseSchema;

	async handle(c: AppContext): Promise<Response> {
		const { pool, id } = await find(c, (await this.getValidatedData<typeof releaseSchema>()).params.lease);
		const outcome = await askPool(c.env, pool.object, (stub) => stub.command({ do: "endLeases", ids: [id] }));
		// A pool that is gone has no leases.
		if (!outcome.ok && outcome.error === "conflict") throw refused(outcome);
		forgetReady();
		return c.json({ metadata: metadata(c), message: "Lease released" });
	}
}

type ShownLease = z.infer<typeof Lease>;

async function none(c: AppContext, snapshot: Snapshot, wanted: Selection, now: number): Promise<NotFound | ServiceUnavailable> {
	return (await wakeFor(c, snapshot, wanted)) ?? nothingReady(c.get("config"), snapshot, wanted, now);
}

/** The list that was read is a moment older than what the pools know. */
function taken(): NotFound {
	return new NotFound("No proxies available: each that was listed has just been leased or is not ready any more.", TAKEN_RETRY_SECONDS);
}

/** How many each pool is asked for: as many proxies drawn of all that are ready, each as likely as any other. */
function sharesOf(snapshot: Snapshot, count: number): readonly { readonly pool: PublishedPool; readonly count: number }[] {
	const left = snapshot.pools.map((pool) => ({ pool, ready: pool.readyCount, count: 0 }));
	for (let drawn = 0; drawn < Math.min(count, snapshot.readyCount); drawn++) {
		let place = Math.floor(Math.random() * left.reduce((sum, { ready }) => sum + ready, 0));
		const one = left.find(({ ready }) => {
			place -= ready;
			return place < 0;
		});
		if (one === undefined) break;
		one.ready--;
		one.count++;
	}
	return left.filter((one) => one.count > 0);
}

async function leaseOf(
	c: AppContext,
	pool: PublishedPool,
	count: number,
	seconds: number,
	wanted: Selection,
): Promise<ShownLease[] | PoolUnreachable> {
	const ids = Array.from({ length: count }, newId);
	const outcome = await tryPool(c.env, pool.object, (stub) => stub.lease({ ids, seconds, wishes: wishesOf(pool, wanted) }));
	if (outcome instanceof PoolUnreachable) return outcome;
	return outcome.ok ? outcome.leases.map((lease) => shown(pool, lease)) : [];
}

function wishesOf(pool: PublishedPool, { exclude, host, regions, countries }: Selection): LeaseWishes {
	const isAnywhere = regions === null && countries === null;
	const places = isAnywhere
		? []
		: pool.parts.flatMap((part) => part.entries().map((entry) => whereIs({ pool, entry }).region?.toLowerCase() ?? ""));
	return { exclude: [...exclude], host, regions: isAnywhere || !isSpread(pool) ? null : [...new Set(places)] };
}

const ID_BYTES = 12;

function newId(): string {
	return Buffer.from(crypto.getRandomValues(new Uint8Array(ID_BYTES))).toString("base64url");
}

function shown(pool: PublishedPool, { id, until, proxy, replaces }: LeaseShown): ShownLease {
	const { object } = pool;
	return {
		lease: `${object}.${id}`,
		until: new Date(until).toISOString(),
		replaces,
		proxy: proxy === null ? null : readyProxy({ pool, entry: entryOf(proxy) }),
	};
}

function entryOf({ id, address, credentials, place }: NonNullable<LeaseShown["proxy"]>): ReadyEntry {
	return place === null ? [id, address, credentials] : [id, address, credentials, null, place];
}

interface Named {
	readonly pool: PublishedPool;
	readonly id: string;
}

async function find(c: AppContext, name: string): Promise<Named> {
	const [object = "", id = ""] = name.split(".");
	const { snapshot } = await readReady(c.env.DB, Date.now(), laterOf(c));
	const pool = isPoolObject(c.env, object) ? snapshot.pools.find((one) => one.object === object) : undefined;
	if (pool === undefined) throw noSuchLease();
	return { pool, id };
}

async function held(c: AppContext, { pool, id }: Named): Promise<ShownLease> {
	const lease = (await askPool(c.env, pool.object, (stub) => stub.leases()))?.find((one) => one.id === id);
	if (lease === undefined) throw noSuchLease();
	return shown(pool, lease);
}

function noSuchLease(): NotFound {
	return new NotFound("There is no such lease: it has ended.");
}
