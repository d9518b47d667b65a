import type { VmRecord } from "./inventory.ts";

/** What runs on the VMs. The local cloud decides when; this decides what it means. */
export interface Machines {
	/** An address that nobody uses, kept until the VM is destroyed; the wanted one where it is free. */
	reserve(wanted: string | null): Promise<string>;
	/** Switches a VM on: from now on the agent of its user data runs. Its disk is as it was left. */
	start(vm: VmRecord): void;
	/** Switches it off. */
	stop(vm: VmRecord): void;
	/** Frees an address that a VM had before it was given another. */
	release(address: string): void;
	/** Ends it with its disk, and frees its address. */
	destroy(vm: VmRecord): void;
	/** Kills its agent; the VM's init system starts it again unless `forever`. False: none runs. */
	kill(vm: VmRecord, forever: boolean): boolean;
	/** Ends everything that runs, and keeps the disks. */
	close(): Promise<void>;
}

/** Not 127.77.0.0/16: a test may listen on them while a real local cloud runs, and so may another run of the tests. */
const NETWORK = 128 + (process.pid % 120);
/** So many lie between where one cloud of this process begins and where the next one does. */
const ADDRESSES = 1024;
let clouds = 0;

/**
 * Machines on which nothing runs by itself. A test that wants an agent of its own gives `boot` and `halt`: they are called
 * when a real VM's agent would have started, and when it would have ended.
 */
export function idleMachines(on: { boot?: (vm: VmRecord) => void; halt?: (vm: VmRecord) => void } = {}): Machines {
	const inUse = new Set<string>();
	const running = new Map<string, VmRecord>();
	let next = clouds++ * ADDRESSES;
	const halt = (vm: VmRecord) => {
		if (running.delete(vm.id)) on.halt?.(vm);
	};
	return {
		async reserve(wanted) {
			let address = wanted;
			while (address === null || inUse.has(address)) {
				next += 1;
				address = `127.${NETWORK}.${(next >> 8) % 256}.${next % 256}`;
			}
			inUse.add(address);
			return address;
		},
		start(vm) {
			running.set(vm.id, vm);
			on.boot?.(vm);
		},
		stop: halt,
		release: (address) => void inUse.delete(address),
		destroy(vm) {
			halt(vm);
			inUse.delete(vm.address);
		},
		kill(vm, forever) {
			if (!running.has(vm.id)) return false;
			halt(vm);
			if (!forever) {
				running.set(vm.id, vm);
				on.boot?.(vm);
			}
			return true;
		},
		async close() {
			for (const vm of running.values()) halt(vm);
		},
	};
}
