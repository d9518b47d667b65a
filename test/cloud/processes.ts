import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
	appendFileSync,
	chmodSync,
	closeSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	openSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { Addresses } from "./addresses.ts";
import { type VmRecord, vmDirectory } from "./inventory.ts";
import type { Machines } from "./machines.ts";
import { ShippedAgent } from "./shipped.ts";
import { type Boot, readUserData, type Unit } from "./userdata.ts";

/**
 * Machines that are directories of this one: `write_files` go below the VM's own directory, and the services that its
 * user data enables run as processes with what systemd would give them (credentials, state directory, restart). They
 * listen on the VM's loopback address and call out from it. They run nothing but this checkout's agent (or that of `shipped`); null: anything.
 */
export function processMachines(
	root: string,
	{ firstBlock = 0, shipped = new ShippedAgent() }: { firstBlock?: number; shipped?: ShippedAgent | null } = {},
): Machines {
	const addresses = new Addresses(firstBlock);
	const machines = new Map<string, Machine>();
	const ending = new Set<Promise<void>>();
	const end = (vm: VmRecord): Promise<void> => {
		const machine = machines.get(keyOf(vm));
		machines.delete(keyOf(vm));
		return machine?.stop() ?? Promise.resolve();
	};
	const track = (work: Promise<void>) => {
		ending.add(work);
		void work.finally(() => ending.delete(work));
	};
	return {
		reserve: (wanted) => addresses.reserve(wanted),
		start(vm) {
			if (machines.has(keyOf(vm))) return;
			const machine = new Machine(vmDirectory(root, vm), vm, shipped);
			machines.set(keyOf(vm), machine);
			machine.start();
		},
		stop: (vm) => track(end(vm)),
		release: (address) => addresses.release(address),
		destroy(vm) {
			const cleared = async () => {
				await end(vm);
				await rm(vmDirectory(root, vm), { recursive: true, force: true });
				addresses.release(vm.address);
			};
			track(cleared());
		},
		kill: (vm, forever) => machines.get(keyOf(vm))?.kill(forever) ?? false,
		async close() {
			await Promise.all([...[...machines.values()].map((machine) => machine.stop()), ...ending]);
			machines.clear();
			await addresses.close();
		},
	};
}

function keyOf(vm: VmRecord): string {
	return `${vm.provider}/${vm.id}`;
}

/** One VM that is switched on. */
class Machine {
	readonly #directory: string;
	readonly #vm: VmRecord;
	/** Null: it runs whatever its user data says. */
	readonly #shipped: ShippedAgent | null;
	readonly #running = new Map<string, ChildProcess>();
	readonly #restarts = new Map<string, NodeJS.Timeout>();
	#isOn = false;
	#isBroken = false;

	constructor(directory: string, vm: VmRecord, shipped: ShippedAgent | null) {
		this.#directory = directory;
		this.#vm = vm;
		this.#shipped = shipped;
	}

