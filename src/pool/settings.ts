import type { Wanted } from "../controller/controller.ts";
import type { Command } from "../core/model/command.ts";
import type { CloudName, State } from "../core/model/state.ts";
import { PROVIDERS } from "../providers/index.ts";
import type { FleetFacts, InitialPool } from "../rpc/pool.ts";
import { type EndpointConfiguration, masked, type StoredConfiguration } from "../settings/configuration.ts";
import { type Hosts, hostNamesIn } from "../settings/endpoint.ts";
import { type Config, findPool, type PoolConfig } from "../settings/environment.ts";
import {
	type Derived,
	deriveApi,
	deriveEnvironment,
	generated,
	listOf,
	opens,
	type Reconfigured,
	reconfiguredApi,
	reconfiguredEnvironment,
	rehosted,
	relisted,
	resealed,
	type StoredEndpoint,
	withBounds,
} from "./endpoint.ts";
import { sha256 } from "./hash.ts";
import type { Store } from "./store.ts";

/** What one pool runs by: the environment, or its endpoint's configuration, or both. Read once for each of them. */
export class PoolSettings {
	private readonly store: Store;
	private readonly initial: InitialPool;
	private readonly config: () => Config;
	private endpoint: StoredEndpoint | null;
	private read: { readonly config: Config; readonly endpoint: StoredEndpoint | null; readonly derived: Derived | null } | null = null;

	/** `config` gives the environment as it is now; the same object while that does not change. */
	constructor(store: Store, initial: InitialPool, endpoint: StoredEndpoint | null, config: () => Config) {
		this.store = store;
		this.initial = initial;
		this.endpoint = endpoint;
		this.config = config;
	}

	/** What the environment says of this pool now; null where it says nothing, or never did. */
	environment(): PoolConfig | null {
		return this.initial.source === "environment" ? findPool(this.config(), this.initial.provider as CloudName, this.initial.name) : null;
	}

	/** Null where nothing says any more what the pool is to be. Stores nothing. */
	current(): Derived | null {
		const config = this.config();
		if (this.read?.config !== config || this.read.endpoint !== this.endpoint) {
			this.read = { config, endpoint: this.endpoint, derived: this.derive(config) };
		}
		return this.read.derived;
	}

	private derive(config: Config): Derived | null {
		if (this.initial.source === "api") return this.endpoint === null ? null : deriveApi(this.endpoint, this.initial, config);
		const pool = this.environment();
		return pool === null ? null : deriveEnvironment(this.endpoint, pool);
	}

	/** Stores the endpoint's secrets encrypted with the first key, where they are not. */
	resealSecrets(): void {
		if (this.initial.source !== "api" || this.endpoint === null) return;
		const again = resealed(this.endpoint, this.initial.object, this.config().global.encryptionKeys);
		if (again !== null) this.save(again);
	}

	/** Takes in the interval that managers' configurations name for this pool. */
	learn({ intervals = {} }: FleetFacts): void {
		const named = (name: string) => (Object.hasOwn(intervals, name) ? intervals[name] : undefined);
		const { source, provider, name } = this.initial;
		const intervalSeconds = named(source === "api" ? name : `${provider}-${name}`) ?? named("default") ?? null;
		if (intervalSeconds === (this.endpoint?.intervalSeconds ?? null)) return;
		this.save({ ...(this.endpoint ?? { configuration: {}, environment: null }), intervalSeconds });
	}

	/** The endpoint's configuration with its secrets masked. */
	shown(state: State): EndpointConfiguration {
		const pool = this.environment();
		if (pool !== null) return generated(this.endpoint, pool, state.spec);
		return this.endpoint === null ? {} : masked(this.endpoint.configuration);
	}

	/** The host names among its static backends. */
	hostNames(): readonly string[] {
		return this.endpoint === null ? [] : hostNamesIn(masked(this.endpoint.configuration));
	}

