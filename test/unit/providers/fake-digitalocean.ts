import type { ProviderContext } from "../../../src/providers/base/provider.ts";

interface Droplet {
	id: number;
	name: string;
	status: string;
	locked: boolean;
	networks: { v4: { ip_address: string; type: string }[] };
	tags: string[];
	request?: Record<string, unknown>;
}
interface Rule {
	protocol: string;
	ports: string;
	sources?: { addresses?: string[] };
	destinations?: { addresses?: string[] };
}
interface Firewall {
	id: string;
	name: string;
	tags: string[];
	inbound_rules: Rule[];
	outbound_rules: Rule[];
}
type Respond = (call: Call) => Response | null | Promise<Response | null>;
export interface Call {
	readonly method: string;
	readonly path: string;
	readonly url: URL;
	readonly body: Record<string, unknown>;
	readonly headers: Headers;
	readonly signal: AbortSignal;
}

export const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
	new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
export const refuse = (status: number, id: string, message: string, headers: Record<string, string> = {}) =>
	answer(status, { id, message }, headers);

/** DigitalOcean's dialect behind a `fetch`: droplets, their actions, tags and firewalls of one account, in memory. */
export class FakeDigitalOcean {
	readonly droplets: Droplet[] = [];
	readonly firewalls: Firewall[] = [];
	readonly tags = new Set<string>();
	readonly calls: Call[] = [];
	/** Most items a page holds, whatever is asked for. */
	pageSize = 200;
	/** Asked first for each call; null lets the call through. */
	intercept: Respond = () => null;
	/** Where `links` point to. */
	linkBase = "https://api.digitalocean.com";
	#nextId = 1000;

	readonly #token: string;
	constructor(token: string) {
		this.#token = token;
	}

	readonly fetch = (async (input: string, init: RequestInit) => {
		const url = new URL(input);
		const call: Call = {
			method: init.method ?? "GET",
			path: url.pathname,
			url,
			body: typeof init.body === "string" ? JSON.parse(init.body) : {},
			headers: new Headers(init.headers),
			signal: init.signal as AbortSignal,
		};
		this.calls.push(call);
		return (await this.intercept(call)) ?? this.handle(call);
	}) as typeof fetch;

	/** What the cloud does when nothing is in the way. */
	handle(call: Call): Response {
		const { method, path, url, body } = call;
		if (call.headers.get("authorization") !== `Bearer ${this.#token}`) return refuse(401, "unauthorized", "Unable to authenticate you");
		const [, , kind = "", id, more] = path.split("/");
		switch (`${method} ${kind}${id === undefined ? "" : "/_"}${more === undefined ? "" : `/${more}`}`) {
			case "POST droplets":
				return answer(202, { droplet: this.make(body), links: { actions: [{ id: 1, rel: "create", href: "" }] } });
			case "GET droplets":
				return this.#page("droplets", this.droplets.filter(matching(url)), url);
			case "GET droplets/_": {
				const droplet = this.#droplet(id);
				return droplet ? answer(200, { droplet }) : notFound();
			}
			case "DELETE droplets/_": {
				const droplet = this.#droplet(id);
				if (droplet === undefined) return notFound();
				this.droplets.splice(this.droplets.indexOf(droplet), 1);
				return answer(204, null);
			}
			case "POST droplets/_/actions":
				return this.#droplet(id) ? answer(201, { action: { id: 2, status: "in-progress", type: body.type } }) : notFound();
			case "GET firewalls":
				return this.#page("firewalls", this.firewalls, url);
			case "POST firewalls": {
				if (this.firewalls.some(({ name }) => name === body.name)) return refuse(409, "conflict", "duplicate name");
				const firewall = { id: crypto.randomUUID(), ...body } as unknown as Firewall;
				return this.#keep(firewall, 202, () => this.firewalls.push(firewall));
			}
			case "PUT firewalls/_": {
				const at = this.firewalls.findIndex((firewall) => firewall.id === id);
				if (at < 0) return notFound();
				const firewall = { id, ...body } as unknown as Firewall;
				return this.#keep(firewall, 200, () => this.firewalls.splice(at, 1, firewall));
			}
			case "POST tags":
				if (this.tags.has(String(body.name))) return refuse(422, "unprocessable_entity", "Tag already exists");
				this.tags.add(String(body.name));
				return answer(201, { tag: { name: body.name } });
			case "GET tags/_":
				return this.tags.has(decodeURIComponent(id ?? "")) ? answer(200, { tag: { name: id } }) : notFound();
			default:
				return notFound();
		}
	}

	make(request: Record<string, unknown>): Droplet {
		const id = this.#nextId++;
		const tags = (request.tags as string[] | undefined) ?? [];
		for (const tag of tags) this.tags.add(tag);
		const droplet: Droplet = { id, name: String(request.name), status: "new", locked: false, networks: { v4: [] }, tags, request };
		this.droplets.push(droplet);
		return droplet;
	}

	asked(method: string, path: string): number {
		return this.calls.filter((call) => call.method === method && call.path === path).length;
	}

	#keep(firewall: Firewall, status: number, keep: () => void): Response {
		if (!firewall.tags.every((tag) => this.tags.has(tag))) return refuse(422, "unprocessable_entity", "tag does not exist");
		if (firewall.outbound_rules.concat(firewall.inbound_rules).some(({ ports }) => ports === "0")) {
			return refuse(422, "unprocessable_entity", "You must specify a positive value for ports.");
		}
		keep();
		return answer(status, { firewall });
	}

	#droplet(id: string | undefined): Droplet | undefined {
		return this.droplets.find((droplet) => String(droplet.id) === id);
	}

	#page(key: string, items: readonly unknown[], url: URL): Response {
		const page = Number(url.searchParams.get("page") ?? 1);
		const size = Math.min(this.pageSize, Number(url.searchParams.get("per_page") ?? 20));
		const end = page * size;
		const next = new URL(`${this.linkBase}${url.pathname}${url.search}`);
		next.searchParams.set("page", String(page + 1));
		const links = end < items.length ? { pages: { next: next.href } } : {};
		return answer(200, { [key]: items.slice(end - size, end), links, meta: { total: items.length } });
	}
}

const notFound = () => refuse(404, "not_found", "The resource you were accessing could not be found.");

function matching(url: URL): (droplet: Droplet) => boolean {
	const tag = url.searchParams.get("tag_name");
	const name = url.searchParams.get("name");
	return (droplet) => (tag === null || droplet.tags.includes(tag)) && (name === null || droplet.name.toLowerCase() === name.toLowerCase());
}

/** A context whose clock stands still and whose rate statements are kept. */
export function contextOf(fake: { readonly fetch: typeof fetch }, more: Partial<ProviderContext> = {}): ProviderContext {
	const rest = { countCall: () => undefined, observeRate: () => undefined, wait: async () => undefined };
	return { fetch: fake.fetch, now: () => 1_700_000_000_000, ...rest, ...more };
}
