import { z } from "zod";
import { amountsOf, billedNow, chargedNow } from "../../core/model/cost.ts";
import type { ProviderName } from "../../core/model/state.ts";
import { readCharges } from "../../d1/charges.ts";
import { endpointNameOf, listPools, readCalled } from "../../d1/directory.ts";
import { listWaitingScaling } from "../../d1/settings.ts";
import { readShadows } from "../../fleet/shadow.ts";
import { PROVIDER_NAMES } from "../../providers/index.ts";
import { readReady } from "../../read-model/ready.ts";
import { readRemoving } from "../../read-model/removing.ts";
import { type AppContext, metadata, Operation, stateAge } from "../base/context.ts";
import {
	DEFAULT_INSTANCE,
	type Instance,
	instanceNamed,
	instancesOf,
	providerNamed,
	type RemovingPool,
	removingPool,
	type Sources,
	totalCost,
	totalSpent,
	unknownProvider,
} from "./instances.ts";
import { ADMIN_FAULTS, faults, InstanceAnswer, instanceParam, json, ProviderAnswer, ProviderList, providerParam } from "./shapes.ts";

const listSchema = {
	operationId: "listProviders",
	tags: ["Providers"],
	summary: "List every provider with its instances",
	description:
		"Disabled ones too; pools that are deleted stand in `removing` until their VMs are gone. An instance has every setting of its provider that is no secret.",
	responses: {
		200: json("All providers.", ProviderList),
		...ADMIN_FAULTS,
	},
};
const providerSchema = {
	operationId: "getProvider",
	tags: ["Providers"],
	summary: "Get one provider",
	description: "With all its instances. A provider that is known and not enabled is there too.",
	request: { params: z.object({ provider: providerParam }) },
	responses: {
		200: json("The provider; its own fields are those of its default instance.", ProviderAnswer),
		...faults(404),
		...ADMIN_FAULTS,
	},
};
const instanceSchema = {
	operationId: "getInstance",
	tags: ["Providers"],
	summary: "Get one instance of a provider",
	description: "With every setting of it that is no secret, its proxies that are ready, and what it costs.",
	request: { params: z.object({ provider: providerParam, instance: instanceParam }) },
	responses: { 200: json("The instance.", InstanceAnswer), ...faults(404), ...ADMIN_FAULTS },
};

/** `GET /providers` */
export class ListProviders extends Operation {
	override schema = listSchema;
	async handle(c: AppContext): Promise<Response> {
		const now = Date.now();
		const [sources, pools, removed, charges] = await Promise.all([
			readSources(c),
			listPools(c.env.DB),
			readRemoving(c.env.DB),
			readCharges(c.env.DB, now),
		]);
		const left = chargedNow(charges, now);
		const begun = [...sources.snapshot.pools, ...removed].reduce(
			(sum, { summary }) => sum + (summary ? billedNow(summary, now).count - summary.billable : 0),
			0,
		);
		const vms = pools.reduce((sum, { billable }) => sum + billable, 0);
		const all: (Instance | RemovingPool)[] = [];
		const providers = (Object.keys(PROVIDER_NAMES) as ProviderName[]).flatMap((name) => {
			const instances = instancesOf(name, sources);
			all.push(...instances.values());
			// Each cloud has a default instance, enabled or not; what has no cloud is listed once there is one.
			return instances.size === 0 ? [] : [[name, { ...instances.get(DEFAULT_INSTANCE), instances: Object.fromEntries(instances) }]];
		});
		const removing = removed.flatMap((pool) => removingPool(pool) ?? []);
		all.push(...removing);
		return c.json({
			metadata: metadata(c),
			vms,
			billed: vms + begun + left.count,
			cost: totalCost(all),
			spent_this_hour: totalSpent([...all, { spent_this_hour: amountsOf(left.sums) }]),
			providers: Object.fromEntries(providers),
			removing,
		});
	}
}

/** `GET /providers/{provider}` */
export class GetProvider extends Operation {
	override schema = providerSchema;
	async handle(c: AppContext): Promise<Response> {
		const provider = providerNamed((await this.getValidatedData<typeof providerSchema>()).params.provider);
		const instances = instancesOf(provider, await readSources(c));
		if (instances.size === 0) throw unknownProvider(provider);
		return providerAnswer(c, provider, instances, "configuration retrieved successfully");
	}
}

/** `GET /providers/{provider}/{instance}` */
export class GetInstance extends Operation {
	override schema = instanceSchema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof instanceSchema>();
		const provider = providerNamed(params.provider);
		const config = instanceNamed(provider, params.instance, await readSources(c));
		return instanceAnswer(c, provider, params.instance, config, "configuration retrieved successfully");
	}
}

/** Throws DatabaseUnavailable. */
export async function readSources(c: AppContext): Promise<Sources> {
	const [{ snapshot, ageMs }, waiting] = await Promise.all([readReady(c.env.DB, Date.now()), listWaitingScaling(c.env.DB)]);
	stateAge(c, ageMs);
	const config = c.get("config");
	if (ageMs !== null) return { config, snapshot, waiting, shadows: new Map(), called: endpointNameOf };
	const [shadows, called] = await Promise.all([readShadows(c.env.DB, config, snapshot.pools), readCalled(c.env.DB)]);
	return { config, snapshot, waiting, shadows, called };
}

export function providerAnswer(c: AppContext, provider: string, instances: ReadonlyMap<string, Instance>, done: string): Response {
	return c.json({
		metadata: metadata(c),
		message: `Provider '${provider}' ${done}`,
		provider: instances.get(DEFAULT_INSTANCE) ?? {},
		instances: Object.fromEntries(instances),
	});
}

export function instanceAnswer(c: AppContext, provider: string, name: string, config: Instance, done: string): Response {
	return c.json({
		metadata: metadata(c),
		message: `Provider '${provider}' instance '${name}' ${done}`,
		provider,
		instance: name,
		config,
	});
}
