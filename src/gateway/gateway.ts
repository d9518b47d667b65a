import { createServer, type Server, type Socket } from "node:net";
import { Access } from "./access.ts";
import { Client } from "./client.ts";
import { Fleet } from "./fleet.ts";
import type { Front, Waits } from "./front.ts";
import type { Log } from "./log.ts";
import { startMetrics } from "./metrics.ts";
import type { Address, Options } from "./options.ts";
import { ignore } from "./relay.ts";
import { Reports } from "./reports.ts";
import { serveSocks } from "./socks.ts";
import { KEEP_ALIVE_MS } from "./source.ts";
import { Stats } from "./stats.ts";
import { ANY, type Choice, ofSession } from "./user.ts";

const FIRST_BYTE_MS = 60_000;
const SOCKS5 = 5;
/** Clients that come at once wait in the kernel, not in vain. */
const BACKLOG = 4096;
const SILENT = { isIdle: true };

// An answer's is shorter than the agent's own 300 s, after which it closes without a word: that would pass for its own fault.
const WAITS: Waits = { holdMs: 60_000, headMs: 10_000, answerMs: 290_000 };

/** One address in front of a fleet. */
export class Gateway implements Front {
	readonly options: Options;
	readonly fleet: Fleet;
	readonly reports: Reports;
	readonly access: Access;
	readonly stats = new Stats();
	readonly waits: Waits;
	isDraining = false;
	readonly #log: Log;
	readonly #servers: { close(): unknown }[] = [];
	/** Clients' connections; of those that speak HTTP, or nothing yet, whether they may be closed. */
	readonly #sockets = new Map<Socket, { readonly isIdle: boolean } | null>();

	constructor(options: Options, log: Log, waits: Partial<Waits> = {}) {
		this.options = options;
		this.waits = { ...WAITS, ...waits };
		this.#log = log;
		this.fleet = new Fleet({ url: options.url, key: options.key, log, holdMs: this.waits.holdMs });
		this.reports = new Reports(options.url, options.key);
		this.access = new Access(options.user, () => this.fleet.userNames);
	}

	/** Listens, and reads the fleet's list. Throws where a port is taken or the key is refused. Gives the port of `--listen`. */
	async start(): Promise<number> {
		const { listen, sessions, metrics } = this.options;
		const port = await this.#listen(listen, ANY);
		for (const each of sessions) await this.#listen({ host: listen.host, port: each }, ofSession(`port-${each}`));
		if (metrics !== null) this.#servers.push(await startMetrics(this, metrics));
		await this.fleet.start();
		this.#log(`listening on ${listen.host}:${port}${sessions.length > 0 ? `, and on ${sessions.length} ports of sessions` : ""}`);
		return port;
	}

	/** Takes nobody in any more, lets connections end for as long as they may, and tells Muster what it still knows. */
	async stop(drainSeconds = this.options.drainSeconds): Promise<void> {
		this.isDraining = true;
		for (const server of this.#servers) server.close();
		for (const [socket, client] of this.#sockets) if (client?.isIdle) socket.destroySoon();
		const deadlineMs = performance.now() + drainSeconds * 1000;
		while (this.#sockets.size > 0 && performance.now() < deadlineMs) await new Promise((done) => setTimeout(done, 50));
		for (const socket of this.#sockets.keys()) socket.destroy();
		this.fleet.close();
		await this.reports.flush();
	}

	tunnelOpened(socket: Socket): (bytesUp: number, bytesDown: number) => void {
		// What it took to open it is not kept as long as it.
		this.#sockets.set(socket, null);
		this.stats.openTunnels++;
		return this.#tunnelEnded;
	}

	readonly #tunnelEnded = (bytesUp: number, bytesDown: number): void => {
		this.stats.openTunnels--;
		this.stats.tunnelBytesUp += bytesUp;
		this.stats.tunnelBytesDown += bytesDown;
	};

	#listen({ host, port }: Address, fallback: Choice): Promise<number> {
		const server: Server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
		server.on("connection", (socket) => this.#accept(socket, fallback));
		return new Promise((done, failed) => {
			server.once("error", failed);
			server.listen({ host, port, backlog: BACKLOG }, () => {
				this.#servers.push(server);
				const address = server.address();
				done(typeof address === "object" && address !== null ? address.port : port);
			});
		});
	}

	#accept(socket: Socket, fallback: Choice): void {
		this.stats.connections++;
		this.#sockets.set(socket, SILENT);
		// "close" follows, and is what is heard.
		socket.on("error", ignore);
		socket.once("close", () => this.#sockets.delete(socket));
		const onTimeout = () => socket.destroy();
		socket.setTimeout(FIRST_BYTE_MS, onTimeout);
		socket.once("end", onTimeout);
		socket.once("data", (early) => {
			socket.off("timeout", onTimeout).off("end", onTimeout);
			this.#sockets.set(socket, null);
			if (early[0] === SOCKS5) serveSocks(this, socket, early, fallback);
			else this.#sockets.set(socket, new Client(this, socket, early, fallback));
		});
	}

	get open(): number {
		return this.#sockets.size;
	}
}
