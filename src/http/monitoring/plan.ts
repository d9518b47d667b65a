import { z } from "zod";
import type { Foreseen } from "../../core/foresee.ts";
import { findPool } from "../../d1/directory.ts";
import { askPool } from "../../rpc/reach.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { NotFound } from "../base/errors.ts";
import { instanceNamed, providerNamed } from "../cloudproxy/instances.ts";
import { readSources } from "../cloudproxy/providers.ts";
import { ADMIN_FAULTS, faults, instanceParam, json, METADATA, Metadata, providerParam } from "../cloudproxy/shapes.ts";

const instants = z.iso.datetime();
const Why = z
	.object({
		run: z.enum(["running", "paused", "stopped", "removing"]),
		halted: z.string().nullable().openapi({ description: "A bad setting, or a promise that was broken; null: neither." }),
		bounds: z.object({ min: z.number().int(), max: z.number().int(), surge: z.number().int() }).openapi({
			description: "`surge`: VMs that may exist above `max` while others are replaced.",
		}),
		count: z.object({ ready: z.number().int(), billed: z.number().int() }),
		rules: z
			.array(
				z.object({
					rule: z.string(),
					metric: z.string(),
					total: z
						.number()
						.nullable()
						.openapi({ description: "Of all proxies together; null: nobody reports it, or it is not looked at." }),
					least: z.number().int().nullable().openapi({ description: "Null: nothing is asked for." }),
					most: z.number().int().nullable().openapi({ description: "Null: as many as there may be, or nothing is asked for." }),
				}),
			)
			.openapi({ description: "What each rule asks for. None: the pool keeps its minimum." }),
		decides_at: instants.nullable().openapi({ description: "When rules decide next." }),
		window: z.object({ seconds: z.number().int(), highest: z.number().int() }).nullable().openapi({
			description: "The most that was asked for within the scale-in window, which holds as long.",
		}),
		ramp: z.object({ limit: z.number().int(), changed_at: instants.nullable() }).nullable().openapi({
			description: "How many proxies rules may add or take away at a time, and when they did last.",
		}),
		woken_at: instants.nullable().openapi({ description: "When a client asked in vain; null: it does not matter." }),
		budget: z.object({
			spent_hourly: z.number(),
			currency: z.string().nullable(),
			own: z.number().nullable().openapi({ description: "The pool's own bound; null: none." }),
			deployment: z.number().nullable().openapi({ description: "The deployment's bound; null: none." }),
			leased: z.number().openapi({ description: "What of that the pool holds." }),
			held: z.string().nullable().openapi({ description: "Why it keeps VMs from being launched; null: it does not." }),
		}),
		breakers: z
			.array(
				z.object({
					breaker: z.enum(["rate", "auth", "launch", "boots", "list", "publish"]),
					failures: z.number().int(),
					until: instants.nullable().openapi({ description: "When it is tried again; null: now." }),
					why: z.string(),
				}),
			)
			.openapi({ description: "What holds calls back after failures." }),
		places: z
			.array(
				z.object({
					place: z.string().openapi({ description: "`region:size`; empty: where the account says." }),
					failures: z.number().int(),
					until: instants.nullable().openapi({ description: "When it is tried again; null: now." }),
					why: z.string(),
				}),
			)
			.openapi({
				description: "Places whose own breaker holds creates back: sold out, a quota, what the settings name and the cloud has no more.",
			}),
		rolling: z.number().int().openapi({ description: "Proxies that an operator wants replaced and that have not begun to go." }),
		replacements: z.object({ waiting: z.number().int(), until: instants.nullable() }).openapi({
			description: "Successors of destroyed proxies that wait for the hour's limit.",
		}),
		launches: z.boolean().openapi({ description: "Whether VMs may be created now, if more are wanted." }),
	})
	.openapi("PlanReasons");
