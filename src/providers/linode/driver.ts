import { z } from "zod";
import { gzipped } from "../../agent/gzip.ts";
import type { Price, Vm } from "../../core/model/state.ts";
import { shownOf } from "../base/account.ts";
import { Driver } from "../base/driver.ts";
import { orElse, orNull } from "../base/failures.ts";
import { Firewalls } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import { priced } from "../base/prices.ts";
import type { CreateRequest, Protection, Provider, ProviderDefinition, Retired, Wanted } from "../base/provider.ts";
import { Rest } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { eachOnce, isIntents, readTagList, retagged, TAG, tagList } from "../base/tags.ts";
import { api, filteredBy } from "./api.ts";
import { countries } from "./countries.ts";
import { ensureFirewall } from "./firewall.ts";
import { type LinodeAccount, schema, settings } from "./settings.ts";

/**
 * Linode, Akamai's cloud (API v4: https://techdocs.akamai.com/linode-api/reference/api; its OpenAPI document is
 * https://github.com/linode/linode-api-docs). What shapes this driver:
 * - A Linode's label is unique in its account: a create that is repeated is refused (`Label must be unique`) and the Linode that is there
 *   found by its label, with the header `X-Filter`.
 * - Errors are sentences under 400 and 403. Of a sold-out plan the sentence alone tells that it is no matter of credentials:
 *   https://github.com/linode/linode_api4-python/pull/396
 * - The firewall goes with the create, and where depends on the kind of its network (`interface_generation`). The account's own default
 *   for that can change, so it is always said.
 * - User data may have 16,384 bytes (https://github.com/linode/cluster-api-provider-linode, `MaxBodySizeBytes`), so they go gzipped, as cloud-init takes them.
 * - A burst of creates is answered with 408 (https://github.com/pry0cc/axiom/issues/411): it may have been done.
 * - Limits are stated by kind of call (https://techdocs.akamai.com/linode-api/reference/rate-limits), so that what one states is not the account's.
 */
export const linode: ProviderDefinition<LinodeAccount> = {
	displayName: "Linode",
	settings,
	schema,
	shown: (account) => shownOf(settings, account),
	countries,
	twoStepRestart: false,
	billedSeconds: 3600,
	// Of lists that lag nothing is said, and nothing else was found.
	// Labels are unique in an account: https://techdocs.akamai.com/linode-api/reference/post-linode-instance (`label`)
	absence: { lookup: "name", isImmediate: false, repeat: "conflict" },
	leavesBehind: "the firewall muster-<deployment>",
	create: (account, context) => new LinodeDriver(account, context),
};

const INSTANCES = "/v4/linode/instances";

const Linode = z.object({
	id: z.number().int(),
	label: z.string(),
	status: z.string(),
	ipv4: z.array(z.string()).nullish(),
	tags: z.array(z.string()).nullish(),
});
const Hourly = z.object({ hourly: z.number() });
const Type = z.object({ id: z.string(), price: Hourly, region_prices: z.array(Hourly.extend({ id: z.string() })).nullish() });
const Image = z.object({ id: z.string(), deprecated: z.boolean() });

/** The firewalls' ids. */
const firewalls = new Firewalls<number>();

class LinodeDriver extends Driver<LinodeAccount> implements Provider {
	readonly #rest = new Rest(this.context, api(this.account));

