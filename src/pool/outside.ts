/** The world as a Durable Object reaches it: clouds, D1, proxies, other pools. */
import { randomBytes } from "node:crypto";
import { agentFiles } from "../agent/files.ts";
import { AGENT_PORT } from "../agent/protocol.ts";
import { renderUserData } from "../agent/userdata.ts";
import type { World } from "../calls/world.ts";
import { CALLS_A_PASS } from "../controller/pass.ts";
import { credentialsAsked } from "../core/model/credentials.ts";
import type { PoolSummary } from "../core/model/published.ts";
import type { Id, Place, Rate, State } from "../core/model/state.ts";
import { reserve } from "../d1/allotments.ts";
import { enterAgain, forgetPool } from "../d1/directory.ts";
import { CHECK_CALLS } from "../providers/base/check.ts";
import { placedAccount } from "../providers/base/places.ts";
import { type Provider, ProviderError } from "../providers/base/provider.ts";
import { countryOf, PROVIDERS } from "../providers/index.ts";
import { Ledger } from "../read-model/ledger.ts";
import { publish } from "../read-model/publish.ts";
import type { Env } from "../rpc/env.ts";
import type { InitialPool } from "../rpc/pool.ts";
import { logWarning } from "../values/log.ts";
import type { Derived } from "./endpoint.ts";
import { sha256 } from "./hash.ts";
import { askAssist, tellLimit } from "./neighbours.ts";
import { knock, probe, probePlainly } from "./probe.ts";
import { measureEndpoint } from "./source.ts";

/** Calls that a driver may make above the pass's budget to end what it began (pages, a firewall): the free plan allows 50 in all. */
const SPARE_CALLS = 8;

/** What one pool's effects need, and what they leave in memory. */
export class Outside {
	callsMade = 0;
	private readonly env: () => Env;
	private readonly object: string;
	private readonly source: InitialPool["source"];
	private readonly now: () => number;
	/** What the pool runs by now, and its provider's name. */
	private readonly derived: () => Derived | null;
	private readonly ledger = new Ledger();
	private readonly tokens = new Map<Id, string>();
	private rate: Rate | null = null;
	/** How many answers of the cloud of each status came since somebody took them. */
	private readonly answers = new Map<string, number>();

	constructor(
		env: () => Env,
		{ object, source }: Pick<InitialPool, "object" | "source">,
		now: () => number,
		derived: () => Derived | null,
	) {
		this.env = env;
		this.object = object;
		this.source = source;
		this.now = now;
		this.derived = derived;
	}

	/** A boot token is in memory from its minting until its create is rendered, in the same turn. */
	mintToken(id: Id): string {
		const token = `${this.object}.${id}.${randomBytes(32).toString("base64url")}`;
		this.tokens.set(id, token);
		return sha256(token);
	}

	names(state: State): Pick<PoolSummary, "displayName" | "settings" | "countries"> {
		const derived = this.derived();
		const regions = new Set(state.spec.places.map(({ region }) => region));
		const countries = [...regions].flatMap((region) => {
			const country = countryOf(state.pool.provider, region);
			return country === null ? [] : [[region, country] as const];
		});
		return {
			displayName: derived?.displayName ?? state.pool.name,
			settings: derived?.shown ?? {},
			countries: Object.fromEntries(countries),
		};
	}

	/**
	 * The cloud as seen from a place; null: from where the account says. `check`: for one look beside the passes, whose calls are not theirs.
	 * Throws a ProviderError where the account's settings are missing.
	 */
	provider({ pool }: Pick<State, "pool">, use: "pass" | "check" = "pass", place: Place | null = null): Provider {
		let left = CHECK_CALLS;
		const derived = this.derived();
		const definition = pool.provider === "static" ? undefined : PROVIDERS[pool.provider];
		if (definition === undefined || derived === null || derived.account === null || derived.provider !== pool.provider) {
			throw new ProviderError({ kind: "auth", message: derived?.problem ?? "the account's credentials are not set" });
		}
		const account = place === null ? derived.account : placedAccount(definition.settings, derived.account, place);
		return definition.create(account, {
			fetch: (input, init) => fetch(input, init),
			now: this.now,
			countCall: () => {
				if (use === "check" && left-- <= 0)
					throw new ProviderError({ kind: "transient", message: `the account's list takes more than ${CHECK_CALLS} calls` });
				if (use === "check") return;
				if (this.callsMade >= CALLS_A_PASS + SPARE_CALLS)
					throw new ProviderError({ kind: "transient", message: "this pass has no call left" });
				this.callsMade++;
			},
			observeAnswer: (code) => {
				this.answers.set(code, (this.answers.get(code) ?? 0) + 1);
			},
			observeRate: (rate) => {
				if (use === "pass") this.rate = rate;
			},
			wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
		});
	}

	/** What the effects of a pool that is in this state find. */
	world(state: State): World {
		const { DB } = this.env();
		return {
			now: this.now,
			provider: (place) => this.provider(state, "pass", place),
			takeRate: () => {
				const { rate } = this;
				this.rate = null;
				return rate;
			},
			takeAnswers: () => {
				const answers = Object.fromEntries(this.answers);
				this.answers.clear();
				return answers;
			},
			takeToken: (id) => this.takeToken(id),
			userData,
			probe,
			probePlainly,
			knock,
			ledger: this.ledger,
			names: () => this.names(state),
			database: {
				publish: (publication) => publish(DB, publication),
				enter: (lost) => enterAgain(DB, { ...lost, source: this.source }),
				reserve: (wanted) => reserve(DB, wanted),
				forget: (object, charges, now) => forgetPool(DB, object, charges, now),
			},
			measure: (endpoint) => {
				this.callsMade++;
				return measureEndpoint(this.env(), endpoint, this.object);
			},
			assist: (endpoint, count) => {
				this.callsMade++;
				return askAssist(this.env(), endpoint, this.object, count);
			},
			shareLimit: (accountKey, until, rate) => {
				this.callsMade++;
				return tellLimit(this.env(), accountKey, this.object, until, rate);
			},
			countCall: () => {
				this.callsMade++;
			},
			tell: logWarning,
		};
	}

	private takeToken(id: Id): string {
		const token = this.tokens.get(id);
		this.tokens.delete(id);
		if (token === undefined) throw new ProviderError({ kind: "transient", message: "the boot token was lost" });
		return token;
	}
}

function userData(state: State, token: string): Promise<string> {
	if (state.agentUrl === null) throw new ProviderError({ kind: "transient", message: "the address that agents call is not known" });
	const { agentUrl: url, heartbeatSeconds: interval, allow } = state;
	return renderUserData({ url, token, port: AGENT_PORT, interval, credentials: credentialsAsked(state), allow }, agentFiles);
}
