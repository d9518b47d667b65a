import type { Failure } from "../../src/core/model/failure.ts";
import type { Id, Ms, Place, Price, Rate, Vm, VmTags } from "../../src/core/model/state.ts";
import type { Clock } from "./clock.ts";
import type { Faults } from "./faults.ts";
import type { Profile } from "./profiles.ts";
import type { Random } from "./random.ts";
import { HOUR, MINUTE, SECOND } from "./scenario.ts";

/** What a VM's user data says. */
export interface Boot {
	readonly token: string;
	readonly tokenHash: string;
	readonly url: string;
	readonly intervalSeconds: number;
	readonly credentials: number;
}

/** One VM, as it really is. */
export interface Machine {
	readonly vm: string;
	readonly name: string;
	tags: VmTags;
	/** What lists that are older than its last change of tags show. */
	tagsBefore: { readonly tags: VmTags; readonly until: Ms } | null;
	/** It serves without an agent of ours: others made it. */
	readonly isPlain: boolean;
	/** Null: it has not got its user data yet. */
	boot: Boot | null;
	/** The settings that say of what size it is. */
	readonly account: string;
	readonly madeAt: Ms;
	readonly findableAt: Ms;
	readonly listableAt: Ms;
	/** It has its address and runs from here on. */
	startedAt: Ms;
	address: string;
	power: "on" | "off";
	/** Since when a delete of it is being carried out. */
	goingAt: Ms | null;
	goneAt: Ms | null;
	/** The second VM of one create: the cloud's own fault. */
	readonly isTwin: boolean;
	isUndeletable: boolean;
	/** It has had another address before. */
	hasMoved: boolean;
	/** Not made by any pool of the simulation. */
	readonly isBait: boolean;
}

export type Answer<T> = { readonly ok: T; readonly rate: Rate | null } | { readonly failure: Failure; readonly rate: Rate | null };

export interface CreateCall {
	readonly name: string;
	readonly tags: VmTags;
	readonly boot: Boot;
	/** The settings that say of what size it is. */
	readonly account: string;
	readonly place: Place | null;
}

/** What the cloud tells the simulation. */
export interface CloudWatch {
	/** A VM runs from now on; its agent starts with its system. */
	started(machine: Machine): void;
	/** It is gone, or switched off: nothing on it runs. */
	halted(machine: Machine): void;
	/** A create was carried out. */
	made(machine: Machine): void;
}

const LATENCY: readonly [Ms, Ms] = [40, 900];
/** Longest a create's request may be under way before it is carried out; the deadline of the call is 30 s. */
const SLOW_CREATE_MS = 28 * SECOND;
const CREATE_DEADLINE_MS = 30 * SECOND;
const CALL_DEADLINE_MS = 10 * SECOND;
/** A stale list is as old as this at the most. */
const MOST_STALE_MS = 100 * SECOND;

/** One account at one cloud, with the faults that its profile and the schedule give it. All answers come by callback, later. */
export class Cloud {
	readonly machines = new Map<string, Machine>();
	readonly byIntent = new Map<Id, Machine[]>();
	readonly byAddress = new Map<string, Machine>();
	/** Creates that reached the cloud, by intent. */
	readonly posts = new Map<Id, number>();
	/** Intents whose create is under way, or may still be carried out. */
	readonly underway = new Map<Id, number>();
	/** Made on behalf of pools. */
	made = 0;
	/** Calls of any kind. */
	calls = 0;
	/**
	 * Addresses that nobody is given again: a thief has claimed from there to be a VM that is booting. Should that very VM be given that very
	 * address before the inventory is read, the claim would be believed; docs/reliability.md says so.
	 */
	readonly burnt = new Set<string>();
	/** The newest last. */
	private readonly freeAddresses: string[] = [];
	/** Handed out so far. */
	private addresses = 0;
	private emptyAgainAt: Ms = 0;
	private readonly used = { windowAt: 0, calls: 0 };
	private readonly clock: Clock;
	private readonly faults: Faults;
	private readonly random: Random;
	private readonly profile: Profile;
	private readonly watch: CloudWatch;
	private readonly limits: {
		readonly pageSize: number;
		readonly callsAnHour: number;
		readonly quota: number;
		readonly windowMs: Ms;
		readonly hourlyPrice: number;
		/** Whether nothing is left there just now. */
		readonly isSoldOut: (place: Place | null) => boolean;
	};