	/** Takes in what was found of them. False: nothing changes. */
	rehost(found: Hosts): boolean {
		const endpoint = this.endpoint === null ? null : rehosted(this.endpoint, found);
		if (endpoint !== null) this.save(endpoint);
		return endpoint !== null;
	}

	/** Where its list of proxies is fetched from, and when next (milliseconds since the epoch); null: from nowhere. */
	list(): { readonly url: string; readonly dueAt: number } | null {
		if (this.endpoint === null || this.initial.source !== "api") return null;
		const list = listOf(this.endpoint, this.initial.object, this.config());
		return list === null ? null : { url: list.url, dueAt: (this.endpoint.fetched?.at ?? 0) + list.everyMs };
	}

	/** Takes in a list that was fetched. */
	relist(text: string, now: number): void {
		if (this.endpoint !== null) this.save(relisted(this.endpoint, this.initial.object, this.config(), text, now));
	}

	/** What would come of another configuration, with the addresses of its host names; nothing is changed. */
	reconfigured(given: StoredConfiguration, found: Hosts): Reconfigured {
		const config = this.config();
		if (this.initial.source === "api") return reconfiguredApi(given, this.endpoint, this.initial, config, found);
		const pool = this.environment();
		if (pool === null) return { ok: false, conflict: "The environment does not name this pool any more: it is being emptied." };
		return reconfiguredEnvironment(given, this.endpoint, this.initial.object, pool, config, found);
	}

	/** What the pool would run by. */
	derivedFrom(endpoint: StoredEndpoint): Derived | null {
		if (this.initial.source === "api") return deriveApi(endpoint, this.initial, this.config());
		const pool = this.environment();
		return pool === null ? null : deriveEnvironment(endpoint, pool);
	}

	/** Stores it; the caller takes in what follows from it in the same turn. */
	save(endpoint: StoredEndpoint): void {
		this.store.saveEndpoint(endpoint);
		this.endpoint = endpoint;
	}

	/** Bounds that were PATCHed are those of the endpoint's configuration; the environment's pools keep them in their state. */
	rebound(min: number, max: number): void {
		if (this.initial.source !== "api" || this.endpoint === null) return;
		this.save({ ...this.endpoint, configuration: withBounds(this.endpoint.configuration, min, max) });
	}

	/** Whether this is the endpoint's own key. */
	opens(key: string): boolean {
		return this.endpoint !== null && opens(this.endpoint.configuration, key);
	}

	/** What the controller brings the pool in line with. A pool of an endpoint is named by nothing but its configuration. */
	wanted(): Wanted {
		const derived = this.current();
		const configure = derived === null ? null : configureCommand(derived);
		if (this.initial.source === "api") return { configure, isNamed: null };
		const named = this.environment();
		return { configure, isNamed: named !== null && (named.enabled || named.problem !== null) };
	}
}

/** By what proves who asks and where it is sent: two pools with the same are one account to their cloud. Empty: there is none. */
function keyOfAccount(provider: string, account: unknown): string {
	const settings = PROVIDERS[provider]?.settings;
	if (settings === undefined || account === null || account === undefined) return "";
	const values = account as Readonly<Record<string, unknown>>;
	const telling = Object.entries(settings).filter(([, { isSecret, isAddress, isRecipient }]) => isSecret || isAddress || isRecipient);
	return sha256(JSON.stringify([provider, ...telling.map(([field]) => values[field] ?? null)])).slice(0, 16);
}

const commands = new WeakMap<Derived, Command & { readonly do: "configure" }>();

/** The same command for the same settings. */
export function configureCommand(derived: Derived): Command & { readonly do: "configure" } {
	let command = commands.get(derived);
	if (command === undefined) {
		const { settings, account, provider } = derived;
		const accountKey = keyOfAccount(provider, account);
		command = { do: "configure", settings, account: sha256(JSON.stringify(account ?? null)).slice(0, 16), accountKey, provider };
		commands.set(derived, command);
	}
	return command;
}
