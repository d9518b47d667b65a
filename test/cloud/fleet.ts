import type { CloudName } from "../../src/core/model/state.ts";
import type { Clock } from "./clock.ts";
import type { Collections, Inventory, Json, VmRecord } from "./inventory.ts";
import type { Machines } from "./machines.ts";

export interface NewVm {
	readonly provider: CloudName;
	/** Makes the cloud's id from a number that was never used before. */
	readonly id: (number: number) => string;
	readonly name: string;
	readonly tags: readonly string[];
	readonly userData: string;
	readonly details: { readonly [key: string]: Json };
	/** It is made switched off, and boots when it is switched on. */
	readonly isOff?: true;
}

export type Power = "restart" | "off" | "on";

/** Something that a cloud does after it answered (DigitalOcean's and Hetzner's actions, GCP's operations, …). */
export interface Task {
	readonly id: number;
	readonly account: string;
	readonly vm: string;
	/** As the cloud names it: `create`, `reboot`, … */
	readonly kind: string;
	readonly status: "running" | "done" | "failed";
	readonly startedAt: number;
	readonly endedAt: number | null;
}

/** Deleted VMs are remembered so long, for answers that lag behind; no fault may lag further. */
const REMEMBER_DELETED_MS = 3_600_000;
const REMEMBER_TASKS = 10_000;
const WAIT_STEP_MS = 50;

/** The VMs of all accounts of all clouds, and what happens to them as time goes by. */
export class Fleet {
	readonly collections: Collections;
	readonly #clock: Clock;
	readonly #machines: Machines;
	readonly #inventory: Inventory;
	readonly #bootMs: number;
	#lastNumber: number;
	readonly #vms = new Map<string, VmRecord>();
	readonly #deleted: { readonly vm: VmRecord; readonly at: number }[] = [];
	readonly #tasks = new Map<number, Task>();
	/** Creates that wait for their address: what is counted and named counts them in. */
	readonly #creating = new Set<{ readonly account: string; readonly name: string }>();
	/** VMs made switched off that vanish while they boot. */
	readonly #doomed = new Set<string>();
	/** Takes back what is still to happen to a VM. */
	readonly #pending = new Map<string, (() => void)[]>();

	constructor(options: { clock: Clock; machines: Machines; inventory: Inventory; bootMs: number }) {
		this.#clock = options.clock;
		this.#machines = options.machines;
		this.#inventory = options.inventory;
		this.#bootMs = options.bootMs;
		const { cloud, vms } = options.inventory.load();
		this.#lastNumber = cloud?.lastNumber ?? 400_000_000;
		this.collections = structuredClone(cloud?.collections ?? {});
		for (const vm of [...vms].sort((a, b) => a.createdAt - b.createdAt)) this.#vms.set(keyOf(vm), vm);
	}

