import { z } from "zod";
import type { Price, Vm } from "../../core/model/state.ts";
import { base64 } from "../base/base64.ts";
import { as, asBeforeCreate, isFailure, orNull } from "../base/failures.ts";
import { apiUrl, secret, slug } from "../base/fields.ts";
import { type Fault, type HttpRequest, ignored, json, request } from "../base/http.ts";
import { agreedId } from "../base/oldest.ts";
import { Once } from "../base/once.ts";
import { allPages } from "../base/pages.ts";
import { priced } from "../base/prices.ts";
import {
	type CreateRequest,
	type Protection,
	type Provider,
	type ProviderContext,
	type ProviderDefinition,
	ProviderError,
	type Wanted,
} from "../base/provider.ts";
import { readTagList, retagged, TAG, tagList } from "../base/tags.ts";
import { FirewallGroup, FirewallRule, firewallRules, ruleKey } from "./firewall.ts";

/**
 * Vultr (https://www.vultr.com/api/). What shapes this driver:
 * - Labels are not unique and creates not idempotent, so a lost answer is looked up by label, never asked again.
 * - Errors are free text under whatever status: an instance that is being installed cannot be deleted, which is said with a 500.
 * - Firewall groups have no names, only descriptions, which need not be unique either; their rules are made and removed singly.
 * - An API key admits only the addresses that its owner listed, and a Worker has no address of its own.
 */
const osId = "the number of an operating system of Vultr's list, such as 2284 (Ubuntu 24.04)";
const schema = z.object({
	api_token: secret("an API key that any address may use"),
	plan: slug("vc2-1c-1gb").default("vc2-1c-1gb"),
	region: slug("ewr").default("ewr"),
	os_id: z
		.string(osId)
		.regex(/^[1-9]\d{0,8}$/, osId)
		.transform(Number)
		.default(2284),
	api_url: apiUrl("https://api.vultr.com"),
});
export type VultrAccount = z.infer<typeof schema>;

export const vultr: ProviderDefinition<VultrAccount> = {
	displayName: "Vultr",
	schema,
	secrets: ["api_token"],
	shown: ({ plan, region, os_id, api_url }) => ({
		size: plan ?? null,
		plan: plan ?? null,
		region: region ?? null,
		os_id: os_id ?? null,
		api_url: api_url ?? null,
	}),
	twoStepRestart: false,
	billedSeconds: 3600,
	create: (account, context) => new Vultr(account, context),
};

/** The most that the API gives at once. */
const PAGE_SIZE = 500;

const Instance = z.object({
	id: z.string(),
	label: z.string(),
	main_ip: z.string().nullish(),
	status: z.string(),
	power_status: z.string().nullish(),
	server_status: z.string().nullish(),
	tags: z.array(z.string()).nullish(),
});
const Plan = z.object({ id: z.string(), monthly_cost: z.number() });
const HOURS_A_MONTH = 672;
const Page = z.looseObject({ meta: z.object({ links: z.object({ next: z.string().nullish() }).nullish() }).nullish() });
const ErrorBody = z.object({ error: z.string() });

/** The firewall groups' ids. */
const firewalls = new Once<string>();

class Vultr implements Provider {
	readonly #account: VultrAccount;
	readonly #context: ProviderContext;

	constructor(account: VultrAccount, context: ProviderContext) {
		this.#account = account;
		this.#context = context;
	}