	constructor(clock: Clock, faults: Faults, random: Random, profile: Profile, limits: Cloud["limits"], watch: CloudWatch) {
		this.clock = clock;
		this.faults = faults;
		this.random = random;
		this.profile = profile;
		this.limits = limits;
		this.watch = watch;
	}

	create(call: CreateCall, done: (answer: Answer<Vm>) => void): void {
		const intent = call.tags.intent ?? "";
		this.underway.set(intent, (this.underway.get(intent) ?? 0) + 1);
		const settle = () => {
			const left = (this.underway.get(intent) ?? 1) - 1;
			if (left === 0) this.underway.delete(intent);
			else this.underway.set(intent, left);
		};
		const deadline = this.clock.now + CREATE_DEADLINE_MS;
		const isLost = this.faults.strikes("createAnswerLost");
		const isHung = this.faults.strikes("createsHang");
		const isSlow = isHung || this.faults.strikes("slowCalls") || isLost;
		const slowMs = isHung ? SLOW_CREATE_MS : isSlow ? this.random.between(0, SLOW_CREATE_MS) : 0;
		const isCarriedOut = !isLost || this.random.chance(0.8);
		const tell = (answer: Answer<Vm>) => {
			if (isLost) this.clock.at(deadline, () => done(this.unknown("the answer was lost")));
			else if (isHung) this.clock.at(deadline - 1, () => done(answer));
			else this.clock.after(this.latency(), () => done(answer));
		};
		this.clock.after(slowMs + this.latency(), () => {
			const answer = isCarriedOut ? this.carryOutCreate(call) : this.unknown("the connection was lost");
			const machine = "ok" in answer ? this.machines.get(answer.ok.vm) : undefined;
			if (machine === undefined || machine.startedAt !== Number.POSITIVE_INFINITY) {
				settle();
				return tell(answer);
			}
			// Its further steps, all within the deadline.
			const stepsMs = this.faults.strikes("slowCalls") ? this.random.between(0, CREATE_DEADLINE_MS) : 2 * this.latency();
			this.clock.at(Math.min(this.clock.now + stepsMs, deadline - 1), () => {
				settle();
				this.switchOnFirst(machine, call.boot);
				tell({ ok: this.shown(machine, this.clock.now), rate: this.rate() });
			});
		});
	}

	/** Goes on with a create that was cut: user data, and switching on. */
	finish(vm: string, boot: Boot, done: (answer: Answer<null>) => void): void {
		this.call(
			done,
			() => {
				const machine = this.machines.get(vm);
				if (machine === undefined || machine.goneAt !== null || this.clock.now < machine.findableAt)
					return this.no("notFound", "there is no such VM");
				if (machine.goingAt !== null) return this.unknown("the VM is going");
				if (this.faults.strikes("capacity")) {
					this.vanish(machine); // the driver takes it back
					return this.no("capacity", "none of this size is left");
				}
				if (this.faults.strikes("createCut")) return this.unknown("internal server error");
				if (machine.boot === null) this.faults.count("createFinished");
				this.switchOnFirst(machine, boot);
				return { ok: null, rate: this.rate() };
			},
			"unknown",
		);
	}

	/** A VM that was made switched off gets its user data and is switched on; one that is on already stays as it is. */
	private switchOnFirst(machine: Machine, boot: Boot): void {
		if (machine.goneAt !== null || machine.goingAt !== null || machine.startedAt !== Number.POSITIVE_INFINITY) return;
		machine.boot = boot;
		machine.power = "on";
		machine.startedAt = this.clock.now + this.random.between(...this.profile.startMs);
		this.start(machine);
	}

	private start(machine: Machine): void {
		this.clock.at(machine.startedAt, () => {
			if (machine.goneAt !== null) return;
			if (machine.address === "") this.giveAddress(machine);
			else this.byAddress.set(machine.address, machine);
			if (machine.power === "on") this.watch.started(machine);
		});
	}

