import { createServer, type Server } from "node:net";

/** Proxies listen on this port; an address where somebody else already does is skipped. */
const PROXY_PORT = 8899;
/** A local cloud that uses 127.77.y.0/24 listens here on its last address, so that another one takes another block. */
const BLOCK_PORT = 8898;
const BLOCKS = 256;
/** The addresses of a block that VMs may have. */
const IN_BLOCK = 250;

/**
 * Loopback addresses 127.77.y.z for VMs. Several local clouds can run on a machine: each holds whole blocks y, and the
 * system takes a dead one's lock away.
 */
export class Addresses {
	readonly #blocks = new Map<number, Promise<Server | null>>();
	readonly #inUse = new Set<string>();
	#last: number;

	constructor(firstBlock: number) {
		this.#last = (firstBlock % BLOCKS) * IN_BLOCK;
	}

	/** A free address, the wanted one if it is; throws when none is left. */
	async reserve(wanted: string | null): Promise<string> {
		const [, y, z] = /^127\.77\.(\d+)\.(\d+)$/.exec(wanted ?? "") ?? [];
		if (wanted !== null && y !== undefined && z !== undefined && (await this.#hold(Number(y))) && (await this.#take(wanted))) return wanted;
		// Round and round rather than the lowest free one, so that a new VM seldom gets the address of one just deleted.
		for (let tried = 0; tried < BLOCKS * IN_BLOCK; tried++) {
			this.#last += 1;
			const block = Math.floor(this.#last / IN_BLOCK) % BLOCKS;
			if (!(await this.#hold(block))) {
				const skipped = IN_BLOCK - 1 - (this.#last % IN_BLOCK);
				this.#last += skipped;
				tried += skipped;
				continue;
			}
			const address = `127.77.${block}.${(this.#last % IN_BLOCK) + 1}`;
			if (await this.#take(address)) return address;
		}
		throw new Error(`No loopback address is free: on each of 127.77.0.1 to 127.77.255.250 something listens on port ${PROXY_PORT}.`);
	}

	release(address: string): void {
		this.#inUse.delete(address);
	}

	async close(): Promise<void> {
		for (const lock of this.#blocks.values()) (await lock)?.close();
		this.#blocks.clear();
	}

	#hold(block: number): Promise<boolean> {
		const known = this.#blocks.get(block);
		if (known) return known.then((server) => server !== null);
		const lock = listen(`127.77.${block}.254`, BLOCK_PORT).then((server) => server?.unref() ?? null);
		this.#blocks.set(block, lock);
		return lock.then((server) => {
			// Somebody else's now; it may be free when it is asked for again.
			if (server === null) this.#blocks.delete(block);
			return server !== null;
		});
	}

	async #take(address: string): Promise<boolean> {
		if (this.#inUse.has(address)) return false;
		this.#inUse.add(address);
		const probe = await listen(address, PROXY_PORT);
		if (!probe) {
			this.#inUse.delete(address);
			return false;
		}
		await new Promise<void>((resolve) => probe.close(() => resolve()));
		return true;
	}
}

/** Null: the address is in use, or this machine does not have it. */
function listen(host: string, port: number): Promise<Server | null> {
	return new Promise((resolve) => {
		const server = createServer((socket) => socket.destroy());
		server.once("error", () => resolve(null));
		server.listen({ host, port, exclusive: true }, () => resolve(server));
	});
}

/** Whether programs of this machine can have addresses of 127.77.0.0/16: on Linux yes, on macOS only those added as aliases. */
export async function hasLoopbackAddress(address: string): Promise<boolean> {
	const server = await listen(address, 0);
	server?.close();
	return server !== null;
}
