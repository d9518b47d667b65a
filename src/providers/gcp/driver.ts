import { createHash } from "node:crypto";
import { z } from "zod";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { as, orNull } from "../base/failures.ts";
import { Firewalls, firewallName } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
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
import { Rest } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { eachOnce, isIntents, labels, readLabels, relabelled, TAG } from "../base/tags.ts";
import { assertSucceeded, gcpApi, Operation, settled } from "./api.ts";
import { countries } from "./countries.ts";
import { ensureFirewall } from "./firewall.ts";
import { GCP_PRICES_AS_OF, gcpHourly } from "./prices.ts";
import { type GcpAccount, schema, settings } from "./settings.ts";

/**
 * Google Compute Engine (https://cloud.google.com/compute/docs/reference/rest/v1/instances). What shapes this driver:
 * - A create is an operation: its 200 only says that it began. Whether there was room shows when it ends.
 * - Names are unique in a zone, and a request id makes the create idempotent.
 * - VMs belong to a zone, and so do lists: a VM's id here is `zone/name`, so that one is not lost when the setting changes.
 * - A stopped VM loses its address, and gets another when it is started.
 */
export const gcp: ProviderDefinition<GcpAccount> = {
	displayName: "GCP",
	countries,
	settings,
	schema,
	shown: (account) => {
		const { image_family, size } = account;
		return { ...shownOf(settings, account), image_family: image_family ?? (size === undefined ? null : familyFor(size)) };
	},
	twoStepRestart: true,
	billedSeconds: 60,
	// The VM is there once its operation runs, which may have to wait: https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations (`status`)
	// The same request id gives the same operation, and names are unique: https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert (`requestId`)
	absence: { lookup: "name", isImmediate: false, repeat: "same" },
	leavesBehind: "the firewall rule muster-<deployment>",
	create: (account, context) => new Gcp(account, context),
};

/** The most that the API gives at once. */
const PAGE_SIZE = 500;
/** A VM's metadata hold its user data: 500 of them whole would be more than an answer may be. */
const FIELDS = "name,status,labels,labelFingerprint,networkInterfaces/accessConfigs/natIP";

const Instance = z.object({
	name: z.string(),
	status: z.string(),
	labels: z.record(z.string(), z.string()).nullish(),
	labelFingerprint: z.string().nullish(),
	networkInterfaces: z.array(z.object({ accessConfigs: z.array(z.object({ natIP: z.string().nullish() })).nullish() })).nullish(),
});

/** What is deprecated can be used until it is obsolete: https://cloud.google.com/compute/docs/reference/rest/v1/images (`deprecated.state`) */
const Offered = z.object({
	name: z.string(),
	family: z.string().nullish(),
	deprecated: z.object({ state: z.string().nullish() }).nullish(),
});
type Offered = z.infer<typeof Offered>;
const OFFERED = "name,family,deprecated/state";
const isUsable = (one: Offered | null) => one !== null && !/^(OBSOLETE|DELETED)$/.test(one.deprecated?.state ?? "");

const firewalls = new Firewalls();

class Gcp extends Driver<GcpAccount> implements Provider {
	readonly isRegional = true;
	readonly #rest = new Rest(this.context, gcpApi(this.context, this.account));

