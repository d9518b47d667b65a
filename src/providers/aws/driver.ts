import { gzipped } from "../../agent/gzip.ts";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { as, asBeforeCreate, isFailure, orNull } from "../base/failures.ts";
import { Firewalls } from "../base/firewall.ts";
import { Once } from "../base/once.ts";
import { statedOr } from "../base/prices.ts";
import {
	type CreateRequest,
	type Protection,
	type Provider,
	type ProviderDefinition,
	ProviderError,
	type Retired,
	type Wanted,
} from "../base/provider.ts";
import { allPages } from "../base/rest.ts";
import { eachOnce, isIntents, isOurLabel, labels, readLabels, relabelled, TAG } from "../base/tags.ts";
import { type Call, ec2, endpointOf, filters, type Parameters } from "./api.ts";
import { countries } from "./countries.ts";
import { ensureGroup } from "./firewall.ts";
import { findMachine, type Machine, retiredParts } from "./machine.ts";
import { AWS_PRICES_AS_OF, awsHourly } from "./prices.ts";
import { type AwsAccount, schema, settings } from "./settings.ts";
import type { Xml } from "./xml.ts";

/**
 * AWS EC2 (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/). What shapes this driver:
 * - A create is idempotent by its client token, here the VM's name, by which a lost one is found again. A token whose
 *   request differs, or whose instance is dead, is refused.
 * - Terminated instances stay listed for an hour, and new ones may be denied for seconds.
 * - A persistent spot request brings its instance back until it is cancelled.
 * - Instances belong to a region, and so do lists: a VM's id here is `region/instance`, so that one is not lost when the
 *   setting changes.
 * - An instance keeps its address when it is rebooted, and gets a new one when it is stopped and started.
 */
export const aws: ProviderDefinition<AwsAccount> = {
	displayName: "AWS",
	countries,
	settings,
	schema,
	shown: (account) => {
		const { api_url, region } = account;
		return { ...shownOf(settings, account), api_url: api_url ?? (region === undefined ? null : endpointOf(region)) };
	},
	twoStepRestart: true,
	billedSeconds: 60,
	// Reads are consistent eventually, and the advice is to ask for minutes: https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
	// The same client token gives the same instance; where the request differs it is refused: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
	absence: { lookup: "token", isImmediate: false, repeat: "same" },
	leavesBehind: "the security group muster-<deployment>, in each region used",
	create: (account, context) => new Aws(account, context),
};

/** The API gives 1,000 at once, with some 7 KB on each instance: half of that stays well within what an answer may be. */
const PAGE_SIZE = 500;
/** Images are made anew every few weeks; an old one serves as well. */
const CATALOGUE_MS = 24 * 3_600_000;

const groups = new Firewalls<Group>();
const machines = new Once<Machine>((_, ageMs) => ageMs < CATALOGUE_MS);

/** A security group. */
interface Group {
	readonly id: string;
}

class Aws extends Driver<AwsAccount> implements Provider {
	readonly isRegional = true;

