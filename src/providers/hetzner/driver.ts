import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import type { Price, Vm } from "../../core/model/state.ts";
import { as, asBeforeCreate, isFailure, orNull } from "../base/failures.ts";
import { apiUrl, secret, slug } from "../base/fields.ts";
import { type Fault, type HttpRequest, ignored, json, request } from "../base/http.ts";
import { Once } from "../base/once.ts";
import { allPages } from "../base/pages.ts";
import { priced } from "../base/prices.ts";
import type { CreateRequest, Protection, Provider, ProviderContext, ProviderDefinition, Wanted } from "../base/provider.ts";
import { DEPLOYMENT_TAG, labels, readLabels, relabelled, TAG } from "../base/tags.ts";
import { Firewall, firewallRules, isAsWanted } from "./firewall.ts";

/**
 * Hetzner Cloud (https://docs.hetzner.cloud/reference/cloud). What shapes this driver:
 * - A server's name is unique in its project: a create that is repeated is refused (`uniqueness_error`) and the server that
 *   is there found by its name.
 * - The firewall goes with the create, by its id, so that a server never is without. It is not applied by label as well: what
 *   a label selector applies cannot be taken off a server any more (`firewall_managed_by_label_selector`).
 * - Primary addresses that a create makes are deleted with their server.
 * - The quota of 3,600 calls an hour and project is refilled by one a second; `RateLimit-Reset` says when it will be full.
 */
const schema = z.object({
	access_token: secret("an API token of the project, with Read & Write"),
	size: slug("cx23").default("cx23"),
	location: slug("nbg1").default("nbg1"),
	/** Servers are placed by location since data centers were retired in July 2026: one is reduced to its location, which then holds. */
	datacenter: slug("nbg1-dc3")
		.transform((name) => name.replace(/-dc\d+$/, ""))
		.optional(),
	/** An image's name, or the number of one of the project's own. */
	image: slug("ubuntu-24.04").default("ubuntu-24.04"),
	api_url: apiUrl("https://api.hetzner.cloud"),
});
export type HetznerAccount = z.infer<typeof schema>;

export const hetzner: ProviderDefinition<HetznerAccount> = {
	displayName: "Hetzner",
	schema,
	secrets: ["access_token"],
	aliases: { api_token: "access_token" },
	shown: ({ size, location, datacenter, image, api_url }) => ({
		size: size ?? null,
		region: datacenter ?? location ?? null,
		location: datacenter ?? location ?? null,
		image: image ?? null,
		api_url: api_url ?? null,
	}),
	twoStepRestart: false,
	billedSeconds: 3600,
	create: (account, context) => new Hetzner(account, context),
};

/** The most that the API gives at once. */
const PAGE_SIZE = 50;
const REFILL_MS = 60_000;

const Server = z.object({
	id: z.number().int(),
	name: z.string(),
	status: z.string(),
	public_net: z.object({ ipv4: z.object({ ip: z.string() }).nullish() }).nullish(),
	labels: z.record(z.string(), z.string()).nullish(),
});
const Prices = z.array(z.object({ location: z.string(), price_hourly: z.object({ net: z.coerce.number() }) }));
const Pricing = z.object({
	pricing: z.object({
		currency: z.string(),
		server_types: z.array(z.object({ name: z.string(), prices: Prices })),
		primary_ips: z.array(z.object({ type: z.string(), prices: Prices })),
	}),
});
const Page = z.looseObject({ meta: z.object({ pagination: z.object({ next_page: z.number().int().nullish() }) }) });
const ErrorBody = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** The firewalls' ids. */
const firewalls = new Once<number>();

class Hetzner implements Provider {
	readonly #account: HetznerAccount;
	readonly #context: ProviderContext;

	constructor(account: HetznerAccount, context: ProviderContext) {
		this.#account = account;
		this.#context = context;
	}

