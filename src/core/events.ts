import type { Call, Effect, EffectOf, ResultOf } from "./effects/index.ts";
import type { Registration, Report } from "./facts/agents.ts";
import type { CredentialsWords, RollingWords } from "./facts/commands.ts";
import type { SeenLine } from "./facts/lines.ts";
import type { Seen } from "./facts/listing.ts";
import type { Command } from "./model/command.ts";
import type { Failure } from "./model/failure.ts";
import type { Budget, Id, Ms, Rate, State } from "./model/state.ts";

/** Answers of the provider that came meanwhile, to whatever calls, by HTTP status or `lost`. */
export type Answers = Readonly<Record<string, number>>;

/** An effect was done, `startedAt` is when it went out. `rate`: the account's rate limit as the provider's answer stated it. */
export type Done<Name extends Call = Call> = {
	readonly [One in Name]: {
		readonly on: "done";
		readonly effect: EffectOf<One>;
		readonly result: ResultOf<One>;
		readonly startedAt: Ms;
		readonly rate?: Rate;
		readonly answers?: Answers;
	};
}[Name];

export interface Failing {
	readonly on: "failed";
	readonly effect: Effect;
	readonly failure: Failure;
	readonly startedAt: Ms;
	readonly rate?: Rate;
	readonly answers?: Answers;
}

/** What came of an effect. */
export type Outcome = Done | Failing;

/** A fact that is applied to a pool's state. */
export type Event =
	| { readonly on: "command"; readonly command: Command }
	| ({ readonly on: "registered" } & Registration)
	| ({ readonly on: "heartbeat" } & Report)
	/** An agent has opened its line. */
	| { readonly on: "lineOpened"; readonly id: Id }
	/** An agent's line broke, without a word; `aliveAt`: its last sign of life. */
	| { readonly on: "lineLost"; readonly id: Id; readonly aliveAt: Ms }
	/** What the lines show by themselves. `isLoaded`: the pool has just been loaded into memory. */
	| { readonly on: "lines"; readonly lives: readonly SeenLine[]; readonly isLoaded: boolean }
	/** The agent leaves: it must register again before it is listed. */
	| { readonly on: "unregistered"; readonly id: Id }
	/** Committed before the call goes out; also fences an instance that a deploy has superseded. */
	| { readonly on: "sent"; readonly effect: Effect; readonly tokenHash?: string }
	| Outcome
	| { readonly on: "agentUrl"; readonly url: string }
	| ({ readonly on: "rolling" } & RollingWords)
	| ({ readonly on: "credentials" } & CredentialsWords)
	/** How many proxies the whole deployment has, and how many requests a day its plan allows: for the heartbeat interval. `allotted`, `deployments`: see State. */
	| {
			readonly on: "fleet";
			readonly proxies: number;
			readonly dailyRequests: number;
			readonly allotted?: State["allotted"];
			readonly deployments?: readonly Id[];
	  }
	/** What cron saw of the pool in the directory. */
	| { readonly on: "directory"; readonly seen: Seen }
	/** What the deployment may spend. */
	| { readonly on: "budget"; readonly budget: Budget | null };

/** What to do now, the state that says so, and when to look again. */
export interface Plan {
	readonly state: State;
	readonly effects: readonly Effect[];
	/** There is nothing to do, and planning anew at the same instant would say the same. */
	readonly isFinal: boolean;
	readonly wakeAt: Ms;
}
