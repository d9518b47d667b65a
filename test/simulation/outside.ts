/** The simulated world as effects reach it: `World` of `src/calls`, on the simulation's cloud, database and clock. */
import type { World as Outside } from "../../src/calls/world.ts";
import { credentialsAsked } from "../../src/core/model/credentials.ts";
import type { Ms, Place, Price, State, Verdict, Vm } from "../../src/core/model/state.ts";
import type { CreateRequest, Provider, Retired } from "../../src/providers/base/provider.ts";
import type { Answer, Boot } from "./cloud.ts";
import { hashOf, type Instance } from "./instance.ts";

/** Half the way to D1 and back. */
const DATABASE_MS: readonly [Ms, Ms] = [2, 900];

export function outsideOf(instance: Instance, state: State): Outside {
	const { host } = instance;
	const { world } = host;
	const { database, clock, random } = world;
	/** What is pending in an instance that is gone never comes to an end. */
	const later = <T>(work: (resolve: (answer: T) => void, reject: (error: Error) => void) => void): Promise<T> =>
		new Promise((resolve, reject) => {
			const settle =
				<Given>(how: (given: Given) => void) =>
				(given: Given) => {
					if (instance.isDropped) return;
					world.mustSettle = true;
					how(given);
				};
			work(settle(resolve), settle(reject));
		});
	const lostAnswer = () => new Error("D1 does not answer");
	return {
		now: () => host.now(),
		takeAnswers: () => ({}),
		provider: (place) => new SimulatedProvider(instance, state, later, place ?? null),
		takeRate: () => {
			const { rate } = instance;
			instance.rate = null;
			return rate;
		},
		takeToken: (id) => {
			const token = instance.takeToken(id);
			if (token === undefined) throw new Error("a create without its token");
			return token;
		},
		userData: async (_state, token) => {
			if (state.agentUrl === null) throw new Error("a create without a URL");
			const boot: Boot = {
				token,
				tokenHash: hashOf(token),
				url: state.agentUrl,
				intervalSeconds: state.heartbeatSeconds,
				credentials: credentialsAsked(state)?.version ?? 0,
			};
			return JSON.stringify(boot);
		},
		probe: ({ address, keyHash, credentials }) => later((resolve) => world.probe(address, keyHash, credentials?.version ?? 0, resolve)),
		probePlainly: ({ address, port, credentials }) =>
			later<Verdict>((resolve) => {
				const backend = `${address}:${port}`;
				const isStatic = state.spec.statics.some((one) => one.address === address && one.port === port);
				if (!isStatic) return world.probe(address, null, credentials?.version ?? 0, resolve);
				clock.after(random.between(10, 3000), () => {
					const isUp = !world.faults.strikes("staticsDown") && world.agentUrl === world.goodUrl;
					world.watch.probedStatic(host, backend, isUp);
					resolve(isUp ? { is: "ok", active: null } : { is: "refused" });
				});
			}),
		knock: ({ address, port }) =>
			later<boolean>((resolve) => {
				clock.after(random.between(10, 3000), () => {
					const isUp = !world.faults.strikes("staticsDown") && world.agentUrl === world.goodUrl;
					if (isUp) world.watch.probedStatic(host, `${address}:${port}`, true);
					resolve(isUp);
				});
			}),
		ledger: instance.ledger,
		names: () => ({ displayName: "", settings: {} }),
		database: {
			publish: (publication) =>
				later((resolve, reject) => {
					clock.after(random.between(...DATABASE_MS), () => {
						try {
							world.digest?.add(clock.now, host.object, publication);
							const isHeld = database.publish(publication);
							world.watch.published(host, publication, isHeld === true);
							clock.after(random.between(...DATABASE_MS), () => {
								if (isHeld === null && instance.isListening) world.watch.unlisted(host);
								resolve(isHeld);
							});
						} catch {
							world.watch.published(host, publication, false);
							clock.after(random.pick([10, 3000, 10_000]), () => reject(lostAnswer()));
						}
					});
				}),
			enter: (lost) =>
				later((resolve, reject) => {
					clock.after(random.between(...DATABASE_MS), () => {
						try {
							const entered = database.enterAgain(lost);
							clock.after(random.between(...DATABASE_MS), () => {
								if (entered.by === null && instance.isListening) world.watch.listed(host);
								resolve(entered);
							});
						} catch {
							clock.after(random.pick([10, 3000]), () => reject(lostAnswer()));
						}
					});
				}),
			reserve: (wanted) =>
				later((resolve, reject) => {
					clock.after(random.between(...DATABASE_MS), () => {
						try {
							const held = database.reserve(host.deployment, wanted);
							clock.after(random.between(...DATABASE_MS), () => resolve(held));
						} catch {
							// Given up on, it may still arrive.
							if (random.chance(0.3)) clock.after(random.between(10, 90_000), () => database.carryOutReserve(host.deployment, wanted));
							clock.after(random.pick([10, 3000]), () => reject(lostAnswer()));
						}
					});
				}),
			forget: (object, charges, now) =>
				later((resolve, reject) => {
					clock.after(random.between(2, 60), () => {
						try {
							database.forget(object, charges, now);
							resolve(undefined);
						} catch {
							reject(lostAnswer());
						}
					});
				}),
		},
		measure: (endpoint) =>
			later((resolve, reject) => {
				instance.count();
				clock.after(random.between(...DATABASE_MS), () => {
					if (database.isOut) reject(lostAnswer());
					else resolve(world.measure(endpoint, host));
				});
			}),
		assist: (endpoint, count) =>
			later((resolve, reject) => {
				instance.count();
				clock.after(random.between(...DATABASE_MS), () => {
					if (database.isOut) reject(lostAnswer());
					else resolve(world.assist(endpoint, host, count));
				});
			}),
		shareLimit: (accountKey, until, rate) =>
			later((resolve, reject) => {
				instance.count();
				clock.after(random.between(...DATABASE_MS), () => {
					if (database.isOut) return reject(lostAnswer());
					world.shareLimit(accountKey, host, until, rate);
					resolve(undefined);
				});
			}),
		countCall: () => instance.count(),
		// What is out of order in the simulated world is a plain error.
		tell: (_, error) => {
			if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) instance.failed(error);
		},
	};
}