	async create(wanted: CreateRequest): Promise<Vm> {
		const firewall = await this.#firewall(wanted);
		const { name, tags, userData } = wanted;
		const { size, location, datacenter, image } = this.#account;
		try {
			const { server } = await this.#call("POST", "/v1/servers", json(z.object({ server: Server })), {
				body: {
					name,
					server_type: size,
					image,
					location: datacenter ?? location,
					user_data: userData,
					labels: labels(tags),
					firewalls: [{ firewall }],
					public_net: { enable_ipv4: true, enable_ipv6: false },
				},
				confidential: [userData],
			});
			return vmOf(server);
		} catch (error) {
			// What the request names does not exist; it may be the firewall, which someone removed since it was seen.
			if (isFailure(error, "notFound", "invalid")) firewalls.forget(this.#firewallKey(wanted), firewall);
			throw as(error, { notFound: "invalid" });
		}
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#firewall(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		const servers = await this.#all(`/v1/servers?label_selector=${TAG}&sort=id:asc`, "servers", Server);
		// A server made between two pages may move the rest on and show one of them twice.
		return [...new Map(servers.map((server) => [server.id, vmOf(server)])).values()];
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const vm = wanted.vm === null ? await this.#named(wanted.name) : await this.#byId(wanted.vm);
		const isOurs = vm?.tags.deployment === wanted.tags.deployment && vm.tags.intent === wanted.tags.intent;
		return isOurs ? vm : null;
	}

	async get(vm: string): Promise<Vm | null> {
		return /^\d+$/.test(vm) ? this.#byId(vm) : null;
	}

	/** Labels are set as a whole. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const path = `/v1/servers/${encodeURIComponent(vm)}`;
		const { server } = await this.#call("GET", path, json(z.object({ server: Server })));
		const wanted = relabelled(server.labels ?? {}, tags);
		if (wanted !== null) await this.#call("PUT", path, ignored, { body: { labels: wanted } });
	}

	async delete(vm: string): Promise<void> {
		await this.#call("DELETE", `/v1/servers/${encodeURIComponent(vm)}`, ignored);
	}

	/** Both calls answer with an action that goes on by itself; `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		const act = (type: string) => this.#call("POST", `/v1/servers/${encodeURIComponent(vm)}/actions/${type}`, ignored);
		try {
			await act("reboot");
		} catch (error) {
			// Certainly not done: the server is in no state to be rebooted, and the reset button may still work.
			if (!isFailure(error, "invalid")) throw error;
			await act("reset");
		}
	}

	/** In the currency of the account, server and address each. */
	async hourlyPrice(): Promise<Price> {
		const { size, location, datacenter } = this.#account;
		const { pricing } = await this.#call("GET", "/v1/pricing", json(Pricing));
		const here = (prices: z.infer<typeof Prices> | undefined) =>
			prices?.find((price) => price.location === (datacenter ?? location))?.price_hourly.net;
		const server = here(pricing.server_types.find(({ name }) => name === size)?.prices);
		const address = here(pricing.primary_ips.find(({ type }) => type === "ipv4")?.prices);
		const hourly = server === undefined || address === undefined ? undefined : server + address;
		return priced("Hetzner", "server type", `${size} in ${datacenter ?? location}`, hourly, pricing.currency, this.#context.now());
	}

	async #byId(vm: string): Promise<Vm | null> {
		const found = await orNull(this.#call("GET", `/v1/servers/${encodeURIComponent(vm)}`, json(z.object({ server: Server }))));
		return found === null ? null : vmOf(found.server);
	}

	async #named(name: string): Promise<Vm | null> {
		const servers = await this.#all(`/v1/servers?name=${encodeURIComponent(name)}`, "servers", Server);
		const server = servers.find((each) => each.name.toLowerCase() === name.toLowerCase());
		return server === undefined ? null : vmOf(server);
	}

	/** The id of the one firewall that the deployment has, which lets in whom it shall. */
	async #firewall(wanted: Protection): Promise<number> {
		const wish = JSON.stringify([wanted.port, [...wanted.allow].sort()]);
		try {
			return await firewalls.ensure(this.#context, this.#firewallKey(wanted), wish, () => this.#makeFirewall(wanted));
		} catch (error) {
			throw asBeforeCreate(error);
		}
	}

	#firewallKey({ tags }: Protection): string {
		return JSON.stringify([this.#account.api_url, this.#account.access_token, tags.deployment]);
	}

	async #makeFirewall({ tags, port, allow }: Protection): Promise<number> {
		const name = `muster-${tags.deployment}`;
		const rules = firewallRules(port, allow);
		const look = async () => {
			const found = await this.#all(`/v1/firewalls?name=${encodeURIComponent(name)}`, "firewalls", Firewall);
			return found.find((firewall) => firewall.name === name);
		};
		const found = await look();
		if (found === undefined) {
			try {
				const body = { name, labels: { [TAG]: "true", [DEPLOYMENT_TAG]: tags.deployment }, rules };
				const made = await this.#call("POST", "/v1/firewalls", json(z.object({ firewall: Firewall })), { body });
				return made.firewall.id;
			} catch (error) {
				// Another isolate was faster.
				const other = isFailure(error, "conflict") ? await look() : undefined;
				if (other !== undefined && isAsWanted(other, rules)) return other.id;
				throw error;
			}
		}
		if (!isAsWanted(found, rules)) {
			await this.#call("POST", `/v1/firewalls/${found.id}/actions/set_rules`, ignored, { body: { rules } });
		}
		return found.id;
	}

	/** All pages or an error. */
	#all<T>(path: string, key: string, item: z.ZodType<T>): Promise<T[]> {
		const readPage = (text: string) => {
			const body = Page.parse(JSON.parse(text));
			return { items: z.array(item).parse(body[key]), next: body.meta.pagination.next_page ?? null };
		};
		const query = `${path}&per_page=${PAGE_SIZE}&page=`;
		return allPages<T, number>(`Hetzner: the pages of ${path.split("?")[0]}`, 1, (page) => this.#call("GET", query + page, readPage));
	}

	#call<T>(
		method: HttpRequest<T>["method"],
		path: string,
		read: (text: string) => T,
		more: Pick<HttpRequest<T>, "body" | "confidential"> = {},
	): Promise<T> {
		const { access_token, api_url } = this.#account;
		return request(this.#context, {
			provider: "Hetzner",
			baseUrl: api_url,
			path,
			method,
			headers: { authorization: `Bearer ${access_token}` },
			read,
			secrets: [access_token],
			fault,
			refillMs: REFILL_MS,
			...more,
		});
	}
}