	private carryOutCreate(call: CreateCall): Answer<Vm> {
		const { faults, profile } = this;
		const intent = call.tags.intent ?? "";
		this.posts.set(intent, (this.posts.get(intent) ?? 0) + 1);
		const refusal = this.refusal();
		if (refusal !== null) return refusal;
		if (faults.strikes("quota") || this.countExisting() >= this.limits.quota) return this.no("quota", "this will exceed your limit");
		if (faults.strikes("capacity") || this.limits.isSoldOut(call.place)) return this.no("capacity", "none of this size is left");
		if (faults.strikes("invalid")) return this.no("invalid", "this image does not exist");
		const isStorm = faults.strikes("serverErrors");
		if (isStorm && this.random.chance(0.5)) return this.unknown("internal server error");
		const same = [...(this.byIntent.get(intent) ?? [])].find((machine) => machine.name === call.name && machine.goneAt === null);
		if (same !== undefined && profile.idempotency === "name") return this.no("conflict", "the name is taken");
		if (same !== undefined && profile.idempotency === "token") {
			if (same.boot?.tokenHash !== call.boot.tokenHash) return this.no("conflict", "the token was used with other parameters");
			return { ok: this.shown(same, this.clock.now), rate: this.rate() };
		}
		const isCut = profile.createSteps > 1 && faults.strikes("createCut");
		const { account } = call;
		const isOff = profile.createSteps > 1;
		const machine = this.make(call.name, call.tags, isOff ? null : call.boot, { isTwin: false, isCut: isOff, account });
		if (faults.strikes("createdTwice")) this.make(call.name, call.tags, call.boot, { isTwin: true, isCut: false, account });
		if (profile.failsLater && faults.strikes("createFailsLater")) {
			this.clock.after(this.random.between(SECOND, 60 * SECOND), () => this.vanish(machine));
		}
		if (isStorm || isCut) return this.unknown("internal server error");
		return { ok: this.shown(machine, this.clock.now), rate: this.rate() };
	}

	/** A VM comes into being; used for bait as well. */
	make(
		name: string,
		tags: VmTags,
		boot: Boot | null,
		kind: { isTwin?: boolean; isCut?: boolean; isBait?: boolean; isPlain?: boolean; address?: string; account?: string },
	): Machine {
		const { clock, profile, random, limits } = this;
		const lag = ([least, most]: readonly [number, number]) => Math.floor(limits.windowMs * (least + random.next() * (most - least)));
		const machine: Machine = {
			vm: `vm${this.machines.size + 1}`,
			name,
			tags,
			tagsBefore: null,
			isPlain: kind.isPlain ?? false,
			boot,
			account: kind.account ?? "",
			madeAt: clock.now,
			findableAt: clock.now + lag(profile.findLag),
			listableAt: clock.now + lag(profile.listLag),
			startedAt: kind.isCut
				? Number.POSITIVE_INFINITY
				: kind.address !== undefined
					? clock.now
					: clock.now + random.between(...profile.startMs),
			address: kind.address ?? "",
			power: kind.isCut ? "off" : "on",
			goingAt: null,
			goneAt: null,
			isTwin: kind.isTwin ?? false,
			isUndeletable: this.faults.strikes("undeletable"),
			hasMoved: false,
			isBait: kind.isBait ?? false,
		};
		this.machines.set(machine.vm, machine);
		const intent = tags.intent ?? "";
		this.byIntent.set(intent, [...(this.byIntent.get(intent) ?? []), machine]);
		if (!machine.isBait) this.made++;
		this.watch.made(machine);
		if (!kind.isCut) this.start(machine);
		return machine;
	}

	/** Addresses are handed out again as soon as they are free. */
	private giveAddress(machine: Machine): void {
		const free = this.random.chance(0.7) ? this.freeAddresses.pop() : undefined;
		machine.hasMoved = machine.address !== "";
		machine.address = free ?? `10.${Math.floor(this.addresses / 250)}.${this.addresses++ % 250}.1`;
		this.byAddress.set(machine.address, machine);
	}

	/** Whom each deployment's firewall admits. */
	readonly firewalls = new Map<string, readonly string[]>();

	/** A driver sees to the firewall before it asks for a VM. */
	protectAtCreate(deployment: string, allow: readonly string[]): void {
		this.firewalls.set(deployment, allow);
	}