	/**
	 * Boots what the last run left, as after a power cut of the whole cloud: at once, so that a fleet is back when its
	 * owner looks. Addresses are kept where they are still free.
	 */
	async resume(): Promise<void> {
		for (const vm of [...this.#vms.values()]) {
			const address = await this.#machines.reserve(vm.address);
			const resumed = this.#store({ ...vm, address, state: vm.state === "off" ? "off" : "active" });
			if (resumed.state === "active" && !resumed.isDead) this.#machines.start(resumed);
		}
	}

	/** Every VM that exists, or one account's as they were `lagMs` ago, oldest first. */
	vms(account: string | null = null, lagMs = 0): readonly VmRecord[] {
		const present = [...this.#vms.values()].filter((vm) => account === null || vm.account === account);
		if (lagMs === 0) return present;
		const then = this.#clock.now() - lagMs;
		const gone = this.#deleted.filter(({ vm, at }) => at > then && (account === null || vm.account === account)).map(({ vm }) => vm);
		return [...present, ...gone].filter((vm) => vm.createdAt <= then).sort((a, b) => a.createdAt - b.createdAt);
	}

	/** The names of an account's VMs, those included that are being made. */
	names(account: string): readonly string[] {
		return [...this.vms(account), ...this.#creating].filter((each) => each.account === account).map(({ name }) => name);
	}

	now(): number {
		return this.#clock.now();
	}

	/** A number that was never given out before, also not before a restart. */
	number(): number {
		this.#lastNumber += 1;
		this.save();
		return this.#lastNumber;
	}

	async create(
		account: string,
		wanted: NewVm,
		fate: { readonly failsLater: boolean; readonly isDead: boolean },
	): Promise<{ vm: VmRecord; task: Task }> {
		const creating = { account, name: wanted.name };
		this.#creating.add(creating);
		const address = await this.#machines.reserve(null).finally(() => this.#creating.delete(creating));
		const { id, isOff = false, ...rest } = wanted;
		const vm = this.#store({
			...rest,
			id: id(this.number()),
			account,
			createdAt: this.#clock.now(),
			address,
			state: isOff ? "off" : "new",
			isDead: fate.isDead,
		});
		const task = this.#begin(vm, "create");
		if (isOff) {
			if (fate.failsLater) this.#doomed.add(keyOf(vm));
			this.#end(task, "done");
			return { vm, task };
		}
		const half = this.#bootMs / 2;
		this.#later(vm, half, () => {
			if (fate.failsLater) {
				this.delete(vm);
				this.#end(task, "failed");
				return;
			}
			this.#set(vm, { state: "active" });
			this.#end(task, "done");
		});
		if (!fate.failsLater) this.#later(vm, this.#bootMs, () => this.#startAgent(vm));
		return { vm, task };
	}

	/** Switches a VM off at once, and deletes it half a boot later. Null: the VM is busy with an earlier order. */
	terminate(vm: VmRecord, kind: string): Task | null {
		if (this.tasksOf(vm).some((task) => task.status === "running")) return null;
		const task = this.#begin(vm, kind);
		this.#cancel(vm);
		this.#machines.stop(vm);
		this.#set(vm, { state: "off" });
		this.#later(vm, this.#bootMs / 2, () => {
			this.#end(task, "done");
			this.delete(vm);
		});
		return task;
	}

	/** What a VM that was made switched off boots from. */
	setUserData(vm: VmRecord, userData: string): void {
		this.#set(vm, { userData });
	}

	delete(vm: VmRecord): void {
		this.#cancel(vm);
		this.#doomed.delete(keyOf(vm));
		this.#vms.delete(keyOf(vm));
		this.#inventory.removeVm(vm);
		for (const task of this.tasksOf(vm)) if (task.status === "running") this.#end(task, "failed");
		const now = this.#clock.now();
		this.#deleted.push({ vm, at: now });
		while ((this.#deleted[0]?.at ?? now) < now - REMEMBER_DELETED_MS) this.#deleted.shift();
		this.#machines.destroy(vm);
	}

	/** Null: the VM is busy with an earlier order; one that is overtaken is over. */
	power(vm: VmRecord, power: Power, kind: string, overtakes = false): Task | null {
		const earlier = this.tasksOf(vm).filter((task) => task.status === "running");
		if (earlier.length > 0 && !overtakes) return null;
		for (const task of earlier) this.#end(task, "done");
		const task = this.#begin(vm, kind);
		this.#cancel(vm);
		if (power !== "on") {
			this.#machines.stop(vm);
			this.#set(vm, { state: "off" });
		}
		if (power === "off") {
			this.#end(task, "done");
			return this.#tasks.get(task.id) ?? task;
		}
		this.#later(vm, this.#bootMs / 2, () => {
			if (this.#doomed.has(keyOf(vm))) {
				this.delete(vm);
				return;
			}
			this.#set(vm, { state: "active" });
			this.#end(task, "done");
		});
		this.#later(vm, this.#bootMs, () => this.#startAgent(vm));
		return task;
	}

	retag(vm: VmRecord, tags: readonly string[]): void {
		this.#set(vm, { tags });
	}

	/** Another address for a VM that is switched off, as some clouds give one at each start. */
	async readdress(vm: VmRecord): Promise<void> {
		const address = await this.#machines.reserve(null);
		const current = this.#vms.get(keyOf(vm));
		if (current) this.#store({ ...current, address });
		this.#machines.release(current?.address ?? address);
	}

	/** Kills a VM's agent, which its init system starts again unless `forever`. False: no agent runs there. */
	killAgent(vm: VmRecord, forever: boolean): boolean {
		if (forever) this.#set(vm, { isDead: true });
		return this.#machines.kill(vm, forever);
	}

	task(id: number): Task | null {
		return this.#tasks.get(id) ?? null;
	}

	/** A task once it has ended, or as it is after `limitMs`. */
	async ended(id: number, limitMs: number): Promise<Task | null> {
		const until = this.#clock.now() + limitMs;
		for (;;) {
			const task = this.task(id);
			if (task?.status !== "running" || this.#clock.now() >= until) return task;
			await new Promise<void>((resolve) => this.#clock.after(WAIT_STEP_MS, resolve));
		}
	}

	tasksOf(vm: VmRecord): readonly Task[] {
		return [...this.#tasks.values()].filter((task) => task.vm === vm.id && task.account === vm.account);
	}

	/** Keeps what is not a VM. */
	save(): void {
		this.#inventory.saveCloud({ lastNumber: this.#lastNumber, collections: this.collections });
	}

	/** Ends every agent and everything that was still to happen; the inventory stays. */
	async close(): Promise<void> {
		for (const vm of this.#vms.values()) this.#cancel(vm);
		await this.#machines.close();
	}

	#startAgent(vm: VmRecord): void {
		const current = this.#vms.get(keyOf(vm));
		if (current && !current.isDead) this.#machines.start(current);
	}

	#set(vm: VmRecord, change: Partial<Pick<VmRecord, "state" | "isDead" | "tags" | "userData">>): void {
		const current = this.#vms.get(keyOf(vm));
		if (current) this.#store({ ...current, ...change });
	}

	#store(vm: VmRecord): VmRecord {
		this.#vms.set(keyOf(vm), vm);
		this.#inventory.saveVm(vm);
		return vm;
	}

	#begin(vm: VmRecord, kind: string): Task {
		const task: Task = {
			id: this.number(),
			account: vm.account,
			vm: vm.id,
			kind,
			status: "running",
			startedAt: this.#clock.now(),
			endedAt: null,
		};
		this.#tasks.set(task.id, task);
		for (const id of this.#tasks.keys()) {
			if (this.#tasks.size <= REMEMBER_TASKS) break;
			this.#tasks.delete(id);
		}
		return task;
	}

	#end(task: Task, status: "done" | "failed"): void {
		this.#tasks.set(task.id, { ...task, status, endedAt: this.#clock.now() });
	}

	#later(vm: VmRecord, delayMs: number, task: () => void): void {
		const list = this.#pending.get(keyOf(vm)) ?? [];
		list.push(this.#clock.after(delayMs, task));
		this.#pending.set(keyOf(vm), list);
	}

	#cancel(vm: VmRecord): void {
		for (const cancel of this.#pending.get(keyOf(vm)) ?? []) cancel();
		this.#pending.delete(keyOf(vm));
	}
}

function keyOf(vm: VmRecord): string {
	return `${vm.provider}/${vm.id}`;
}