/** By the code of the error; its status says the rest. https://docs.hetzner.cloud/reference/cloud#errors */
const KINDS: Readonly<Record<string, FailureKind>> = {
	resource_limit_exceeded: "quota",
	resource_unavailable: "capacity",
	placement_error: "capacity",
	// Somebody else changed it at the same moment: this request was not carried out.
	conflict: "transient",
	// Another action is running on the server.
	locked: "conflict",
	// The server may not be deleted until someone takes its protection off: 403, which says nothing about the token.
	protected: "conflict",
};

function fault({ text }: { status: number; text: string }): Fault {
	try {
		const { error } = json(ErrorBody)(text);
		return { say: error.message, kind: KINDS[error.code] ?? null };
	} catch {
		return { say: null, kind: null }; // a gateway's page: its status is all that it says
	}
}

function vmOf(server: z.infer<typeof Server>): Vm {
	return {
		vm: String(server.id),
		name: server.name,
		state: stateOf(server.status),
		address: server.public_net?.ipv4?.ip ?? null,
		tags: readLabels(server.labels ?? {}),
	};
}

function stateOf(status: string): Vm["state"] {
	switch (status) {
		case "initializing":
		case "starting":
			return "starting";
		case "off":
			return "off";
		case "deleting":
			return "going";
		default:
			// `running`; and `stopping`, `migrating`, `rebuilding`, `unknown`, of which the agent tells whether the server serves.
			return "running";
	}
}