	protect(deployment: string, allow: readonly string[], done: (answer: Answer<null>) => void): void {
		this.call(
			done,
			() => {
				this.firewalls.set(deployment, allow);
				return { ok: null, rate: this.rate() };
			},
			"unknown",
		);
	}

	delete(vm: string, done: (answer: Answer<null>) => void): void {
		this.call(
			done,
			() => {
				const machine = this.machines.get(vm);
				if (machine === undefined || machine.goneAt !== null || this.clock.now < machine.findableAt)
					return this.no("notFound", "there is no such VM");
				const isInstalling = this.profile.isLockedAtFirst && this.clock.now < machine.startedAt + 10 * SECOND && machine.power === "on";
				if (isInstalling || this.faults.strikes("deleteLocked")) return this.no("conflict", "the VM is locked");
				if (machine.isUndeletable && this.faults.isOn("undeletable")) return this.no("conflict", "the VM cannot be deleted");
				if (this.faults.strikes("deleteIgnored")) return { ok: null, rate: this.rate() };
				if (machine.goingAt === null) {
					machine.goingAt = this.clock.now;
					this.clock.after(this.random.between(...this.profile.deleteMs), () => this.vanish(machine));
				}
				return { ok: null, rate: this.rate() };
			},
			"unknown",
		);
	}

	restart(vm: string, step: "off" | "on", done: (answer: Answer<null>) => void): void {
		this.call(
			done,
			() => {
				const machine = this.machines.get(vm);
				if (machine === undefined || machine.goneAt !== null || this.clock.now < machine.findableAt)
					return this.no("notFound", "there is no such VM");
				if (this.clock.now < machine.startedAt && machine.startedAt !== Number.POSITIVE_INFINITY)
					return this.no("conflict", "the VM is busy");
				if (this.profile.twoStepRestart) {
					if (step === "off") this.switchOff(machine);
					else this.switchOn(machine);
				} else {
					this.switchOff(machine);
					this.clock.after(this.random.between(SECOND, 10 * SECOND), () => this.switchOn(machine));
				}
				return { ok: null, rate: this.rate() };
			},
			"unknown",
		);
	}

	/** Any VM, whosever it is. */
	get(vm: string, done: (answer: Answer<Vm | null>) => void): void {
		this.call(done, () => {
			const machine = this.machines.get(vm);
			const isThere = machine !== undefined && machine.goneAt === null && this.clock.now >= machine.findableAt;
			return { ok: isThere ? this.shown(machine, this.clock.now) : null, rate: this.rate() };
		});
	}

	/** Tag by tag, as the clouds that take a call for each. */
	retag(vm: string, tags: VmTags, done: (answer: Answer<null>) => void): void {
		this.call(
			done,
			() => {
				const machine = this.machines.get(vm);
				if (machine === undefined || machine.goneAt !== null || this.clock.now < machine.findableAt)
					return this.no("notFound", "there is no such VM");
				if (this.faults.strikes("retagRefused")) return this.no("invalid", "no more tags are possible");
				const isCut = this.faults.strikes("retagCut");
				// The deployment's goes first and comes last.
				const next = isCut ? { ...machine.tags, deployment: null, ...(tags.deployment === null ? {} : { intent: tags.intent }) } : tags;
				machine.tagsBefore = { tags: machine.tags, until: this.clock.now };
				machine.tags = next;
				return isCut ? this.unknown("internal server error") : { ok: null, rate: this.rate() };
			},
			"unknown",
		);
	}

	/** The power goes, by order or behind our back. */
	switchOff(machine: Machine): void {
		if (machine.goneAt !== null || machine.power === "off") return;
		machine.power = "off";
		this.watch.halted(machine);
	}

	private switchOn(machine: Machine): void {
		if (machine.goneAt !== null || machine.goingAt !== null || machine.power === "on") return;
		machine.power = "on";
		if (machine.address === "" || this.profile.newAddressAtRestart) {
			this.freeAddress(machine);
			this.giveAddress(machine);
		}
		machine.startedAt = Math.min(machine.startedAt, this.clock.now);
		this.watch.started(machine);
	}