	start(): void {
		this.#isOn = true;
		mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
		let boot: Boot;
		try {
			boot = readUserData(this.#vm.userData);
		} catch (error) {
			// As on a real VM: it runs, and nothing is on it. Its console says why.
			this.#console(`cloud-init: ${error instanceof Error ? error.message : error}`);
			return;
		}
		const refusal = this.#wasAdmitted() ? null : (this.#shipped?.refusalOf(boot) ?? null);
		if (refusal !== null) {
			const sentence = `local cloud: VM '${this.#vm.name}' runs nothing: ${refusal}. LOCALCLOUD_RUN_ANY=1 lets VMs run anything.`;
			this.#console(sentence);
			console.error(sentence);
			return;
		}
		this.#firstBoot(boot);
		for (const unit of boot.units) this.#run(unit);
	}

	/** Resolves when none of its processes is left. */
	async stop(): Promise<void> {
		this.#isOn = false;
		for (const timer of this.#restarts.values()) clearTimeout(timer);
		this.#restarts.clear();
		await Promise.all([...this.#running.values()].map(killed));
	}

	kill(forever: boolean): boolean {
		this.#isBroken ||= forever;
		if (forever) {
			for (const timer of this.#restarts.values()) clearTimeout(timer);
			this.#restarts.clear();
		}
		const hit = this.#running.size > 0;
		for (const child of this.#running.values()) child.kill("SIGKILL");
		return hit;
	}

	/** cloud-init writes files at the first boot of an instance, and never again. */
	#firstBoot(boot: Boot): void {
		if (existsSync(this.#booted)) return;
		for (const file of boot.files) {
			const path = this.#path(file.path);
			mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
			writeFileSync(path, file.content);
			chmodSync(path, file.mode);
		}
		writeFileSync(this.#booted, this.#shipped === null ? "" : this.#digest());
	}

	/** Whether it booted from this very user data before: its agent was this checkout's then. */
	#wasAdmitted(): boolean {
		return existsSync(this.#booted) && readFileSync(this.#booted, "utf8") === this.#digest();
	}

	#digest(): string {
		return createHash("sha256").update(this.#vm.userData).digest("hex");
	}

	/** Beside the VM's root, where its user data writes nothing. */
	get #booted(): string {
		return join(this.#directory, "booted");
	}

	#run(unit: Unit): void {
		if (!this.#isOn || this.#isBroken) return;
		const [program = "", ...args] = unit.command;
		const stateDirectory = unit.stateDirectory === null ? null : this.#path(`/var/lib/${unit.stateDirectory}`);
		if (stateDirectory) mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
		const output = openSync(join(this.#directory, "console.log"), "a", 0o600);
		// The machine's own python3 and the like are this machine's; what the user data wrote is the VM's.
		const child = spawn(
			existsSync(this.#path(program)) ? this.#path(program) : (program.split("/").at(-1) ?? program),
			args.map((arg) => this.#own(arg)),
			{
				cwd: this.#directory,
				stdio: ["ignore", output, output],
				env: {
					PATH: process.env.PATH,
					LANG: "C.UTF-8",
					...unit.environment,
					CREDENTIALS_DIRECTORY: this.#loadCredentials(unit),
					...(stateDirectory ? { STATE_DIRECTORY: stateDirectory } : {}),
					MUSTER_BIND: this.#vm.address,
					MUSTER_ALLOW_LOOPBACK: "1",
				},
			},
		);
		closeSync(output);
		this.#running.set(unit.name, child);
		let hasEnded = false;
		const ended = (how: string) => {
			if (hasEnded) return;
			hasEnded = true;
			this.#running.delete(unit.name);
			if (!this.#isOn) return;
			this.#console(`${unit.name}: ${how}`);
			if (unit.restartAfterMs === null || this.#isBroken) return;
			this.#restarts.set(
				unit.name,
				setTimeout(() => {
					this.#restarts.delete(unit.name);
					this.#run(unit);
				}, unit.restartAfterMs),
			);
		};
		child.once("error", (error) => ended(`cannot be started: ${error.message}`));
		child.once("exit", (code, signal) => ended(`ended with ${signal ?? code}`));
	}

	#loadCredentials(unit: Unit): string {
		const directory = join(this.#directory, "credentials", unit.name);
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(directory, { recursive: true, mode: 0o700 });
		for (const credential of unit.credentials) copyFileSync(this.#path(credential.path), join(directory, credential.name));
		return directory;
	}

	/** Where the VM's absolute path is on this machine; never outside of the VM's directory. */
	#path(absolute: string): string {
		return join(this.#directory, "root", normalize(join("/", absolute)));
	}

	#own(argument: string): string {
		return argument.startsWith("/") && existsSync(this.#path(argument)) ? this.#path(argument) : argument;
	}

	#console(line: string): void {
		appendFileSync(join(this.#directory, "console.log"), `${line}\n`, { mode: 0o600 });
	}
}

function killed(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
	return new Promise((resolve) => {
		child.once("exit", () => resolve());
		child.kill("SIGKILL");
	});
}
