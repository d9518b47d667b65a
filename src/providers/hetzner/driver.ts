import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { orElse, orNull } from "../base/failures.ts";
import { Firewalls } from "../base/firewall.ts";
import { faultIn, ignored, json } from "../base/http.ts";
import { priced } from "../base/prices.ts";
import type { CreateRequest, Protection, Provider, ProviderDefinition, Retired, Wanted } from "../base/provider.ts";
import { bearer, numbered, Rest, type RestApi } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { eachOnce, isIntents, labels, readLabels, relabelled, TAG } from "../base/tags.ts";
import { countries } from "./countries.ts";
import { ensureFirewall } from "./firewall.ts";
import { type HetznerAccount, schema, settings } from "./settings.ts";

/**
 * Hetzner Cloud (https://docs.hetzner.cloud/reference/cloud). What shapes this driver:
 * - A server's name is unique in its project: a create that is repeated is refused (`uniqueness_error`) and the server that
 *   is there found by its name.
 * - The firewall goes with the create, by its id, so that a server never is without. It is not applied by label as well: what
 *   a label selector applies cannot be taken off a server any more (`firewall_managed_by_label_selector`).
 * - Primary addresses that a create makes are deleted with their server.
 * - The quota of 3,600 calls an hour and project is refilled by one a second; `RateLimit-Reset` says when it will be full.
 */
export const hetzner: ProviderDefinition<HetznerAccount> = {
	displayName: "Hetzner",
	countries,
	settings,
	schema,
	// A data center holds by its location.
	shown: (account) => {
		const location = account.datacenter ?? account.location ?? null;
		return { ...shownOf(settings, account), region: location, location };
	},
	twoStepRestart: false,
	billedSeconds: 3600,
	// Of lists that lag nothing is said, and nothing else was found.
	// Names are unique in a project: https://docs.hetzner.cloud/reference/cloud#servers-create-a-server
	absence: { lookup: "name", isImmediate: false, repeat: "conflict" },
	leavesBehind: "the firewall muster-<deployment>",
	create: (account, context) => new Hetzner(account, context),
};

const Server = z.object({
	id: z.number().int(),
	name: z.string(),
	status: z.string(),
	public_net: z.object({ ipv4: z.object({ ip: z.string() }).nullish() }).nullish(),
	labels: z.record(z.string(), z.string()).nullish(),
});
const Found = z.object({ server: Server });
/** Hetzner writes amounts as text. An empty one is none: it would read as 0. */
const Amount = z
	.string()
	.regex(/^\d+(\.\d+)?$/)
	.transform(Number);
const Prices = z.array(z.object({ location: z.string(), price_hourly: z.object({ net: Amount }) }));
const Pricing = z.object({
	pricing: z.object({
		currency: z.string(),
		server_types: z.array(z.object({ name: z.string(), prices: Prices })),
		primary_ips: z.array(z.object({ type: z.string(), prices: Prices })),
	}),
});
const Page = z.object({ meta: z.object({ pagination: z.object({ next_page: z.number().int().nullish() }) }) });

/** https://docs.hetzner.cloud/reference/cloud: 50 is the most that it gives at once. */
const api = ({ api_url, access_token }: HetznerAccount): RestApi => ({
	provider: "Hetzner",
	baseUrl: api_url,
	access: bearer(access_token),
	fault,
	pages: { ...numbered(50), next: ({ body }) => Page.parse(body).meta.pagination.next_page ?? null },
	refillMs: 60_000,
});

/** The firewalls' ids. */
const firewalls = new Firewalls<number>();

class Hetzner extends Driver<HetznerAccount> implements Provider {
	readonly #rest = new Rest(this.context, api(this.account));