	async create(wanted: CreateRequest): Promise<Vm> {
		const { region, size, spot } = this.account;
		const { group, machine } = await this.#prepare(wanted);
		// It has room for 16 KB, and cloud-init for what is packed.
		const userData = Buffer.from(await gzipped(wanted.userData)).toString("base64");
		const tags = Object.entries({ Name: wanted.name, ...labels(wanted.tags) }).map(([Key, Value]) => ({ Key, Value }));
		const asSpot = { persistent: "stop", "one-time": "terminate" } as const;
		const parameters: Parameters = {
			MinCount: 1,
			MaxCount: 1,
			ImageId: machine.image,
			InstanceType: size,
			ClientToken: wanted.name,
			UserData: userData,
			NetworkInterface: [{ DeviceIndex: 0, AssociatePublicIpAddress: true, DeleteOnTermination: true, SecurityGroupId: [group.id] }],
			TagSpecification: [
				{ ResourceType: "instance", Tag: tags },
				{ ResourceType: "volume", Tag: tags },
				...(spot === false ? [] : [{ ResourceType: "spot-instances-request", Tag: tags }]),
			],
			MetadataOptions: { HttpTokens: "required" },
			// Without it a busy proxy buys CPU time for more than it costs.
			...(machine.isBurstable ? { CreditSpecification: { CpuCredits: "standard" } } : {}),
			...(spot === false
				? {}
				: {
						InstanceMarketOptions: {
							MarketType: "spot",
							SpotOptions: { SpotInstanceType: spot, InstanceInterruptionBehavior: asSpot[spot] },
						},
					}),
		};
		let made: Instance;
		try {
			made = await this.#call("RunInstances", parameters, (answer) => instanceMade(answer, region), {
				confidential: [wanted.userData, userData],
			});
		} catch (error) {
			if (isFailure(error, "invalid", "notFound")) {
				// Whatever was prepared may be gone by now, and the next create shall see.
				groups.forget(this.#groupKey, wanted, group);
				machines.forget(this.#machineKey(), machine);
			}
			throw as(error, { notFound: "transient" });
		}
		// The token of an earlier try gives that try's instance back, whatever has become of it.
		if (made.isTerminated) {
			throw new ProviderError({ kind: "conflict", message: `AWS: ${made.vm.vm}, made with that client token, is terminated` });
		}
		return { ...made.vm, tags: wanted.tags };
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#group(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		const { region } = this.account;
		const alive = ["pending", "running", "shutting-down", "stopping", "stopped"];
		const query = { ...filters({ "tag-key": TAG, "instance-state-name": alive }), MaxResults: PAGE_SIZE };
		const instances = await allPages<Instance>("AWS: the pages of DescribeInstances", null, async (token) => {
			const parameters = token === null ? query : { ...query, NextToken: token };
			return this.#call("DescribeInstances", parameters, (page) => ({ items: instancesOf(page, region), next: page.text("nextToken") }));
		});
		return eachOnce(instances.map(({ vm }) => vm));
	}

	async find({ vm, name, tags }: Wanted): Promise<Vm | null> {
		const { region, id } = vm === null ? { region: this.account.region, id: null } : placeOf(vm);
		const asked = id === null ? filters({ "client-token": name }) : { InstanceId: [id] };
		const instances = await orNull(this.#call("DescribeInstances", asked, (answer) => instancesOf(answer, region), { region }));
		return instances?.find((one) => !one.isTerminated && isIntents(one.vm, tags))?.vm ?? null;
	}

	async get(vm: string): Promise<Vm | null> {
		const look = async () => {
			const { region, id } = placeOf(vm);
			const found = await this.#instance(region, id);
			return found === null || found.isTerminated ? null : found.vm;
		};
		return orNull(look());
	}

	/** One call puts tags on, another takes them off; either leaves the others as they are. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const { region, id } = placeOf(vm);
		const found = await this.#instance(region, id);
		if (found === null) throw new ProviderError({ kind: "notFound", message: `AWS: there is no instance ${id}` });
		if (relabelled(found.tags, tags) === null) return;
		const Tag = Object.entries(tags === null ? found.tags : labels(tags))
			.filter(([name]) => isOurLabel(name))
			.map(([Key, Value]) => (tags === null ? { Key } : { Key, Value }));
		await this.#call(tags === null ? "DeleteTags" : "CreateTags", { ResourceId: [id], Tag }, done, { region });
	}

	/** A spot request is cancelled first: a persistent one would launch another instance. */
	async delete(vm: string): Promise<void> {
		const { region, id } = placeOf(vm);
		const request = (await this.#instance(region, id))?.spotRequest ?? null;
		if (request !== null) {
			await orNull(this.#call("CancelSpotInstanceRequests", { SpotInstanceRequestId: [request] }, done, { region }));
		}
		await this.#call("TerminateInstances", { InstanceId: [id] }, done, { region });
	}

	/** Stopped and started, an instance has another address. One-time spot instances can only be rebooted, which `off` then does. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		const { region, id } = placeOf(vm);
		const act = (action: string) => this.#call(action, { InstanceId: [id] }, done, { region });
		try {
			await act(step === "off" ? "StopInstances" : "StartInstances");
		} catch (error) {
			if (!isFailure(error, "invalid")) throw error;
			if (step === "off") await act("RebootInstances");
			else if ((await this.#instance(region, id))?.vm.state !== "running") throw error;
		}
	}

	async hourlyPrice(): Promise<Price> {
		const { size, region, hourly_price } = this.account;
		return statedOr(hourly_price, this.context.now(), {
			provider: "AWS",
			kind: "instance type",
			size: `${size} in ${region}`,
			statedBy: "AWS_HOURLY_PRICE",
			hourly: awsHourly(region, size),
			asOf: AWS_PRICES_AS_OF,
		});
	}

	async retired(): Promise<readonly Retired[]> {
		const { size, ami } = this.account;
		return retiredParts((action, parameters, read) => this.#call(action, parameters, read), size, ami);
	}

	async #instance(region: string, id: string): Promise<Instance | null> {
		const found = await orNull(this.#call("DescribeInstances", { InstanceId: [id] }, (answer) => instancesOf(answer, region), { region }));
		return found?.[0] ?? null;
	}

	async #prepare(wanted: CreateRequest): Promise<{ readonly group: Group; readonly machine: Machine }> {
		const { size, ami } = this.account;
		const call: Call = (action, parameters, read) => this.#call(action, parameters, read);
		try {
			const machine = await machines.ensure(this.context, this.#machineKey(), "", () => findMachine(call, size, ami));
			return { group: await this.#group(wanted), machine };
		} catch (error) {
			throw asBeforeCreate(error);
		}
	}

	#group(wanted: Protection): Promise<Group> {
		const call: Call = (action, parameters, read) => this.#call(action, parameters, read);
		return groups.ensure(this.context, this.#groupKey, wanted, async () => ({ id: await ensureGroup(call, wanted) }));
	}

	get #groupKey() {
		const { api_url, access_key_id, region } = this.account;
		return [api_url, access_key_id, region];
	}

	#machineKey(): string {
		const { api_url, access_key_id, region, size, ami } = this.account;
		return JSON.stringify([api_url, access_key_id, region, size, ami]);
	}

	#call<T>(
		action: string,
		parameters: Parameters,
		read: (answer: Xml) => T,
		{ region = this.account.region, confidential = [] }: { readonly region?: string; readonly confidential?: readonly string[] } = {},
	): Promise<T> {
		return ec2(this.context, { ...this.account, region }, action, parameters, read, confidential);
	}
}

/** For answers that only say that it was done. */
const done = () => undefined;

interface Instance {
	readonly vm: Vm;
	/** All of them, ours or not. */
	readonly tags: Readonly<Record<string, string>>;
	readonly isTerminated: boolean;
	readonly spotRequest: string | null;
}

/** What RunInstances gave. */
function instanceMade(answer: Xml, region: string): Instance {
	const instance = answer.items("instancesSet").map((item) => instanceOf(item, region))[0];
	if (instance === undefined) throw new Error("the answer holds no instance");
	return instance;
}

/** A reservation can hold several instances. */
function instancesOf(answer: Xml, region: string): Instance[] {
	const items = answer.items("reservationSet").flatMap((reservation) => reservation.items("instancesSet"));
	return items.map((item) => instanceOf(item, region));
}

function instanceOf(item: Xml, region: string): Instance {
	const tags = Object.fromEntries(item.items("tagSet").map((tag) => [tag.need("key"), tag.text("value") ?? ""]));
	const state = item.need("instanceState", "name");
	return {
		vm: {
			vm: `${region}/${item.need("instanceId")}`,
			name: tags.Name ?? item.text("clientToken") ?? "",
			state: stateOf(state),
			address: item.text("ipAddress"),
			tags: readLabels(tags),
		},
		tags,
		isTerminated: state === "terminated",
		spotRequest: item.text("spotInstanceRequestId"),
	};
}

function placeOf(vm: string): { readonly region: string; readonly id: string } {
	const [, region, id] = /^([a-z0-9-]+)\/(i-[0-9a-f]+)$/.exec(vm) ?? [];
	if (region !== undefined && id !== undefined) return { region, id };
	throw new ProviderError({ kind: "notFound", message: "AWS: no instance has such an id" });
}

function stateOf(state: string): Vm["state"] {
	switch (state) {
		case "pending":
			return "starting";
		case "stopping":
		case "stopped":
			return "off";
		case "shutting-down":
		case "terminated":
			return "going";
		default:
			return "running";
	}
}