	/** It is gone: deleted, failed, or taken behind our back. */
	vanish(machine: Machine): void {
		if (machine.goneAt !== null) return;
		machine.goneAt = this.clock.now;
		this.freeAddress(machine);
		this.watch.halted(machine);
	}

	/** It is gone, and its address is at once that of a VM of somebody else's Muster, with the same proxy credentials. */
	takeOver(machine: Machine): void {
		if (machine.boot === null || machine.address === "") return;
		this.vanish(machine);
		const boot = { ...machine.boot, token: `elsewhere.${machine.vm}.token`, tokenHash: "" };
		const tags = { deployment: "elsewhere", pool: "elsewhere", intent: machine.vm };
		this.freeAddresses.splice(this.freeAddresses.indexOf(machine.address), 1);
		this.make(`muster-elsewhere-${machine.vm}`, tags, boot, { isBait: true, address: machine.address });
	}

	private freeAddress(machine: Machine): void {
		if (machine.address === "" || this.byAddress.get(machine.address) !== machine) return;
		this.byAddress.delete(machine.address);
		if (!this.burnt.has(machine.address)) this.freeAddresses.push(machine.address);
	}

	/** What a VM costs with these settings, each of which stands for a size; it may change behind everybody's back. */
	price(account: string, done: (answer: Answer<Price>) => void): void {
		this.call(done, () => {
			if (this.faults.strikes("pricesFail")) return this.no("auth", "this token may not read prices");
			return { ok: { hourly: this.hourlyOf(account), currency: "USD", asOf: this.pricedAt }, rate: this.rate() };
		});
	}

	/** What there is no more of what settings name: nothing, if the token may read that at all. */
	catalogue(done: (answer: Answer<readonly never[]>) => void): void {
		this.call(done, () => {
			if (this.faults.strikes("pricesFail")) return this.no("auth", "this token may not read catalogues");
			return { ok: [], rate: this.rate() };
		});
	}

	private hourlyOf(account: string): number {
		const size = 1 + ((account.length + (account.codePointAt(account.length - 1) ?? 0)) % 3);
		return Math.round(this.limits.hourlyPrice * this.priceLevel * size * 1e6) / 1e6;
	}

	/** All prices rise or fall, to nothing too. */
	changePrices(factor: number): void {
		// What is given away for a while costs again what it did.
		this.priceLevel = this.priceLevel === 0 ? 1 : this.priceLevel * factor;
		this.pricedAt = this.clock.now;
	}
	private priceLevel = 1;
	private pricedAt: Ms = 0;

	/** By id where it is known, else by name; only what carries the tags that were asked for. */
	find(wanted: { vm: string | null; name: string; deployment: string; intent: Id }, done: (answer: Answer<Vm | null>) => void): void {
		this.call(done, () => {
			const { now } = this.clock;
			const known = wanted.vm === null ? undefined : this.machines.get(wanted.vm);
			const candidates = wanted.vm !== null ? (known ? [known] : []) : (this.byIntent.get(wanted.intent) ?? []);
			const machine = candidates.find((one) => one.goneAt === null && now >= one.findableAt && one.tags.deployment === wanted.deployment);
			return { ok: machine === undefined ? null : this.shown(machine, now), rate: this.rate() };
		});
	}

	/** Every VM tagged `muster`, page by page. */
	list(done: (answer: Answer<readonly Vm[]>) => void, countCall: () => void): void {
		const asOf = this.faults.strikes("staleList") ? this.random.between(0, MOST_STALE_MS) : 0;
		const fixed = this.profile.paging === "cursor" ? this.inventory(asOf) : null;
		const vms: Vm[] = [];
		const page = (number: number) => {
			countCall();
			this.call<readonly Vm[]>(
				(answer) => {
					if ("failure" in answer) return done(answer);
					vms.push(...answer.ok);
					if (answer.ok.length < this.limits.pageSize) return done({ ok: vms, rate: answer.rate });
					if (this.faults.strikes("duplicatePage")) vms.push(...answer.ok);
					page(number + 1);
				},
				() => {
					if (number === 0 && this.isEmptyOnce()) return { ok: [], rate: this.rate() };
					if (this.faults.strikes("truncatedPage")) return this.no("transient", "the page was cut off");
					const all = fixed ?? this.inventory(asOf);
					return { ok: all.slice(number * this.limits.pageSize, (number + 1) * this.limits.pageSize), rate: this.rate() };
				},
			);
		};
		page(0);
	}

