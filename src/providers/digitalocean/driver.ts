import { z } from "zod";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { as, isFailure, orElse, orNull } from "../base/failures.ts";
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
import { bearer, numbered, Rest, type RestApi } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { DEPLOYMENT_TAG, eachOnce, isIntents, isOurTag, readTagList, TAG, tagList } from "../base/tags.ts";
import { countries } from "./countries.ts";
import { hasTag, makeFirewall, TagMissing } from "./firewall.ts";
import { type DigitalOceanAccount, schema, settings } from "./settings.ts";

/**
 * DigitalOcean (https://docs.digitalocean.com/reference/api/). What shapes this driver:
 * - A create is accepted (202), not done: one that fails later shows as a droplet that is gone.
 * - Names are not unique and creates not idempotent, so a lost answer is looked up by name, never asked again.
 * - Everything that is ours carries tags; `tag_name` filters the list, `name` is exact (and cannot go with it).
 * - Firewalls apply to tags, and only to tags that exist (a droplet's create makes those it names); their names are
 *   unique in an account.
 */
export const digitalocean: ProviderDefinition<DigitalOceanAccount> = {
	displayName: "DigitalOcean",
	countries,
	settings,
	schema,
	shown: (account) => shownOf(settings, account),
	twoStepRestart: false,
	billedSeconds: 60,
	// A droplet that was accepted is in no list for seconds: https://github.com/digitalocean/api-v2/issues/202
	absence: { lookup: "name", isImmediate: false, repeat: "second" },
	leavesBehind: "the firewall muster-<deployment>; the tags muster, muster-deployment:…, muster-pool:… and muster-intent:…",
	create: (account, context) => new DigitalOcean(account, context),
};

const Droplet = z.object({
	id: z.number().int(),
	name: z.string(),
	status: z.string(),
	networks: z.object({ v4: z.array(z.object({ ip_address: z.string(), type: z.string() })).nullish() }).nullish(),
	tags: z.array(z.string()).nullish(),
});
const Found = z.object({ droplet: Droplet });
const Size = z.object({ slug: z.string(), price_hourly: z.number() });
const Offered = z.object({ slug: z.string(), available: z.boolean(), regions: z.array(z.string()) });
const Page = z.object({ links: z.object({ pages: z.object({ next: z.string().optional() }).nullish() }).nullish() });

/** https://docs.digitalocean.com/reference/api/: 200 is the most that it gives at once. */
const api = ({ api_url, access_token }: DigitalOceanAccount): RestApi => ({
	provider: "DigitalOcean",
	baseUrl: api_url,
	access: bearer(access_token),
	fault,
	pages: { ...numbered(200), next: ({ body }) => pageNumber(Page.parse(body).links?.pages?.next) },
});

const firewalls = new Firewalls();

class DigitalOcean extends Driver<DigitalOceanAccount> implements Provider {
	readonly #rest = new Rest(this.context, api(this.account));

	async create(wanted: CreateRequest): Promise<Vm> {
		const isProtected = await this.#ensureFirewall(wanted);
		const vm = await this.#makeDroplet(wanted);
		// The very first droplet makes the tag that its firewall applies to, which then is there before the droplet has booted.
		if (!isProtected) await this.#ensureFirewallOf(wanted, vm);
		return vm;
	}

	async protect(wanted: Protection): Promise<void> {
		// Where the tag is missing there is no droplet of ours.
		await this.#ensureFirewall(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		return eachOnce((await this.#rest.all(`/v2/droplets?tag_name=${TAG}`, "droplets", Droplet)).map(vmOf));
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const found = wanted.vm === null ? await this.#named(wanted.name) : await this.#byId(wanted.vm);
		const ours = found.filter((vm) => isIntents(vm, wanted.tags));
		// Names are not unique: were there two, the older one (its id is lower) is found each time.
		return ours.sort((a, b) => Number(a.vm) - Number(b.vm))[0] ?? null;
	}

