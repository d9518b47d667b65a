import type { Effects } from "./faults.ts";
import type { Fleet, NewVm, Power, Task } from "./fleet.ts";
import type { Json, VmRecord } from "./inventory.ts";

/** What one call sees of its account: the account's own VMs and things, as the fault that hits this call shows them. */
export class Account {
	/** Digest of provider and token. */
	readonly key: string;
	/** VMs that the account may have. */
	readonly limit: number;
	readonly #fleet: Fleet;
	readonly #fault: Effects | null;

	constructor(fleet: Fleet, key: string, limit: number, fault: Effects | null) {
		this.#fleet = fleet;
		this.key = key;
		this.limit = limit;
		this.#fault = fault;
	}

	/** The account's VMs, oldest first. */
	vms(): readonly VmRecord[] {
		if (this.#fault?.emptyList) return [];
		return this.#fleet.vms(this.key, this.#fault?.listLagMs ?? 0);
	}

	/** One VM by the cloud's id. */
	vm(id: string): VmRecord | null {
		return this.vms().find((vm) => vm.id === id) ?? null;
	}

	/** VMs that count against the limit, whatever a list shows. */
	count(): number {
		return this.#fleet.names(this.key).length;
	}

	/** Whether a VM has this name, in whatever case, and whatever a list shows. */
	hasName(name: string): boolean {
		return this.#fleet.names(this.key).some((each) => each.toLowerCase() === name.toLowerCase());
	}

	/** A create of this call is accepted, and comes to nothing. */
	get failsLater(): boolean {
		return this.#fault?.failLater === true;
	}

	create(wanted: NewVm): Promise<{ readonly vm: VmRecord; readonly task: Task }> {
		return this.#fleet.create(this.key, wanted, { failsLater: this.failsLater, isDead: this.#fault?.neverBoots === true });
	}

	delete(vm: VmRecord): void {
		this.#fleet.delete(vm);
	}

	/** Null: the VM is busy with an earlier order. */
	terminate(vm: VmRecord, kind: string): Task | null {
		return this.#fleet.terminate(vm, kind);
	}

	setUserData(vm: VmRecord, userData: string): void {
		this.#fleet.setUserData(vm, userData);
	}

	/** Null: the VM is busy with an earlier order, which this one does not overtake. */
	power(vm: VmRecord, power: Power, kind: string, overtakes = false): Task | null {
		return this.#fleet.power(vm, power, kind, overtakes);
	}

	/** Replaces all tags of a VM. */
	retag(vm: VmRecord, tags: readonly string[]): void {
		this.#fleet.retag(vm, tags);
	}

	/** Gives a VM that is switched off another address. */
	readdress(vm: VmRecord): Promise<void> {
		return this.#fleet.readdress(vm);
	}

	task(id: number): Task | null {
		const task = this.#fleet.task(id);
		return task?.account === this.key ? task : null;
	}

	/** A task once it has ended, or as it is after `limitMs`. */
	async ended(id: number, limitMs: number): Promise<Task | null> {
		const task = await this.#fleet.ended(id, limitMs);
		return task?.account === this.key ? task : null;
	}

	tasks(vm: VmRecord): readonly Task[] {
		return this.#fleet.tasksOf(vm);
	}

	/** Milliseconds since the epoch, by the cloud's clock. */
	now(): number {
		return this.#fleet.now();
	}

	/** A number that this local cloud never gave out before. */
	number(): number {
		return this.#fleet.number();
	}

	/** Things of a kind besides VMs (`firewalls`, `tags`), kept with the inventory. */
	collection<T extends Json>(kind: string): Collection<T> {
		const things = (): { [id: string]: Json } => {
			this.#fleet.collections[this.key] ??= {};
			const ofAccount = this.#fleet.collections[this.key] ?? {};
			ofAccount[kind] ??= {};
			return ofAccount[kind] ?? {};
		};
		return {
			// A kind is only ever written by the dialect that reads it.
			all: () => Object.values(things()) as T[],
			get: (id) => (Object.hasOwn(things(), id) ? (things()[id] as T) : null),
			set: (id, thing) => {
				things()[id] = thing;
				this.#fleet.save();
			},
			delete: (id) => {
				delete things()[id];
				this.#fleet.save();
			},
		};
	}
}

export interface Collection<T> {
	all(): readonly T[];
	get(id: string): T | null;
	set(id: string, thing: T): void;
	delete(id: string): void;
}