const Target = z.object({ now: z.number().int(), next: z.number().int() });
const EFFECT = { call: "create", proxy: "k2j3h4g5f6d7s8a9", why: "to meet the target" };
const BUDGET = { spent_hourly: 0.0119, currency: "USD", own: null, deployment: 0.3, leased: 0.0119, held: null };
const PLAN = {
	metadata: METADATA,
	pool: "digitalocean/default",
	target: { now: 2, next: 3 },
	effects: [EFFECT],
	says: [{ severity: "INFO" as const, text: "launching k2j3h4g5f6d7s8a9" }],
	looks_again_at: METADATA.timestamp,
	why: {
		run: "running" as const,
		halted: null,
		bounds: { min: 2, max: 5, surge: 2 },
		count: { ready: 2, billed: 2 },
		rules: [{ rule: "2 <= active <= 4", metric: "active", total: 11, least: 3, most: 5 }],
		decides_at: METADATA.timestamp,
		window: { seconds: 300, highest: 3 },
		ramp: { limit: 5, changed_at: METADATA.timestamp },
		woken_at: null,
		budget: BUDGET,
		breakers: [],
		places: [{ place: "fra1:s-1vcpu-1gb", failures: 2, until: METADATA.timestamp, why: "sold out" }],
		rolling: 0,
		replacements: { waiting: 0, until: null },
		launches: true,
	},
};
const PlanAnswer = z
	.object({
		metadata: Metadata,
		pool: z.string(),
		target: Target.openapi({ description: "How many proxies it keeps, and how many it would." }),
		effects: z
			.array(
				z.object({
					call: z.string().openapi({ description: "create, delete, list, find, probe, publish, …" }),
					proxy: z
						.string()
						.nullable()
						.openapi({ description: "Null: it is about none. That of a VM that would be launched is another each time." }),
					why: z.string().nullable(),
				}),
			)
			.openapi({ description: "What would go out, in this order." }),
		says: z
			.array(z.object({ severity: z.enum(["INFO", "WARNING", "ERROR"]), text: z.string() }))
			.openapi({ description: "What the log would say." }),
		looks_again_at: instants,
		why: Why,
	})
	.openapi("Plan", { example: PLAN });

const schema = {
	operationId: "getPlan",
	tags: ["Monitoring"],
	summary: "See what a pool would do now, and why",
	description: "A dry run: its plan is made as it always is, told, and thrown away. Nothing changes.",
	request: { params: z.object({ provider: providerParam, instance: instanceParam }) },
	responses: { 200: json("What it would do.", PlanAnswer), ...faults(404), ...ADMIN_FAULTS },
};

/** `GET /providers/{provider}/{instance}/plan` */
export class GetPlan extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof schema>();
		const provider = providerNamed(params.provider);
		const entry = await findPool(c.env.DB, provider, params.instance);
		const foreseen = entry === null ? null : await askPool(c.env, entry.object, (pool) => pool.foresee());
		if (foreseen === null) {
			instanceNamed(provider, params.instance, await readSources(c));
			throw new NotFound(`Provider '${provider}' instance '${params.instance}' does not run: it has no plan.`);
		}
		return c.json({ metadata: metadata(c), pool: `${provider}/${params.instance}`, ...shown(foreseen) });
	}
}

const iso = (at: number) => new Date(at).toISOString();
const held = <One extends { readonly until: number }>({ until, ...breaker }: One) => ({
	...breaker,
	until: until === 0 ? null : iso(until),
});
const isoOrNull = (at: number | null) => (at === null ? null : iso(at));

function shown({ effects, says, target, wakeAt, why }: Foreseen): Omit<z.infer<typeof PlanAnswer>, "metadata" | "pool"> {
	const { decidesAt, wokenAt, budget, ramp, breakers, places, replacements, rules, ...rest } = why;
	const { spentHourly, ...amounts } = budget;
	return {
		target,
		effects: effects.map(({ call, proxy, why: reason }) => ({ call, proxy, why: reason })),
		says: [...says],
		looks_again_at: iso(wakeAt),
		why: {
			...rest,
			rules: [...rules],
			decides_at: isoOrNull(decidesAt),
			ramp: ramp === null ? null : { limit: ramp.limit, changed_at: isoOrNull(ramp.changedAt) },
			woken_at: isoOrNull(wokenAt),
			budget: { spent_hourly: spentHourly, ...amounts },
			breakers: breakers.map(held),
			places: places.map(held),
			replacements: { waiting: replacements.waiting, until: isoOrNull(replacements.until) },
		},
	};
}
