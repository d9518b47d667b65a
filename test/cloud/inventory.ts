import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CloudName } from "../../src/core/model/state.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** One VM, as it is kept on disk. */
export interface VmRecord {
	readonly provider: CloudName;
	/** Digest of the token that made it: the token itself is kept nowhere. */
	readonly account: string;
	/** The cloud's id. */
	readonly id: string;
	readonly name: string;
	readonly tags: readonly string[];
	readonly userData: string;
	/** Milliseconds since the epoch. */
	readonly createdAt: number;
	/** What else its dialect wants to remember (region, size, …). */
	readonly details: { readonly [key: string]: Json };
	/** Reserved at create; its cloud shows it from `active` on. */
	readonly address: string;
	/** `new` until half of its boot, then `active`, with an address; `off` when switched off. */
	readonly state: "new" | "active" | "off";
	/** Its agent never starts (a fault, or `kill-agent` for good). */
	readonly isDead: boolean;
}

/** What belongs to an account besides VMs: firewalls, tags, … by kind and id. */
export type Collections = { [account: string]: { [kind: string]: { [id: string]: Json } } };

export interface CloudRecord {
	/** The last number given out as an id. */
	readonly lastNumber: number;
	readonly collections: Collections;
}

/** Where the inventory outlives the process. */
export interface Inventory {
	load(): { readonly cloud: CloudRecord | null; readonly vms: readonly VmRecord[] };
	saveCloud(cloud: CloudRecord): void;
	saveVm(vm: VmRecord): void;
	removeVm(vm: VmRecord): void;
}

/** Nothing outlives the process. */
export const noInventory: Inventory = {
	load: () => ({ cloud: null, vms: [] }),
	saveCloud: () => {},
	saveVm: () => {},
	removeVm: () => {},
};

/** The directory of one VM under the local cloud's. */
export function vmDirectory(root: string, vm: { readonly provider: string; readonly id: string }): string {
	return join(root, `${vm.provider}-${vm.id}`);
}

/**
 * An inventory in files, readable by their owner only since user data holds credentials: `cloud.json`, and `vm.json` in
 * each VM's directory. A file is replaced by renaming, so that a crash leaves the old or the new one.
 */
export function fileInventory(root: string): Inventory {
	mkdirSync(root, { recursive: true, mode: 0o700 });
	const cloudFile = join(root, "cloud.json");
	return {
		load() {
			const vms = readdirSync(root, { withFileTypes: true })
				.filter((entry) => entry.isDirectory())
				.map((entry) => readJson<VmRecord>(join(root, entry.name, "vm.json")))
				.filter((vm) => vm !== null);
			return { cloud: readJson<CloudRecord>(cloudFile), vms };
		},
		saveCloud: (cloud) => replaceFile(cloudFile, cloud),
		saveVm(vm) {
			const directory = vmDirectory(root, vm);
			mkdirSync(directory, { recursive: true, mode: 0o700 });
			replaceFile(join(directory, "vm.json"), vm);
		},
		// The rest of its directory goes with the machine; without this file the VM is forgotten.
		removeVm: (vm) => rmSync(join(vmDirectory(root, vm), "vm.json"), { force: true }),
	};
}

function replaceFile(path: string, value: unknown): void {
	writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
	renameSync(`${path}.new`, path);
}

function readJson<T>(path: string): T | null {
	let text: string;
	try {
		text = readFileSync(path, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
	// Only this program writes these files, whole: what they hold is what was saved.
	return JSON.parse(text) as T;
}