	async create(wanted: CreateRequest): Promise<Vm> {
		const { zone } = this.account;
		await this.#ensureFirewall(wanted);
		const vm: Vm = { vm: idOf(zone, wanted.name), name: wanted.name, state: "starting", address: null, tags: wanted.tags };
		const path = `/zones/${zone}/instances?requestId=${requestIdOf(wanted.name)}`;
		let operation: Operation;
		try {
			operation = await this.#rest.call("POST", path, json(Operation), {
				body: this.#instanceBody(wanted),
				confidential: [wanted.userData],
			});
		} catch (error) {
			// "Not found" is then the image, or whatever else the request names.
			throw as(error, { notFound: "invalid" });
		}
		assertSucceeded(await settled(this.#rest, `/zones/${zone}`, operation), [wanted.userData]);
		return vm;
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#ensureFirewall(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		const { zone } = this.account;
		const filter = encodeURIComponent(`labels.${TAG}=true`);
		const query = `filter=${filter}&maxResults=${PAGE_SIZE}&fields=${encodeURIComponent(`items(${FIELDS}),nextPageToken`)}`;
		const instances = await this.#rest.all(`/zones/${zone}/instances?${query}`, "items", Instance);
		return eachOnce(instances.map((instance) => vmOf(zone, instance)));
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const { zone, name } = wanted.vm === null ? { zone: this.account.zone, name: wanted.name } : placeOf(wanted.vm);
		const instance = await orNull(this.#instance(zone, name));
		const vm = instance === null ? null : vmOf(zone, instance);
		return vm !== null && isIntents(vm, wanted.tags) ? vm : null;
	}

	async get(vm: string): Promise<Vm | null> {
		const look = async () => {
			const { zone, name } = placeOf(vm);
			return vmOf(zone, await this.#instance(zone, name));
		};
		return orNull(look());
	}

	/** Labels are set as a whole, over those that were read: had somebody changed them meanwhile, it would be refused. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const { zone, name } = placeOf(vm);
		const instance = await this.#instance(zone, name);
		const wanted = relabelled(instance.labels ?? {}, tags);
		if (wanted === null) return;
		const body = { labels: wanted, labelFingerprint: instance.labelFingerprint };
		const operation = await this.#rest.call("POST", `/zones/${zone}/instances/${name}/setLabels`, json(Operation), { body });
		assertSucceeded(await settled(this.#rest, `/zones/${zone}`, operation));
	}

	#instance(zone: string, name: string): Promise<z.infer<typeof Instance>> {
		return this.#rest.call("GET", `/zones/${zone}/instances/${name}?fields=${encodeURIComponent(FIELDS)}`, json(Instance));
	}

	async delete(vm: string): Promise<void> {
		const { zone, name } = placeOf(vm);
		await this.#rest.call("DELETE", `/zones/${zone}/instances/${name}`, ignored);
	}

	/** Stopped and started, a VM has another address. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		const { zone, name } = placeOf(vm);
		await this.#rest.call("POST", `/zones/${zone}/instances/${name}/${step === "off" ? "stop" : "start"}`, ignored);
	}

	async hourlyPrice(): Promise<Price> {
		const { size, zone, hourly_price } = this.account;
		return statedOr(hourly_price, this.context.now(), {
			provider: "GCP",
			kind: "machine type",
			size: `${size} in ${zone}`,
			statedBy: "GCP_HOURLY_PRICE",
			hourly: gcpHourly(zone, size),
			asOf: GCP_PRICES_AS_OF,
		});
	}

	/** Each is asked for by its name, since lists leave out custom machine types and are long; what is nearest is looked for where one is gone. */
	async retired(): Promise<readonly Retired[]> {
		const { size, zone, image_project, image_family } = this.account;
		const family = image_family ?? familyFor(size);
		const images = new Rest(this.context, gcpApi(this.context, { ...this.account, project: image_project }));
		return [
			...(await this.#retired("size", size, this.#rest, `/zones/${zone}/machineTypes`, size, ({ name }) => name)),
			...(await this.#retired("image", family, images, "/global/images", `family/${family}`, ({ family: its }) => its)),
		];
	}

	async #retired(
		what: Retired["what"],
		name: string,
		rest: Rest,
		list: string,
		path: string,
		nameOf: (one: Offered) => string | null | undefined,
	) {
		if (isUsable(await orNull(rest.call("GET", `${list}/${path}?fields=${encodeURIComponent(OFFERED)}`, json(Offered))))) return [];
		const query = `maxResults=${PAGE_SIZE}&fields=${encodeURIComponent(`items(${OFFERED}),nextPageToken`)}`;
		const all = await rest.all(`${list}?${query}`, "items", Offered);
		const names = all.filter((one) => isUsable(one) && nameOf(one) !== name).flatMap((one) => nameOf(one) ?? []);
		return retiredUnless(what, name, names);
	}

	#instanceBody({ name, tags, userData }: CreateRequest) {
		const { size, zone, image_project, image_family, spot } = this.account;
		const family = image_family ?? familyFor(size);
		const sourceImage = `projects/${image_project}/global/images/family/${family}`;
		return {
			name,
			machineType: `zones/${zone}/machineTypes/${size}`,
			labels: labels(tags),
			// Firewall rules apply to network tags, which are not the labels that lists are filtered by.
			tags: { items: [firewallName(tags.deployment)] },
			disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage, labels: labels(tags) } }],
			networkInterfaces: [{ network: "global/networks/default", accessConfigs: [{ type: "ONE_TO_ONE_NAT", name: "External NAT" }] }],
			metadata: { items: [{ key: "user-data", value: userData }] },
			...(spot ? { scheduling: { provisioningModel: "SPOT", instanceTerminationAction: "DELETE" } } : {}),
		};
	}

	#ensureFirewall(wanted: Protection): Promise<void> {
		const { api_url, project, service_account_key } = this.account;
		return firewalls.ensure(this.context, [api_url, service_account_key.email, project], wanted, () => ensureFirewall(this.#rest, wanted));
	}
}

/** Machine series with Arm processors: https://cloud.google.com/compute/docs/instances/arm-on-compute */
const familyFor = (size: string) => `ubuntu-minimal-2404-lts-${/^(t2a|c4a|n4a|a4x)-/.test(size) ? "arm64" : "amd64"}`;

const idOf = (zone: string, name: string) => `${zone}/${name}`;

function placeOf(vm: string): { readonly zone: string; readonly name: string } {
	const [, zone, name] = /^([a-z0-9-]+)\/([a-z0-9-]+)$/.exec(vm) ?? [];
	if (zone !== undefined && name !== undefined) return { zone, name };
	throw new ProviderError({ kind: "notFound", message: "GCP: no VM has such an id" });
}

/** The same UUID for the same name, by which a create that is sent twice is known (RFC 9562, section 5.8: version 8). */
function requestIdOf(name: string): string {
	const hex = createHash("sha256").update(name).digest("hex");
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function vmOf(zone: string, instance: z.infer<typeof Instance>): Vm {
	return {
		vm: idOf(zone, instance.name),
		name: instance.name,
		state: stateOf(instance.status),
		address: instance.networkInterfaces?.[0]?.accessConfigs?.[0]?.natIP || null,
		tags: readLabels(instance.labels ?? {}),
	};
}

/** One that is being deleted is `STOPPING`, just as one that is being stopped. */
function stateOf(status: string): Vm["state"] {
	switch (status) {
		case "PROVISIONING":
		case "STAGING":
			return "starting";
		case "STOPPING":
		case "STOPPED":
		case "TERMINATED":
		case "SUSPENDING":
		case "SUSPENDED":
			return "off";
		case "DEPROVISIONING":
			return "going";
		default:
			return "running";
	}
}
