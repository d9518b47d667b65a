import type { Effect, Event, Failure, Vm } from "../../src/core/events.ts";
import type { Id, Ms, Rate, State } from "../../src/core/state.ts";
import type { Ledger } from "../../src/read-model/ledger.ts";
import type { Answer } from "./cloud.ts";
import type { Host } from "./host.ts";

/** Half the way to D1 and back. */
const DATABASE_MS: readonly [Ms, Ms] = [2, 900];

/** The instance that asks, as far as a call needs it. */
export interface Asker {
	readonly host: Host;
	readonly ledger: Ledger;
	/** Counts a call that goes out. */
	readonly count: () => void;
	readonly takeToken: (id: Id) => string | undefined;
	/** It will hear the answer, and has not been superseded. */
	readonly isListening: () => boolean;
}

/** Does one effect in the simulated world, as `src/pool/calls.ts` does it in the real one, and tells what came of it. */
export function carryOut(asker: Asker, effect: Effect, state: State, done: (event: Event, rate?: Rate | null) => void): void {
	const startedAt = asker.host.now();
	const { host, count } = asker;
	const { world } = host;
	const { cloud, database, clock, random } = world;
	const answered = <T>(ok: (answer: T) => Event) => {
		return (answer: Answer<T>) => {
			if ("ok" in answer) return done(ok(answer.ok), answer.rate);
			const { failure } = answer;
			if (failure.retryAt !== undefined && asker.isListening()) {
				if (failure.retryAt > host.notBefore.at) host.notBefore = { at: failure.retryAt, byClock: failure.retryAt + host.skewMs };
			}
			const told = failure.retryAt === undefined ? failure : { ...failure, retryAt: failure.retryAt + host.skewMs };
			if (failure.kind === "notFound" && effect.call === "delete") return done({ on: "gone", id: effect.id }, answer.rate);
			if (failure.kind === "notFound" && effect.call === "deleteStray") return done({ on: "strayGone", vm: effect.vm }, answer.rate);
			done({ on: "failed", effect, failure: told }, answer.rate);
		};
	};
	switch (effect.call) {
		case "create":
		case "finish": {
			count();
			const token = asker.takeToken(effect.id);
			if (token === undefined || state.agentUrl === null) throw new Error("a create without its token or URL");
			const { deployment, tag } = state.pool;
			const boot = {
				token,
				tokenHash: hashOf(token),
				url: state.agentUrl,
				intervalSeconds: state.heartbeatSeconds,
				credentials: asked(state),
			};
			const tags = { deployment, pool: tag, intent: effect.id };
			if (state.proxies.get(effect.id)?.tokenHash !== boot.tokenHash) {
				world.watch.broken("9", `${effect.call} of ${effect.id} goes out with a token that is not stored`);
			}
			if (effect.call === "finish") {
				cloud.finish(
					effect.vm,
					boot,
					answered(() => ({ on: "accepted", effect })),
				);
				return;
			}
			cloud.protectAtCreate(deployment, state.allow);
			cloud.create(
				{ name: `muster-${deployment}-${effect.id}`, tags, boot, account: state.account },
				answered((vm) => ({ on: "created", id: effect.id, vm })),
			);
			return;
		}
		case "delete":
		case "deleteStray":
			count();
			cloud.delete(
				effect.vm,
				answered(() => ({ on: "accepted", effect })),
			);
			return;
		case "firewall":
			count();
			cloud.protect(
				state.pool.deployment,
				effect.allow,
				answered(() => ({ on: "accepted", effect })),
			);
			return;
		case "restart":
			count();
			cloud.restart(
				effect.vm,
				effect.step,
				answered(() => ({ on: "accepted", effect })),
			);
			return;
		case "probeStatic": {
			count();
			const isUp = () => !world.faults.strikes("staticsDown") && world.agentUrl === world.goodUrl;
			clock.after(random.between(10, 3000), () => {
				const verdict = isUp() ? ({ is: "ok", active: null } as const) : ({ is: "refused" } as const);
				world.watch.probedStatic(host, effect.id, verdict.is === "ok");
				done({ on: "staticProbed", id: effect.id, verdict });
			});
			return;
		}
		case "adopt": {
			count();
			const { deployment, tag } = state.pool;
			const tags = { deployment, pool: tag, intent: effect.id };
			const refused = (failure: Failure) => done({ on: "failed", effect, failure });
			cloud.get(effect.vm, (answer) => {
				if ("failure" in answer) return answered<Vm | null>(() => ({ on: "failed", effect, failure: answer.failure }))(answer);
				const found = answer.ok;
				if (found === null || found.state === "going") return refused({ kind: "notFound", say: "there is no such VM" });
				if (world.core.isAnothers(found, state.pool)) return refused({ kind: "conflict", say: "it is another pool's" });
				cloud.retag(
					effect.vm,
					tags,
					answered(() => ({ on: "adopted", id: effect.id, vm: { ...found, tags } })),
				);
			});
			return;
		}
		case "release":
			count();
			cloud.get(effect.vm, (answer) => {
				const accepted = answered<unknown>(() => ({ on: "accepted", effect }));
				if ("failure" in answer) return accepted(answer);
				if (answer.ok === null) return done({ on: "failed", effect, failure: { kind: "notFound", say: "there is no such VM" } });
				if (world.core.isAnothers(answer.ok, state.pool)) return accepted(answer);
				cloud.retag(effect.vm, { deployment: null, pool: null, intent: null }, accepted);
			});
			return;
		case "find": {
			count();
			const wanted = {
				vm: effect.vm,
				name: `muster-${state.pool.deployment}-${effect.id}`,
				deployment: state.pool.deployment,
				intent: effect.id,
			};
			cloud.find(
				wanted,
				answered((vm) => ({ on: "found", id: effect.id, vm, startedAt })),
			);
			return;
		}
		case "price":
			count();
			cloud.price(effect.account, (answer) => {
				if ("failure" in answer) return done({ on: "failed", effect, failure: answer.failure }, answer.rate);
				if (asker.isListening()) world.watch.quoted(host, effect.account, answer.ok.hourly);
				done({ on: "priced", account: effect.account, price: answer.ok }, answer.rate);
			});
			return;
		case "reserve": {
			const wanted = { ...effect, object: state.pool.object, now: startedAt };
			clock.after(random.between(...DATABASE_MS), () => {
				try {
					const held = database.reserve(wanted);
					const event: Event =
						held === null
							? { on: "failed", effect, failure: { kind: "conflict", say: "a newer request is there" } }
							: { on: "reserved", version: effect.version, ...held };
					clock.after(random.between(...DATABASE_MS), () => done(event));
				} catch {
					// Given up on, it may still arrive.
					if (random.chance(0.3)) clock.after(random.between(10, 90_000), () => database.carryOutReserve(wanted));
					clock.after(random.pick([10, 3000]), () =>
						done({ on: "failed", effect, failure: { kind: "transient", say: "D1 does not answer" } }),
					);
				}
			});
			return;
		}
		case "list":
			cloud.list(
				answered((vms) => ({ on: "listed", startedAt, vms })),
				count,
			);
			return;
		case "probe": {
			count();
			const version = state.proxies.get(effect.id)?.credentials;
			const shown = state.credentials.find((one) => one.version === version && one.username !== "")?.version ?? asked(state);
			world.probe(effect.address, effect.keyHash, shown, (verdict) => done({ on: "probed", id: effect.id, verdict, startedAt }));
			return;
		}
		case "publish": {
			const { acknowledge, ...changes } = asker.ledger.changes(state);
			const publication = {
				object: state.pool.object,
				incarnation: state.pool.incarnation,
				version: effect.version,
				now: startedAt,
				summary: { displayName: "", settings: {}, ...world.core.summaryOf(state) },
				credentials: {},
				...changes,
				log: state.log,
			};
			asker.ledger.doubt();
			clock.after(random.between(...DATABASE_MS), () => {
				try {
					const isHeld = database.publish(publication);
					world.watch.published(host, publication, isHeld);
					clock.after(random.between(...DATABASE_MS), () => {
						if (!isHeld) return done({ on: "failed", effect, failure: { kind: "conflict", say: "a newer version is there" } });
						acknowledge();
						done({ on: "published", hash: effect.hash, version: effect.version, startedAt, logSeq: state.logSeq });
					});
				} catch {
					world.watch.published(host, publication, false);
					clock.after(random.pick([10, 3000, 10_000]), () =>
						done({ on: "failed", effect, failure: { kind: "transient", say: "D1 does not answer" } }),
					);
				}
			});
			return;
		}
		case "measure":
			count();
			clock.after(random.between(...DATABASE_MS), () => {
				const { endpoint } = effect;
				if (database.isOut) return done({ on: "failed", effect, failure: { kind: "transient", say: "D1 does not answer" } });
				done({ on: "measured", endpoint, startedAt, found: world.measure(endpoint, host) });
			});
			return;
		case "sessions": {
			const hash = world.core.sessionsHash(state);
			const shown = new Map(world.core.openSessions(state).map(({ proxy, sessions }) => [proxy.id, sessions]));
			clock.after(random.between(...DATABASE_MS), () => {
				try {
					database.showSessions(state.pool.object, shown);
					done({ on: "sessionsShown", hash });
				} catch {
					done({ on: "failed", effect, failure: { kind: "transient", say: "D1 does not answer" } });
				}
			});
			return;
		}
		case "forget":
			clock.after(random.between(2, 60), () => {
				try {
					database.forget(state.pool.object, world.core.chargesLeft(state, startedAt));
					done({ on: "forgotten" });
				} catch {
					done({ on: "failed", effect, failure: { kind: "transient", say: "D1 does not answer" } });
				}
			});
			return;
		default:
			effect satisfies never;
	}
}

/** Version of the credentials that agents shall ask for; 0: none. */
export function asked({ credentials }: State): number {
	const newest = credentials.at(-1);
	return newest === undefined || newest.username === "" ? 0 : newest.version;
}

/** What stands for SHA-256 here: nobody in a simulation breaks it. */
export function hashOf(secret: string): string {
	return `#${secret}`;
}