type Later = <T>(work: (resolve: (answer: T) => void, reject: (error: Error) => void) => void) => Promise<T>;

/** What says what a VM is, and costs: the settings of the account and, where they list several, the place. */
export function accountAt(account: string, place: Place | null): string {
	return place === null ? account : `${account} ${place.region}:${place.size}`;
}

/** A driver for the simulated cloud. */
class SimulatedProvider implements Provider {
	private readonly instance: Instance;
	private readonly state: State;
	private readonly later: Later;
	private readonly place: Place | null;

	constructor(instance: Instance, state: State, later: Later, place: Place | null) {
		this.place = place;
		this.instance = instance;
		this.state = state;
		this.later = later;
	}

	private get cloud() {
		return this.instance.host.world.cloud;
	}

	/** One call: it is counted, its rate limit noted, its failure thrown as a driver throws it. */
	private ask<T>(start: (done: (answer: Answer<T>) => void) => void, isCounted = true): Promise<T> {
		const { instance } = this;
		const { host } = instance;
		if (isCounted) instance.count();
		return this.later((resolve, reject) =>
			start((answer) => {
				instance.rate = answer.rate;
				if ("ok" in answer) return resolve(answer.ok);
				const { failure } = answer;
				if (failure.retryAt === undefined) return reject(new host.world.core.ProviderError(failure));
				if (instance.isListening && failure.retryAt > host.notBefore.at) {
					host.notBefore = { at: failure.retryAt, byClock: failure.retryAt + host.skewMs, saidAt: host.world.clock.now };
				}
				reject(new host.world.core.ProviderError({ ...failure, retryAt: failure.retryAt + host.skewMs }));
			}),
		);
	}

	async create({ name, tags, userData, allow, unfinished }: CreateRequest): Promise<Vm> {
		const { state, cloud } = this;
		const { world } = this.instance.host;
		const boot = JSON.parse(userData) as Boot;
		if (state.proxies.get(tags.intent)?.tokenHash !== boot.tokenHash) {
			world.watch.broken("9", `a create of ${tags.intent} goes out with a token that is not stored`);
		}
		const { place } = this;
		const intended = state.proxies.get(tags.intent)?.place ?? null;
		if (intended?.region !== place?.region || intended?.size !== place?.size)
			world.watch.broken("9", `a create of ${tags.intent} goes to another place than its intent names`);
		if (unfinished !== undefined) {
			await this.ask<null>((done) => cloud.finish(unfinished, boot, done));
			return { vm: unfinished, name, state: "starting", address: null, tags };
		}
		cloud.protectAtCreate(tags.deployment, allow);
		return this.ask((done) => cloud.create({ name, tags, boot, account: accountAt(state.account, place), place }, done));
	}

	async protect({ tags, allow }: Parameters<Provider["protect"]>[0]): Promise<void> {
		await this.ask<null>((done) => this.cloud.protect(tags.deployment, allow, done));
	}

	list(): Promise<readonly Vm[]> {
		return this.ask((done) => this.cloud.list(done, () => this.instance.count()), false);
	}

	find({ vm, name, tags }: Parameters<Provider["find"]>[0]): Promise<Vm | null> {
		return this.ask((done) => this.cloud.find({ vm, name, deployment: tags.deployment, intent: tags.intent }, done));
	}

	async delete(vm: string): Promise<void> {
		await this.ask<null>((done) => this.cloud.delete(vm, done));
	}

	async restart(vm: string, step: "off" | "on"): Promise<void> {
		await this.ask<null>((done) => this.cloud.restart(vm, step, done));
	}

	async hourlyPrice(): Promise<Price> {
		const account = accountAt(this.state.account, this.place);
		const price = await this.ask<Price>((done) => this.cloud.price(account, done));
		if (this.instance.isListening) this.instance.host.world.watch.quoted(this.instance.host, account, price.hourly);
		return price;
	}

	/** All is there, always; that it is asked for, and how that fails, is not for nothing. */
	retired(): Promise<readonly Retired[]> {
		return this.ask((done) => this.cloud.catalogue(done));
	}

	get(vm: string): Promise<Vm | null> {
		return this.ask((done) => this.cloud.get(vm, done));
	}

	async retag(vm: string, tags: CreateRequest["tags"] | null): Promise<void> {
		await this.ask<null>((done) => this.cloud.retag(vm, tags ?? { deployment: null, pool: null, intent: null }, done), false);
	}
}