	/** A list that is empty by mistake is followed by right ones. */
	private isEmptyOnce(): boolean {
		if (this.clock.now < this.emptyAgainAt || !this.faults.strikes("emptyList")) return false;
		this.emptyAgainAt = this.clock.now + this.random.between(6 * MINUTE, 60 * MINUTE);
		return true;
	}

	private inventory(staleMs: Ms): Vm[] {
		const asOf = this.clock.now - staleMs;
		const shown: Vm[] = [];
		for (const machine of this.machines.values()) {
			if (asOf < machine.listableAt) continue;
			if (machine.goneAt !== null && asOf >= machine.goneAt + this.profile.shownMs) continue;
			shown.push(this.shown(machine, asOf));
		}
		return shown;
	}

	private shown(machine: Machine, asOf: Ms): Vm {
		const { vm, name, tagsBefore } = machine;
		const tags = tagsBefore !== null && asOf < tagsBefore.until ? tagsBefore.tags : machine.tags;
		const isGoing = (machine.goneAt !== null && asOf >= machine.goneAt) || (machine.goingAt !== null && asOf >= machine.goingAt);
		const state = isGoing ? "going" : machine.power === "off" ? "off" : asOf < machine.startedAt ? "starting" : "running";
		const address =
			state === "starting" || machine.address === "" || (state === "off" && this.profile.newAddressAtRestart) ? null : machine.address;
		return { vm, name, state, address, tags };
	}

	/** One call that is carried out once or fails: the time it takes, what meets every call, and a lost answer. */
	private call<T>(done: (answer: Answer<T>) => void, carryOut: () => Answer<T>, lost: "unknown" | "transient" = "transient"): void {
		const slowMs = this.faults.strikes("slowCalls") ? this.random.between(0, CALL_DEADLINE_MS - 2 * SECOND) : 0;
		this.clock.after(slowMs + this.latency(), () => {
			const refusal = this.refusal();
			const isStorm = refusal === null && this.faults.strikes("serverErrors");
			const answer = refusal ?? (isStorm && this.random.chance(0.5) ? null : carryOut());
			const told = isStorm || answer === null ? this.no(lost, "internal server error") : answer;
			this.clock.after(this.latency(), () => done(told));
		});
	}

	/** What meets every call: refused credentials and rate limits. */
	private refusal(): Answer<never> | null {
		this.calls++;
		const { now } = this.clock;
		if (now >= this.used.windowAt + HOUR) Object.assign(this.used, { windowAt: now, calls: 0 });
		this.used.calls++;
		if (this.faults.strikes("credentialsRefused")) return this.no("auth", "the token was revoked");
		if (this.used.calls > this.limits.callsAnHour) {
			this.faults.count("quotaOfCallsSpent");
			return { failure: { kind: "rate", message: "too many requests", retryAt: this.used.windowAt + HOUR }, rate: this.rate() };
		}
		if (this.faults.strikes("rateLimited")) {
			return {
				failure: { kind: "rate", message: "slow down", retryAt: now + this.random.between(SECOND, 10 * MINUTE) },
				rate: this.rate(),
			};
		}
		if (this.faults.strikes("rateLimitedWithoutTime")) return this.no("rate", "slow down");
		return null;
	}

	private rate(): Rate | null {
		if (!this.profile.statesRate) return null;
		const limit = this.limits.callsAnHour;
		return { limit, remaining: Math.max(0, limit - this.used.calls), resetAt: this.used.windowAt + HOUR };
	}

	private no(kind: Failure["kind"], message: string): Answer<never> {
		return { failure: { kind, message }, rate: this.rate() };
	}

	private unknown(message: string): Answer<never> {
		return this.no("unknown", message);
	}

	private latency(): Ms {
		return this.random.between(...LATENCY);
	}

	private countExisting(): number {
		let count = 0;
		for (const machine of this.machines.values()) if (machine.goneAt === null && !machine.isBait) count++;
		return count;
	}
}
