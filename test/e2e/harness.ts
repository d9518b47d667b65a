import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";

const PROJECT = resolve(import.meta.dirname, "../..");
export const NODE = join(PROJECT, "node_modules/.bin/node");
const READY_LIMIT_MS = 60_000;

/** Short times, so that a test need not wait; in seconds but for the boot. */
export const TIMES = { bootMs: 500, interval: 2, unknownTimeout: 3, unregisteredTimeout: 8 };

/**
 * What a user is promised is a proxy within boot time + 2 s. Here it may take twice the 2 s: the tests share their machine with
 * other tests, and the whole of Muster, a cloud and its VMs run on it.
 */
export const SOON_MS = TIMES.bootMs + 4000;

export interface LocalVm {
	readonly provider: string;
	readonly id: string;
	readonly name: string;
	readonly ip: string | null;
	readonly state: string;
}

export interface Proxy {
	readonly ip: string;
	readonly port: number;
	readonly url: string;
	readonly provider: string;
	readonly instance: string;
}

/** A temporary directory, for the state of one or more runs of `npm run dev`. */
export function temporaryState(): { readonly directory: string; remove(): void } {
	const directory = mkdtempSync(join(tmpdir(), "muster-e2e-"));
	return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Addresses that a cloud gives up when it ends shall still be free when it starts again, whatever else is started meanwhile. */
function blockOf(directory: string): number {
	return createHash("sha256").update(directory).digest()[0] ?? 0;
}

/** Below the ports that systems give out by themselves (Linux from 32,768): one of those could be gone before it is listened on. */
const [FIRST_PORT, LAST_PORT] = [15_000, 32_000];

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
	for (;;) {
		const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
		const server = createServer();
		const isFree = await new Promise<boolean>((done) => {
			server.once("error", () => done(false)).listen(port, "127.0.0.1", () => server.close(() => done(true)));
		});
		if (isFree) return port;
	}
}

/** What `npm run dev` runs, on ports and with a state of its own. */
export class Dev {
	readonly port: number;
	readonly cloudPort: number;
	readonly directory: string;
	readonly #child: ChildProcess;
	readonly #ended: Promise<number | null>;
	#output = "";