	async create(wanted: CreateRequest): Promise<Vm> {
		const firewall = await this.#firewall(wanted);
		const { name, tags, userData } = wanted;
		const { size, location, datacenter, image } = this.account;
		try {
			const { server } = await this.#rest.call("POST", "/v1/servers", json(Found), {
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
			throw firewalls.blamed(this.#key, wanted, firewall, error);
		}
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#firewall(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		return eachOnce((await this.#rest.all(`/v1/servers?label_selector=${TAG}&sort=id:asc`, "servers", Server)).map(vmOf));
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const vm = wanted.vm === null ? await this.#named(wanted.name) : await this.#byId(wanted.vm);
		return vm !== null && isIntents(vm, wanted.tags) ? vm : null;
	}

	async get(vm: string): Promise<Vm | null> {
		return /^\d+$/.test(vm) ? this.#byId(vm) : null;
	}

	/** Labels are set as a whole. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const path = pathOf(vm);
		const { server } = await this.#rest.call("GET", path, json(Found));
		const wanted = relabelled(server.labels ?? {}, tags);
		if (wanted !== null) await this.#rest.call("PUT", path, ignored, { body: { labels: wanted } });
	}

	async delete(vm: string): Promise<void> {
		await this.#rest.call("DELETE", pathOf(vm), ignored);
	}

	/** Both calls answer with an action that goes on by itself; `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		const act = (type: string) => this.#rest.call("POST", `${pathOf(vm)}/actions/${type}`, ignored);
		// Refused, it is certainly not done: the server is in no state to be rebooted, and the reset button may still work.
		await orElse(act("reboot"), "invalid", () => act("reset"));
	}

	/** In the currency of the account, server and address each. */
	async hourlyPrice(): Promise<Price> {
		const { size, location, datacenter } = this.account;
		const { pricing } = await this.#rest.call("GET", "/v1/pricing", json(Pricing));
		const here = (prices: z.infer<typeof Prices> | undefined) =>
			prices?.find((price) => price.location === (datacenter ?? location))?.price_hourly.net;
		const server = here(pricing.server_types.find(({ name }) => name === size)?.prices);
		const address = here(pricing.primary_ips.find(({ type }) => type === "ipv4")?.prices);
		const hourly = server === undefined || address === undefined ? undefined : server + address;
		return priced("Hetzner", "server type", `${size} in ${datacenter ?? location}`, hourly, pricing.currency, this.context.now());
	}

	/** A type that a location has has a price there. */
	async retired(): Promise<readonly Retired[]> {
		const { size, location, datacenter, image } = this.account;
		const types = await this.#rest.all("/v1/server_types", "server_types", z.object({ name: z.string(), prices: Prices }));
		const there = types.filter(({ prices }) => prices.some((price) => price.location === (datacenter ?? location))).map(({ name }) => name);
		const gone = retiredUnless("size", size, there);
		if (/^\d+$/.test(image)) return gone;
		const images = await this.#rest.all("/v1/images?type=system", "images", z.object({ name: z.string().nullish() }));
		const names = images.flatMap(({ name }) => name ?? []);
		return [...gone, ...retiredUnless("image", image, names)];
	}

	async #byId(vm: string): Promise<Vm | null> {
		const found = await orNull(this.#rest.call("GET", pathOf(vm), json(Found)));
		return found === null ? null : vmOf(found.server);
	}

	async #named(name: string): Promise<Vm | null> {
		const servers = await this.#rest.all(`/v1/servers?name=${encodeURIComponent(name)}`, "servers", Server);
		const server = servers.find((each) => each.name.toLowerCase() === name.toLowerCase());
		return server === undefined ? null : vmOf(server);
	}

	/** The id of the one firewall that the deployment has, which lets in whom it shall. */
	#firewall(wanted: Protection): Promise<number> {
		return firewalls.ensure(this.context, this.#key, wanted, () => ensureFirewall(this.#rest, wanted));
	}

	get #key() {
		return [this.account.api_url, this.account.access_token];
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

const fault = faultIn(z.object({ error: z.object({ code: z.string(), message: z.string() }) }), ({ error }) => ({
	message: error.message,
	kind: KINDS[error.code] ?? null,
}));

const pathOf = (vm: string) => `/v1/servers/${encodeURIComponent(vm)}`;

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