	async delete(vm: string): Promise<void> {
		await this.#rest.call("DELETE", pathOf(vm), ignored);
	}

	/** Both calls answer with an action that goes on by itself; `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		const act = (type: string) => this.#rest.call("POST", `${pathOf(vm)}/actions`, ignored, { body: { type } });
		// Refused, it is certainly not done: the droplet is in no state to be rebooted, and the reset button may still work.
		await orElse(act("reboot"), "invalid", () => act("power_cycle"));
	}

	async get(vm: string): Promise<Vm | null> {
		return (await this.#byId(vm))[0] ?? null;
	}

	/** Tag by tag: a tag is put on, and taken off, a droplet with a call of its own. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const { droplet } = await this.#rest.call("GET", pathOf(vm), json(Found));
		const has = droplet.tags ?? [];
		const wanted = tags === null ? [] : tagList(tags);
		// `muster`, by which lists find it, and the deployment go first and come last.
		for (const tag of inOrder(has.filter((one) => isOurTag(one) && !wanted.includes(one)))) await this.#untag(vm, tag);
		for (const tag of inOrder(wanted.filter((one) => !has.includes(one))).reverse()) await this.#tag(vm, tag);
	}

	async #tag(vm: string, tag: string): Promise<void> {
		if (!(await hasTag(this.#rest, tag))) {
			try {
				await this.#rest.call("POST", "/v2/tags", ignored, { body: { name: tag } });
			} catch (error) {
				// Somebody else made it meanwhile.
				if (!isFailure(error, "invalid", "conflict") || !(await hasTag(this.#rest, tag))) throw error;
			}
		}
		await this.#rest.call("POST", `/v2/tags/${encodeURIComponent(tag)}/resources`, ignored, { body: resources(vm) });
	}

	async #untag(vm: string, tag: string): Promise<void> {
		// A tag that does not exist any more is on no droplet.
		await orNull(this.#rest.call("DELETE", `/v2/tags/${encodeURIComponent(tag)}/resources`, ignored, { body: resources(vm) }));
	}

	/** The address is included: https://docs.digitalocean.com/products/droplets/details/pricing/ */
	async hourlyPrice(): Promise<Price> {
		const { size } = this.account;
		const sizes = await this.#rest.all("/v2/sizes", "sizes", Size);
		return priced("DigitalOcean", "size", size, sizes.find(({ slug }) => slug === size)?.price_hourly, "USD", this.context.now());
	}

	async retired(): Promise<readonly Retired[]> {
		const { size, region, image } = this.account;
		const sizes = await this.#rest.all("/v2/sizes", "sizes", Offered);
		const there = sizes.filter(({ available, regions }) => available && regions.includes(region)).map(({ slug }) => slug);
		const gone = retiredUnless("size", size, there);
		if (/^\d+$/.test(image)) return gone;
		const images = await this.#rest.all("/v2/images?type=distribution", "images", z.object({ slug: z.string().nullish() }));
		const slugs = images.flatMap(({ slug }) => slug ?? []);
		return [...gone, ...retiredUnless("image", image, slugs)];
	}

	async #byId(vm: string): Promise<Vm[]> {
		const found = await orNull(this.#rest.call("GET", pathOf(vm), json(Found)));
		return found === null ? [] : [vmOf(found.droplet)];
	}

