import { z } from "zod";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { orNull } from "../base/failures.ts";
import { Firewalls } from "../base/firewall.ts";
import { type Fault, faultIn, ignored, json } from "../base/http.ts";
import { priced } from "../base/prices.ts";
import {
	type CreateRequest,
	type Protection,
	type Provider,
	type ProviderDefinition,
	ProviderError,
	type Retired,
	type Wanted,
} from "../base/provider.ts";
import { bearer, Rest, type RestApi, withQuery } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { eachOnce, isIntents, readTagList, retagged, TAG, tagList } from "../base/tags.ts";
import { countries } from "./countries.ts";
import { ensureGroup } from "./firewall.ts";
import { schema, settings, type VultrAccount } from "./settings.ts";

/**
 * Vultr (https://www.vultr.com/api/). What shapes this driver:
 * - Labels are not unique and creates not idempotent, so a lost answer is looked up by label, never asked again.
 * - Errors are free text under whatever status: an instance that is being installed cannot be deleted, which is said with a 500.
 * - Firewall groups have no names, only descriptions, which need not be unique either; their rules are made and removed singly.
 * - An API key admits only the addresses that its owner listed, and a Worker has no address of its own.
 */
export const vultr: ProviderDefinition<VultrAccount> = {
	displayName: "Vultr",
	countries,
	settings,
	schema,
	shown: (account) => shownOf(settings, account),
	twoStepRestart: false,
	billedSeconds: 3600,
	// An instance that was accepted was 404 for a while: https://github.com/vultr/terraform-provider-vultr/issues/462
	absence: { lookup: "name", isImmediate: false, repeat: "second" },
	leavesBehind: "the firewall group muster-<deployment>",
	create: (account, context) => new Vultr(account, context),
};

const Instance = z.object({
	id: z.string(),
	label: z.string(),
	main_ip: z.string().nullish(),
	status: z.string(),
	power_status: z.string().nullish(),
	server_status: z.string().nullish(),
	tags: z.array(z.string()).nullish(),
});
const Found = z.object({ instance: Instance });
const Plan = z.object({ id: z.string(), monthly_cost: z.number() });
const HOURS_A_MONTH = 672;
const Page = z.object({ meta: z.object({ links: z.object({ next: z.string().nullish() }).nullish() }).nullish() });

/** https://www.vultr.com/api/: 500 is the most that it gives at once. */
const api = ({ api_url, api_token }: VultrAccount): RestApi => ({
	provider: "Vultr",
	baseUrl: api_url,
	access: bearer(api_token),
	fault,
	pages: {
		first: null,
		path: (list, cursor) => withQuery(list, `per_page=500${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`),
		next: ({ body }) => Page.parse(body).meta?.links?.next || null,
	},
});

/** The firewall groups' ids. */
const firewalls = new Firewalls<string>();

class Vultr extends Driver<VultrAccount> implements Provider {
	readonly #rest = new Rest(this.context, api(this.account));