	async create(wanted: CreateRequest): Promise<Vm> {
		const firewall = await this.#firewall(wanted);
		const { name, tags } = wanted;
		const { region, plan, os_id } = this.#account;
		const userData = base64(wanted.userData);
		try {
			const { instance } = await this.#call("POST", "/v2/instances", json(z.object({ instance: Instance })), {
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
			// What the request names does not exist; it may be the firewall group, which someone removed since it was seen.
			if (isFailure(error, "notFound", "invalid")) firewalls.forget(this.#firewallKey(wanted), firewall);
			throw as(error, { notFound: "invalid" });
		}
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#firewall(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		const instances = await this.#all(`/v2/instances?tag=${TAG}`, "instances", Instance);
		// An instance made between two pages may move the rest on and show one of them twice.
		return [...new Map(instances.map((instance) => [instance.id, vmOf(instance)])).values()];
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const found = wanted.vm === null ? await this.#labelled(wanted.name) : await this.#byId(wanted.vm);
		const ours = found.filter(({ tags }) => tags.deployment === wanted.tags.deployment && tags.intent === wanted.tags.intent);
		// Labels are not unique: were there two, the same one is found each time.
		return ours.sort((a, b) => (a.vm < b.vm ? -1 : 1))[0] ?? null;
	}

	async get(vm: string): Promise<Vm | null> {
		return /^[0-9a-f-]{36}$/.test(vm) ? ((await this.#byId(vm))[0] ?? null) : null;
	}

	/** Tags are set as a whole. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const path = `/v2/instances/${encodeURIComponent(vm)}`;
		const { instance } = await this.#call("GET", path, json(z.object({ instance: Instance })));
		const wanted = retagged(instance.tags ?? [], tags);
		if (wanted !== null) await this.#call("PATCH", path, ignored, { body: { tags: wanted } });
	}

	async delete(vm: string): Promise<void> {
		try {
			await this.#call("DELETE", `/v2/instances/${encodeURIComponent(vm)}`, ignored);
		} catch (error) {
			// It has been accepted before, and is still under way.
			if (!(error instanceof ProviderError && /pending destruction/i.test(error.failure.say))) throw error;
		}
	}

	/** Hard, as with the button, and also for an instance that is stopped; `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		await this.#call("POST", `/v2/instances/${encodeURIComponent(vm)}/reboot`, ignored);
	}

	/** The address is included. A month is billed as 672 hours at the most: https://docs.vultr.com/support/platform/billing */
	async hourlyPrice(): Promise<Price> {
		const { plan } = this.#account;
		const plans = await this.#all("/v2/plans", "plans", Plan);
		const monthly = plans.find(({ id }) => id === plan)?.monthly_cost;
		return priced("Vultr", "plan", plan, monthly === undefined ? undefined : monthly / HOURS_A_MONTH, "USD", this.#context.now());
	}

	async #byId(vm: string): Promise<Vm[]> {
		const found = await orNull(this.#call("GET", `/v2/instances/${encodeURIComponent(vm)}`, json(z.object({ instance: Instance }))));
		return found === null ? [] : [vmOf(found.instance)];
	}

	async #labelled(label: string): Promise<Vm[]> {
		const instances = await this.#all(`/v2/instances?label=${encodeURIComponent(label)}`, "instances", Instance);
		return instances.filter((instance) => instance.label === label).map(vmOf);
	}

	/** The id of the one firewall group that the deployment has, which lets in whom it shall. */
	async #firewall(wanted: Protection): Promise<string> {
		const wish = JSON.stringify([wanted.port, [...wanted.allow].sort()]);
		try {
			return await firewalls.ensure(this.#context, this.#firewallKey(wanted), wish, () => this.#makeFirewall(wanted));
		} catch (error) {
			throw asBeforeCreate(error);
		}
	}

	#firewallKey({ tags }: Protection): string {
		return JSON.stringify([this.#account.api_url, this.#account.api_token, tags.deployment]);
	}

	async #makeFirewall({ tags, port, allow }: Protection): Promise<string> {
		const id = await agreedId(
			() => this.#group(tags.deployment),
			() => this.#makeGroup(tags.deployment),
			(surplus) => this.#call("DELETE", `/v2/firewalls/${encodeURIComponent(surplus)}`, ignored),
		);
		const rules = `/v2/firewalls/${encodeURIComponent(id)}/rules`;
		const found = await this.#all(rules, "firewall_rules", FirewallRule);
		const wanted = new Map(firewallRules(port, allow).map((rule) => [ruleKey(rule), rule]));
		const kept = new Set<string>();
		for (const rule of found) {
			const key = ruleKey(rule);
			// One that is there twice is surplus the second time. What is too much goes first, so that the rest finds room.
			if (wanted.has(key) && !kept.has(key)) kept.add(key);
			else await orNull(this.#call("DELETE", `${rules}/${rule.id}`, ignored));
		}
		for (const [key, body] of wanted) if (!kept.has(key)) await this.#makeRule(rules, body);
		return id;
	}

	async #makeRule(rules: string, body: ReturnType<typeof firewallRules>[number]): Promise<void> {
		try {
			await this.#call("POST", rules, ignored, { body });
		} catch (error) {
			// Another isolate was faster.
			if (!isFailure(error, "conflict")) throw error;
		}
	}

	/** The oldest group of that description. */
	async #group(deployment: string): Promise<string | null> {
		const groups = await this.#all("/v2/firewalls", "firewall_groups", FirewallGroup);
		const ours = groups.filter(({ description }) => description === `muster-${deployment}`);
		const age = ({ date_created, id }: FirewallGroup) => `${date_created} ${id}`;
		return ours.sort((a, b) => (age(a) < age(b) ? -1 : 1))[0]?.id ?? null;
	}

	async #makeGroup(deployment: string): Promise<string> {
		const read = json(z.object({ firewall_group: FirewallGroup }));
		const made = await this.#call("POST", "/v2/firewalls", read, { body: { description: `muster-${deployment}` } });
		return made.firewall_group.id;
	}

	/** All pages or an error. */
	#all<T>(path: string, key: string, item: z.ZodType<T>): Promise<T[]> {
		const readPage = (text: string) => {
			const body = Page.parse(JSON.parse(text));
			return { items: z.array(item).parse(body[key]), next: body.meta?.links?.next || null };
		};
		const query = `${path}${path.includes("?") ? "&" : "?"}per_page=${PAGE_SIZE}`;
		return allPages<T, string>(`Vultr: the pages of ${path.split("?")[0]}`, "", (cursor) =>
			this.#call("GET", cursor === "" ? query : `${query}&cursor=${encodeURIComponent(cursor)}`, readPage),
		);
	}