	async create(wanted: CreateRequest): Promise<Vm> {
		const firewall = await this.#firewall(wanted);
		const { region, size, image } = this.account;
		const userData = Buffer.from(await gzipped(wanted.userData)).toString("base64");
		const password = forgottenPassword();
		try {
			const made = await this.#rest.call("POST", INSTANCES, json(Linode), {
				body: {
					region,
					type: size,
					image,
					label: wanted.name,
					root_pass: password,
					tags: tagList(wanted.tags),
					metadata: { user_data: userData },
					private_ip: false,
					backups_enabled: false,
					booted: true,
					...this.#network(firewall),
				},
				confidential: [userData, wanted.userData, password],
			});
			return { ...vmOf(made), tags: wanted.tags };
		} catch (error) {
			throw firewalls.blamed(this.#key, wanted, firewall, error);
		}
	}

	async protect(wanted: Protection): Promise<void> {
		await this.#firewall(wanted);
	}

	async list(): Promise<readonly Vm[]> {
		return eachOnce((await this.#rest.all(INSTANCES, "data", Linode, filteredBy({ tags: TAG }))).map(vmOf));
	}

	async find(wanted: Wanted): Promise<Vm | null> {
		const vm = wanted.vm === null ? await this.#labelled(wanted.name) : await this.#byId(wanted.vm);
		return vm !== null && isIntents(vm, wanted.tags) ? vm : null;
	}

	async get(vm: string): Promise<Vm | null> {
		return /^\d{1,15}$/.test(vm) ? this.#byId(vm) : null;
	}

	/** Tags are set as a whole. */
	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		const path = pathOf(vm);
		const { tags: has } = await this.#rest.call("GET", path, json(Linode));
		const wanted = retagged(has ?? [], tags);
		if (wanted !== null) await this.#rest.call("PUT", path, ignored, { body: { tags: wanted } });
	}

	async delete(vm: string): Promise<void> {
		await this.#rest.call("DELETE", pathOf(vm), ignored);
	}

	/** There is no reset button; one that is switched off is booted. `on` has nothing left to do. */
	async restart(vm: string, step: "off" | "on"): Promise<void> {
		if (step === "on") return;
		const act = (what: string) => this.#rest.call("POST", `${pathOf(vm)}/${what}`, ignored);
		// Refused, it is certainly not done: it is in no state to be rebooted, and may still be booted.
		await orElse(act("reboot"), "invalid", () => act("boot"));
	}

	/** The address is included; some regions have prices of their own. */
	async hourlyPrice(): Promise<Price> {
		const { size, region } = this.account;
		const types = await this.#rest.all("/v4/linode/types", "data", Type);
		const type = types.find(({ id }) => id === size);
		const here = type?.region_prices?.find(({ id }) => id === region) ?? type?.price;
		return priced("Linode", "type", size, here?.hourly, "USD", this.context.now());
	}

	/**
	 * Types are the same everywhere; of which a region has, the API says only for some. An image that is deprecated can still be had, and is not what is
	 * nearest: https://techdocs.akamai.com/linode-api/reference/get-images
	 */
	async retired(): Promise<readonly Retired[]> {
		const { size, image } = this.account;
		const types = (await this.#rest.all("/v4/linode/types", "data", Type)).map(({ id }) => id);
		const gone = retiredUnless("size", size, types);
		if (!image.startsWith("linode/")) return gone;
		const images = (await this.#rest.all("/v4/images", "data", Image, filteredBy({ is_public: true }))).filter(({ id }) =>
			id.startsWith("linode/"),
		);
		const current = images.filter(({ deprecated }) => !deprecated);
		const ids = (some: typeof images) => some.map(({ id }) => id);
		return [...gone, ...retiredUnless("image", image, ids(images), ids(current))];
	}

	async #byId(vm: string): Promise<Vm | null> {
		const found = await orNull(this.#rest.call("GET", pathOf(vm), json(Linode)));
		return found === null ? null : vmOf(found);
	}

	async #labelled(label: string): Promise<Vm | null> {
		const found = (await this.#rest.all(INSTANCES, "data", Linode, filteredBy({ label }))).find((each) => each.label === label);
		return found === undefined ? null : vmOf(found);
	}

	/** One public address, behind the firewall. */
	#network(firewall: number) {
		const { interface_generation } = this.account;
		if (interface_generation === "legacy_config") return { interface_generation, firewall_id: firewall };
		const ipv4 = { addresses: [{ address: "auto", primary: true }] };
		return { interface_generation, interfaces: [{ public: { ipv4 }, default_route: { ipv4: true }, firewall_id: firewall }] };
	}

	/** The id of the one firewall that the deployment has, which lets in whom it shall. */
	#firewall(wanted: Protection): Promise<number> {
		return firewalls.ensure(this.context, this.#key, wanted, () => ensureFirewall(this.#rest, wanted));
	}

	get #key() {
		return [this.account.api_url, this.account.access_token];
	}
}

/** An image wants a password for root. Nobody needs to know it: it is as long as a key, and kept nowhere. */
function forgottenPassword(): string {
	return `Aa1-${Buffer.from(crypto.getRandomValues(new Uint8Array(48))).toString("base64url")}`;
}

const pathOf = (vm: string) => `${INSTANCES}/${encodeURIComponent(vm)}`;

/** Private addresses stand in the same list. https://techdocs.akamai.com/linode-api/reference/post-add-linode-ip */
const isPrivate = (address: string) => /^192\.168\.(1(2[89]|[3-9]\d)|2\d\d)\./.test(address);

function vmOf({ id, label, status, ipv4, tags }: z.infer<typeof Linode>): Vm {
	const address = ipv4?.find((each) => !isPrivate(each)) ?? null;
	return { vm: String(id), name: label, state: stateOf(status), address, tags: readTagList(tags ?? []) };
}

function stateOf(status: string): Vm["state"] {
	switch (status) {
		case "provisioning":
		case "booting":
			return "starting";
		case "offline":
		case "stopped":
		case "billing_suspension":
			return "off";
		case "deleting":
			return "going";
		default:
			// `running`; and `rebooting`, `shutting_down`, `busy`, `migrating`, …, of which the agent tells whether the Linode serves.
			return "running";
	}
}