	async create(wanted: CreateRequest): Promise<Vm> {
		const firewall = await this.#firewall(wanted);
		const { name, tags } = wanted;
		const { region, plan, os_id } = this.account;
		const userData = Buffer.from(wanted.userData).toString("base64");
		try {
			const { instance } = await this.#rest.call("POST", "/v2/instances", json(Found), {
				body: {
					region,
					plan,
					os_id,
					label: name,
					hostname: name,
					tags: tagList(tags),
					user_data: userData,
					firewall_group_id: firewall,
					enable_ipv6: false,
					backups: "disabled",
					activation_email: false,
				},
				confidential: [userData, wanted.userData],
			});
			return { ...vmOf(instance), tags };
		} catch (error) {
			throw firewalls.blamed(this.#key, wanted, firewall, error);
		}
	}

	async retired(): Promise<readonly Retired[]> {
		const { plan, region, os_id } = this.account;
		const plans = await this.#rest.all("/v2/plans", "plans", z.object({ id: z.string(), locations: z.array(z.string()) }));
		const there = plans.filter(({ locations }) => locations.includes(region)).map(({ id }) => id);
		const systems = await this.#rest.all("/v2/os", "os", z.object({ id: z.number() }));
		const numbers = systems.map(({ id }) => String(id));
		return [...retiredUnless("size", plan, there), ...retiredUnless("image", String(os_id), numbers)];
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#firewall(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		return eachOnce((await this.#rest.all(`/v2/instances?tag=${TAG}`, "instances", Instance)).map(vmOf));
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const found = wanted.vm === null ? await this.#labelled(wanted.name) : await this.#byId(wanted.vm);
		const ours = found.filter((vm) => isIntents(vm, wanted.tags));
		// Labels are not unique: were there two, the same one is found each time.
		return ours.sort((a, b) => (a.vm < b.vm ? -1 : 1))[0] ?? null;
	}

	async get(vm: string): Promise<Vm | null> {
		return /^[0-9a-f-]{36}$/.test(vm) ? ((await this.#byId(vm))[0] ?? null) : null;
	}

	/** Tags are set as a whole. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const path = pathOf(vm);
		const { instance } = await this.#rest.call("GET", path, json(Found));
		const wanted = retagged(instance.tags ?? [], tags);
		if (wanted !== null) await this.#rest.call("PATCH", path, ignored, { body: { tags: wanted } });
	}

	async delete(vm: string): Promise<void> {
		try {
			await this.#rest.call("DELETE", pathOf(vm), ignored);
		} catch (error) {
			// It has been accepted before, and is still under way.
			if (!(error instanceof ProviderError && /pending destruction/i.test(error.failure.message))) throw error;
		}
	}

	/** Hard, as with the button, and also for an instance that is stopped; `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		await this.#rest.call("POST", `${pathOf(vm)}/reboot`, ignored);
	}

	/** The address is included. A month is billed as 672 hours at the most: https://docs.vultr.com/support/platform/billing */
	async hourlyPrice(): Promise<Price> {
		const { plan } = this.account;
		const plans = await this.#rest.all("/v2/plans", "plans", Plan);
		const monthly = plans.find(({ id }) => id === plan)?.monthly_cost;
		return priced("Vultr", "plan", plan, monthly === undefined ? undefined : monthly / HOURS_A_MONTH, "USD", this.context.now());
	}

	async #byId(vm: string): Promise<Vm[]> {
		const found = await orNull(this.#rest.call("GET", pathOf(vm), json(Found)));
		return found === null ? [] : [vmOf(found.instance)];
	}

	async #labelled(label: string): Promise<Vm[]> {
		const instances = await this.#rest.all(`/v2/instances?label=${encodeURIComponent(label)}`, "instances", Instance);
		return instances.filter((instance) => instance.label === label).map(vmOf);
	}

	/** The id of the one firewall group that the deployment has, which lets in whom it shall. */
	#firewall(wanted: Protection): Promise<string> {
		return firewalls.ensure(this.context, this.#key, wanted, () => ensureGroup(this.#rest, wanted));
	}

	get #key() {
		return [this.account.api_url, this.account.api_token];
	}
}

const ANY_ADDRESS =
	"Vultr admits calls with this key from listed addresses only: in its customer portal, under Account, API, Access Control, allow any IPv4 and any IPv6 address";

/** Errors are sentences, whose status says little; only words that can mean nothing else are relied on. */
const fault = faultIn(z.object({ error: z.string() }), ({ error: message }, status): Fault => {
	if (status === 401) return { message: /\bIP address/i.test(message) ? `${message}. ${ANY_ADDRESS}` : message, kind: null };
	if (/\brate limit/i.test(message)) return { message, kind: "rate" };
	if (/currently locked|pending destruction|already (defined|exists)|duplicate/i.test(message)) return { message, kind: "conflict" };
	if (/\b(maximum|limit)\b.*\b(reached|exceeded)|\b(reached|exceeded?)\b.*\b(maximum|limit)\b/i.test(message))
		return { message, kind: "quota" };
	if (
		/\b(plan|region|location|datacenter)\b/i.test(message) &&
		/not (currently )?available|unavailable|sold out|out of stock/i.test(message)
	)
		return { message, kind: "capacity" };
	return { message, kind: null };
});

const pathOf = (vm: string) => `/v2/instances/${encodeURIComponent(vm)}`;

function vmOf(instance: z.infer<typeof Instance>): Vm {
	const { main_ip } = instance;
	return {
		vm: instance.id,
		name: instance.label,
		state: stateOf(instance),
		address: main_ip === undefined || main_ip === null || main_ip === "" || main_ip === "0.0.0.0" ? null : main_ip,
		tags: readTagList(instance.tags ?? []),
	};
}

/** An instance is `active` before its system is there, which then starts a last time. */
function stateOf({ status, power_status, server_status }: z.infer<typeof Instance>): Vm["state"] {
	if (status === "suspended") return "off";
	if (status === "pending" || server_status === "none" || server_status === "installingbooting") return "starting";
	return power_status === "stopped" ? "off" : "running";
}