	/** Starts it; `ready` then waits for the line that says so. */
	constructor(
		directory: string,
		port: number,
		cloudPort: number,
		env: Readonly<Record<string, string>> = {},
		args: readonly string[] = [],
	) {
		this.directory = directory;
		this.port = port;
		this.cloudPort = cloudPort;
		this.#child = spawn(NODE, [join(PROJECT, "scripts/dev.ts"), ...args], {
			cwd: PROJECT,
			stdio: ["ignore", "pipe", "pipe"],
			env: {
				PATH: process.env.PATH,
				HOME: process.env.HOME,
				PORT: String(port),
				CLOUD_PORT: String(cloudPort),
				MUSTER_STATE_DIR: directory,
				LOCALCLOUD_BOOT_MS: String(TIMES.bootMs),
				LOCALCLOUD_BLOCK: String(blockOf(directory)),
				INTERVAL: String(TIMES.interval),
				UNKNOWN_TIMEOUT: String(TIMES.unknownTimeout),
				UNREGISTERED_TIMEOUT: String(TIMES.unregisteredTimeout),
				...env,
			},
		});
		for (const stream of [this.#child.stdout, this.#child.stderr])
			stream?.on("data", (chunk: Buffer) => {
				this.#output += chunk;
			});
		// A test run that is stopped half-way stops this as well; its guard ends the rest.
		process.once("exit", () => this.#child.kill("SIGKILL"));
		this.#ended = new Promise((done) => this.#child.once("close", (code) => done(code)));
	}

	static async start(directory: string, env: Readonly<Record<string, string>> = {}): Promise<Dev> {
		const dev = new Dev(directory, await freePort(), await freePort(), env);
		await dev.ready();
		return dev;
	}

	async ready(): Promise<void> {
		const ended = this.#ended.then(() => true);
		const deadline = Date.now() + READY_LIMIT_MS;
		while (!this.#output.includes("Muster is ready")) {
			const isOver = await Promise.race([ended, new Promise<false>((done) => setTimeout(() => done(false), 20))]);
			if (isOver || Date.now() > deadline) throw new Error(`dev did not become ready:\n${this.#output}`);
		}
	}

	get output(): string {
		return this.#output;
	}

	/** Its exit code, once it ended by itself. */
	get ended(): Promise<number | null> {
		return this.#ended;
	}

	signal(signal: NodeJS.Signals): void {
		this.#child.kill(signal);
	}

	/** Stops it as Ctrl-C would, and waits until nothing of it is left. */
	async stop(): Promise<void> {
		this.signal("SIGINT");
		await this.#ended;
		await this.nothingLeft();
	}

	/** Waits until no process of this run exists; throws, naming those that stay. */
	async nothingLeft(limitMs = 20_000): Promise<void> {
		await within(limitMs, () => {
			const left = this.processes();
			if (left.length > 0) throw new Error(`left behind: ${left.map(({ pid, command }) => `${pid} ${command}`).join("\n")}`);
		});
	}

	/** Every process of this run but dev itself: all have the state's directory in their environment. Linux only. */
	processes(): readonly { readonly pid: number; readonly command: string }[] {
		return readdirSync("/proc")
			.filter((name) => /^\d+$/.test(name) && Number(name) !== this.#child.pid)
			.flatMap((pid) => {
				try {
					if (!readFileSync(`/proc/${pid}/environ`, "utf8").includes(this.directory)) return [];
					return [{ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") }];
				} catch {
					// It ended meanwhile, or is another user's.
					return [];
				}
			});
	}

	/** One call of Muster's API. */
	async api(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
		const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
			method,
			...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
		});
		return { status: response.status, body: (await response.json()) as Record<string, unknown> };
	}

	/** The proxies that Muster hands out. */
	async proxies(): Promise<readonly Proxy[]> {
		const { body } = await this.api("GET", "/?limit=100");
		return body.proxies as readonly Proxy[];
	}

	/** Some proxy; throws while there is none. */
	async random(): Promise<Proxy> {
		const { status, body } = await this.api("GET", "/random");
		if (status !== 200) throw new Error(`/random answered ${status}`);
		return body.proxy as Proxy;
	}

	/** A control of the local cloud. */
	async control(method: string, path: string, body?: unknown): Promise<Response> {
		const response = await fetch(`http://127.0.0.1:${this.cloudPort}/_local${path}`, {
			method,
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		if (!response.ok) throw new Error(`/_local${path}: ${response.status} ${await response.text()}`);
		return response;
	}

	async vms(): Promise<readonly LocalVm[]> {
		return (await (await this.control("GET", "/vms")).json()) as readonly LocalVm[];
	}

	async vmAt(ip: string): Promise<LocalVm> {
		const vm = (await this.vms()).find((each) => each.ip === ip);
		if (!vm) throw new Error(`no VM has the address ${ip}`);
		return vm;
	}

	/** What the clouds were asked, in order. */
	async calls(): Promise<readonly { readonly method: string; readonly url: string; readonly requestBody: string }[]> {
		const lines = (await (await this.control("GET", "/journal")).text()).split("\n").filter((line) => line !== "");
		return lines.map((line) => JSON.parse(line) as { method: string; url: string; requestBody: string });
	}

	/** Names of the droplets that were asked for, in order. */
	async creates(): Promise<readonly string[]> {
		return (await this.calls())
			.filter((call) => call.method === "POST" && call.url === "/v2/droplets")
			.map((call) => (JSON.parse(call.requestBody) as { name: string }).name);
	}
}

/** Times that are promised hold for a machine that has some of its processors' time to spare. Where it had none, it gets so much more. */
const BUSY_FACTOR = 4;
const SPARE_SHARE = 0.2;

/** As {@link within}, for how soon things are promised to happen. */
export async function promised<T>(limitMs: number, claim: () => Promise<T> | T): Promise<T> {
	const before = processorTime();
	try {
		return await within(limitMs, claim);
	} catch (error) {
		const now = processorTime();
		if (now.idle - before.idle > SPARE_SHARE * (now.all - before.all)) throw error;
		return within((BUSY_FACTOR - 1) * limitMs, claim);
	}
}

/** Of all processors, since the machine's start. */
function processorTime(): { readonly idle: number; readonly all: number } {
	const times = cpus().map(({ times }) => times);
	const sum = (of: readonly number[]) => of.reduce((total, ms) => total + ms, 0);
	return { idle: sum(times.map(({ idle }) => idle)), all: sum(times.flatMap((one) => Object.values(one))) };
}

/** Waits until a claim holds, and answers what it answered; after `limitMs` throws what it threw last. */
export async function within<T>(limitMs: number, claim: () => Promise<T> | T): Promise<T> {
	const deadline = Date.now() + limitMs;
	for (;;) {
		try {
			return await claim();
		} catch (error) {
			if (Date.now() > deadline) throw error;
			await new Promise((done) => setTimeout(done, 50));
		}
	}
}

/** GETs a URL through a proxy, as a client would; rejects when the proxy cannot be reached. */
export function throughProxy(proxy: Proxy, url: string): Promise<{ readonly status: number; readonly text: string }> {
	const { username, password } = new URL(proxy.url);
	const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
	return new Promise((done, refuse) => {
		const request = get(
			{ host: proxy.ip, port: proxy.port, path: url, headers: { "proxy-authorization": `Basic ${login}` } },
			(response) => {
				let text = "";
				response.on("data", (chunk: Buffer) => {
					text += chunk;
				});
				response.on("end", () => done({ status: response.statusCode ?? 0, text }));
			},
		);
		request.on("error", refuse);
	});
}

/** Runs curl; never throws for what curl says. `status` is the last answer's, also a proxy's refusal. */
export function curl(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
	return new Promise((done) => {
		execFile("curl", ["-sS", "--max-time", "10", "--noproxy", "", ...args], (error, out, err) => {
			done({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, out, err });
		});
	});
}