	#call<T>(
		method: HttpRequest<T>["method"],
		path: string,
		read: (text: string) => T,
		more: Pick<HttpRequest<T>, "body" | "confidential"> = {},
	): Promise<T> {
		const { api_token, api_url } = this.#account;
		return request(this.#context, {
			provider: "Vultr",
			baseUrl: api_url,
			path,
			method,
			headers: { authorization: `Bearer ${api_token}` },
			read,
			secrets: [api_token],
			fault,
			...more,
		});
	}
}

const ANY_ADDRESS =
	"Vultr admits calls with this key from listed addresses only: in its customer portal, under Account, API, Access Control, allow any IPv4 and any IPv6 address";

/** Errors are sentences, whose status says little; only words that can mean nothing else are relied on. */
function fault({ status, text }: { status: number; text: string }): Fault {
	const say = sentenceOf(text);
	if (say === null) return { say, kind: null };
	if (status === 401) return { say: /\bIP address/i.test(say) ? `${say}. ${ANY_ADDRESS}` : say, kind: null };
	if (/\brate limit/i.test(say)) return { say, kind: "rate" };
	if (/currently locked|pending destruction|already (defined|exists)|duplicate/i.test(say)) return { say, kind: "conflict" };
	if (/\b(maximum|limit)\b.*\b(reached|exceeded)|\b(reached|exceeded?)\b.*\b(maximum|limit)\b/i.test(say)) return { say, kind: "quota" };
	if (/\b(plan|region|location|datacenter)\b/i.test(say) && /not (currently )?available|unavailable|sold out|out of stock/i.test(say))
		return { say, kind: "capacity" };
	return { say, kind: null };
}

function sentenceOf(text: string): string | null {
	try {
		return json(ErrorBody)(text).error;
	} catch {
		return null; // a gateway's page: its status is all that it says
	}
}

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