	async #named(name: string): Promise<Vm[]> {
		const droplets = await this.#rest.all(`/v2/droplets?name=${encodeURIComponent(name)}`, "droplets", Droplet);
		return droplets.filter((droplet) => droplet.name.toLowerCase() === name.toLowerCase()).map(vmOf);
	}

	async #makeDroplet({ name, tags, userData }: CreateRequest): Promise<Vm> {
		const { region, size, image } = this.account;
		try {
			const { droplet } = await this.#rest.call("POST", "/v2/droplets", json(Found), {
				body: {
					name,
					region,
					size,
					image: /^\d+$/.test(image) ? Number(image) : image,
					user_data: userData,
					tags: tagList(tags),
					ipv6: false,
					backups: false,
					monitoring: false,
					with_droplet_agent: false,
				},
				confidential: [userData],
			});
			// The tags are put on after the droplet is made, so that this answer may lack them.
			return { ...vmOf(droplet), tags };
		} catch (error) {
			// "Not found" is then the image, or whatever else the request names.
			throw as(error, { notFound: "invalid" });
		}
	}

	/**
	 * One firewall per deployment, on its tag. False: it must wait until that tag exists. Whatever else goes wrong here, no
	 * droplet was made.
	 */
	async #ensureFirewall(wanted: Protection): Promise<boolean> {
		try {
			await this.#firewall(wanted, false);
			return true;
		} catch (error) {
			if (error instanceof TagMissing) return false;
			throw error;
		}
	}

	/** The same for a droplet that exists already: then a failure says so, and the pool finds the droplet. The next create tries again. */
	async #ensureFirewallOf(wanted: CreateRequest, { vm }: Vm): Promise<void> {
		try {
			await this.#firewall(wanted, true);
		} catch (error) {
			if (!(error instanceof ProviderError)) throw error;
			throw new ProviderError({ kind: "unknown", message: `droplet ${vm} was made, its firewall was not: ${error.failure.message}` });
		}
	}

	#firewall(wanted: Protection, mayMakeTag: boolean): Promise<void> {
		const { api_url, access_token } = this.account;
		// Who may make the tag must not be told by one who may not that it is missing.
		const how = mayMakeTag ? "with its tag" : "";
		return firewalls.ensure(this.context, [api_url, access_token], wanted, () => makeFirewall(this.#rest, wanted, mayMakeTag), how);
	}
}

const pathOf = (vm: string) => `/v2/droplets/${encodeURIComponent(vm)}`;

/** What takes a droplet out of lists, and out of this deployment, first. */
function inOrder(tags: readonly string[]): string[] {
	const rank = (tag: string) => (tag === TAG ? 0 : tag.startsWith(`${DEPLOYMENT_TAG}:`) ? 1 : 2);
	return [...tags].sort((a, b) => rank(a) - rank(b));
}

function resources(vm: string) {
	return { resources: [{ resource_id: vm, resource_type: "droplet" }] };
}

/** Only the page number of a link is followed: the answer does not decide where the token goes. Null: there is no further page. */
function pageNumber(link: string | undefined): number | null {
	if (link === undefined) return null;
	return z.coerce
		.number()
		.int()
		.min(1)
		.parse(URL.parse(link, "https://api.digitalocean.com")?.searchParams.get("page") ?? undefined);
}

/** 422 says everything from a spelling mistake to a busy droplet; only its sentence tells which. */
const fault = faultIn(z.object({ message: z.string() }), ({ message }, status): Fault => {
	if (status !== 422) return { message, kind: null };
	if (/pending event|\blocked\b/i.test(message)) return { message, kind: "conflict" };
	if (/limit/i.test(message) && /exceed|reach/i.test(message)) return { message, kind: "quota" };
	if (/\b(size|region)\b/i.test(message) && /unavailable|not available|restricted/i.test(message)) return { message, kind: "capacity" };
	return { message, kind: null };
});

function vmOf(droplet: z.infer<typeof Droplet>): Vm {
	const address = droplet.networks?.v4?.find(({ type }) => type === "public")?.ip_address ?? null;
	return {
		vm: String(droplet.id),
		name: droplet.name,
		state: stateOf(droplet.status),
		address,
		tags: readTagList(droplet.tags ?? []),
	};
}

/** `locked` says that some action is running, not which: a droplet that is being deleted looks as before until it is gone. */
function stateOf(status: string): Vm["state"] {
	switch (status) {
		case "new":
			return "starting";
		case "off":
		case "archive":
			return "off";
		default:
			// `active`. Were there ever another, the agent would tell whether the droplet serves.
			return "running";
	}
}
