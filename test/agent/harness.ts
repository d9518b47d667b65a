/**
 * Runs the agent for real: the very text that user data carries, as a process with directories of its own on a loopback
 * address of its own, beside a small stand-in for the Worker. Whatever a test starts here ends with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect, createServer, type Server, type Socket } from "node:net";
import { endianness, tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { shipped, shippedName } from "../../scripts/shipped.ts";
import { AGENT_PORT, type AgentConfig, type Directives, HeartbeatBody, LineReport, RegisterBody } from "../../src/agent/protocol.ts";

export const onLinux = process.platform === "linux";

/** Which Python runs the agent; the machine's own unless a run is to show another version. */
const PYTHON = process.env.MUSTER_TEST_PYTHON ?? "python3";
const NOBODY = 65_534;
const SOURCES = join(import.meta.dirname, "../../src/agent");

export const USERNAME = "changeme";
export const PASSWORD = "correct horse";

/** Polls until `check` gives something else than false, null or undefined; throws after the deadline. */
export async function eventually<T>(check: () => T | Promise<T>, what: string, deadlineMs = 10_000): Promise<NonNullable<T>> {
	const ends = performance.now() + deadlineMs;
	for (;;) {
		const value = await check();
		if (value !== false && value !== null && value !== undefined) return value;
		if (performance.now() > ends) throw new Error(`${what}: not within ${deadlineMs} ms`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

/** Listens on a loopback address, on a free port unless one is given; ends with the test. */
export async function listen(server: Server, host = "127.0.0.1", port = 0): Promise<number> {
	const sockets = new Set<Socket>();
	server.on("connection", (socket: Socket) => {
		sockets.add(socket);
		socket.on("error", () => {}); // Cut connections are what many tests are about.
		socket.on("close", () => sockets.delete(socket));
	});
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, host, 4096, resolve);
	});
	onTestFinished(() => {
		for (const socket of sockets) socket.destroy();
		return new Promise<void>((resolve) => server.close(() => resolve()));
	});
	const address = server.address();
	return typeof address === "object" && address ? address.port : 0;
}

export const httpOrigin = (handler: RequestListener, host?: string): Promise<number> => listen(createHttpServer(handler), host);
export const tcpOrigin = (handler: (socket: Socket) => void, host?: string): Promise<number> =>
	listen(createServer({ allowHalfOpen: true }, handler), host);

export async function readAll(message: NodeJS.ReadableStream): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of message) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

/** A stand-in for the Worker: answers what the test says, checks each call's form, and remembers all. */
export interface FakeWorker {
	readonly url: string;
	directives: Directives;
	/** By path: what is answered instead of the directives. */
	readonly statuses: Map<string, number>;
	readonly registrations: { token: string; body: RegisterBody; address: string; userAgent: string }[];
	readonly heartbeats: { key: string; body: HeartbeatBody; atMs: number }[];
	/** Calls of any outcome. */
	calls: number;
	/** Lines that were opened, the newest last; null: it has none, and answers 404. */
	lines: FakeLine[] | null;
	/** False: it is of before there were any, and refuses them. */
	knowsCounters: boolean;
}

/** `tls`: it speaks TLS with this certificate, for 127.0.0.1. */
export async function startWorker(tls: { readonly key: string; readonly cert: string } | null = null): Promise<FakeWorker> {
	const worker: FakeWorker = {
		url: "",
		directives: {
			interval: 30,
			drain: false,
			grace: 0,
			drop: [],
			url: "",
			credentials: { version: 1, username: USERNAME, password: PASSWORD },
			allow: [],
			address: null,
		},
		statuses: new Map(),
		registrations: [],
		heartbeats: [],
		calls: 0,
		lines: null,
		knowsCounters: true,
	};
	const answer = async (request: IncomingMessage): Promise<{ status: number; body: unknown }> => {
		worker.calls++;
		const bearer = request.headers.authorization?.replace(/^Bearer /, "") ?? "";
		const text = (await readAll(request)).toString();
		const status = worker.statuses.get(request.url ?? "") ?? 200;
		if (status !== 200) return { status, body: { error: "as the test says" } };
		const body: unknown = JSON.parse(text);
		const [address, userAgent] = [request.socket.remoteAddress ?? "", request.headers["user-agent"] ?? ""];
		if (request.url === "/v1.1/register") worker.registrations.push({ token: bearer, body: RegisterBody.parse(body), address, userAgent });
		else {
			const { boot, counters, ...bare } = HeartbeatBody.parse(body);
			if (!worker.knowsCounters && (boot !== undefined || counters !== undefined)) return { status: 400, body: { error: "unknown" } };
			const told = counters === undefined ? bare : { ...bare, boot, counters };
			worker.heartbeats.push({ key: bearer, body: told, atMs: performance.now() });
		}
		return { status, body: worker.directives };
	};
	const server = (tls === null ? createHttpServer() : createHttpsServer(tls)) as HttpServer;
	server.on("request", (request, response) => {
		if (request.url === "/v1.1/agent") return void response.writeHead(worker.statuses.get(request.url) ?? 404).end("{}");
		answer(request).then(
			({ status, body }) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
			(error: unknown) => response.writeHead(400).end(String(error)),
		);
	});
	const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true });
	server.on("upgrade", (request, socket, head) => {
		const status = worker.lines === null ? 404 : worker.statuses.get(request.url ?? "");
		if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
		sockets.handleUpgrade(request, socket, head, (webSocket) => worker.lines?.push(fakeLine(webSocket, request, worker)));
	});
	const port = await listen(server);
	const url = `${tls === null ? "http" : "https"}://127.0.0.1:${port}`;
	return Object.assign(worker, { url, directives: { ...worker.directives, url } });
}

/** One agent's line, held by the `ws` package. */
export interface FakeLine {
	readonly key: string;
	readonly reports: (LineReport & { readonly atMs: number })[];
	readonly socket: WebSocket;
	/** When each ping came. */
	readonly pingsMs: number[];
	/** False: pings get no answer. */
	isAnswering: boolean;
	isOpen: boolean;
	/** Tells the whole wish; returns the order's number. */
	order(directives: Partial<Directives>): number;
}

function fakeLine(socket: WebSocket, request: IncomingMessage, worker: FakeWorker): FakeLine {
	let orders = 0;
	const line: FakeLine = {
		key: request.headers.authorization?.replace(/^Bearer /, "") ?? "",
		reports: [],
		socket,
		pingsMs: [],
		isAnswering: true,
		isOpen: true,
		order: (directives) => {
			worker.directives = { ...worker.directives, ...directives };
			const order = ++orders;
			socket.send(JSON.stringify({ order, ...worker.directives, report: 300, rise: 4 }));
			return order;
		},
	};
	socket.on("message", (data, isBinary) => {
		const text = String(data);
		if (isBinary) throw new Error("an agent sends texts only");
		if (text !== "ping") line.reports.push({ ...LineReport.parse(JSON.parse(text)), atMs: performance.now() });
		else if (line.pingsMs.push(performance.now()) && line.isAnswering) socket.send("pong");
	});
	socket.on("close", () => {
		line.isOpen = false;
	});
	socket.on("error", () => {}); // `close` follows.
	line.order({});
	return line;
}

export interface AgentOptions {
	readonly config?: Partial<AgentConfig>;
	readonly allowLoopback?: boolean;
	/** Constants of agent.py to change, such as `IDLE_SECONDS`. */
	readonly limits?: Record<string, number | string | readonly number[]>;
	readonly names?: Record<string, readonly string[] | null>;
	/** Does not wait for the registration. */
	readonly isLonely?: boolean;
	/** Runs it as a user without privileges, as its unit does. Only root can. */
	readonly isOrdinaryUser?: boolean;
	/** How many descriptors it may have. */
	readonly descriptors?: number;
	/** Nothing can be written to its state directory, as on a full disk; {@link Agent.mendState} ends that. */
	readonly hasBrokenState?: boolean;
	/** Of its process, besides what its unit gives it. */
	readonly environment?: Readonly<Record<string, string>>;
}

export interface Agent {
	readonly address: string;
	readonly port: number;
	/** The proxy's URL with its credentials. */
	readonly url: string;
	readonly stateDirectory: string;
	readonly config: AgentConfig;
	/** What it wrote to stderr since the test began. */
	readonly log: () => string;
	readonly rssBytes: () => number;
	/** How many sockets it has whose other end is one of these, `127.0.0.1:80`. Its heartbeats and its line come and go beside them. */
	readonly socketsTo: (...ends: readonly string[]) => number;
	readonly kill: (signal: NodeJS.Signals) => Promise<void>;
	/** Sends a signal that does not end it. */
	readonly signal: (signal: NodeJS.Signals) => void;
	readonly mendState: () => void;
	/** Starts it again with the same directories. */
	readonly start: () => Promise<void>;
}

/** A loopback address of 127.78/16 that nobody listens on. */
async function freeAddress(): Promise<string> {
	for (;;) {
		const address = `127.78.${randomInt(0, 255)}.${randomInt(1, 255)}`;
		const trial = createServer();
		const isFree = await new Promise<boolean>((resolve) => {
			trial.once("error", () => resolve(false));
			trial.listen(AGENT_PORT, address, () => trial.close(() => resolve(true)));
		});
		if (isFree) return address;
	}
}

export async function startAgent(worker: { readonly url: string }, options: AgentOptions = {}): Promise<Agent> {
	const root = mkdtempSync(join(tmpdir(), "muster-agent-"));
	const directory = (name: string) => {
		mkdirSync(join(root, name));
		return join(root, name);
	};
	const [credentialsDirectory, stateDirectory] = [directory("credentials"), directory("state")];
	// Where a file would be made anew is a directory: it holds for root too.
	const obstacles = ["key.new", "state.json.new"].map((name) => join(stateDirectory, name));
	if (options.hasBrokenState) for (const path of obstacles) mkdirSync(path);
	const config: AgentConfig = {
		token: `${randomBytes(32).toString("hex")}.proxy${randomInt(1e9)}x.${randomBytes(32).toString("base64url")}`,
		port: AGENT_PORT,
		url: worker.url,
		interval: 30,
		credentials: { version: 1, username: USERNAME, password: PASSWORD },
		allow: [],
		...options.config,
	};
	const source = readFileSync(join(SOURCES, "agent.py"), "utf8");
	writeFileSync(join(root, "agent.py"), shipped(source));
	writeFileSync(join(credentialsDirectory, "agent.json"), JSON.stringify(config));
	const address = await freeAddress();
	let child: ChildProcess | null = null;
	let log = "";
	const limits = Object.fromEntries(Object.entries(options.limits ?? {}).map(([name, value]) => [shippedName(source, name), value]));
	const hasPlan = options.limits !== undefined || options.names !== undefined;
	// The agent needs the standard library only; without what the machine has beside it, it starts in less time.
	const command = hasPlan
		? ["-S", join(import.meta.dirname, "wrapper.py"), JSON.stringify({ limits, names: options.names ?? {} })]
		: ["-S", join(root, "agent.py")];
	if (options.isOrdinaryUser) for (const path of [root, stateDirectory]) chownSync(path, NOBODY, NOBODY);
	const kill = async (signal: NodeJS.Signals) => {
		const running = child;
		child = null;
		if (!running || running.exitCode !== null || running.signalCode !== null) return;
		const ended = new Promise((resolve) => running.once("exit", resolve));
		running.kill(signal);
		await ended;
	};
	const start = async () => {
		const began = log.length;
		const limited = ["-c", `ulimit -n ${options.descriptors}; exec "$@"`, "sh", PYTHON, ...command];
		const [program, args] = options.descriptors === undefined ? [PYTHON, command] : ["sh", limited];
		const python = spawn(program, args, {
			...(options.isOrdinaryUser ? { uid: NOBODY, gid: NOBODY } : {}),
			stdio: ["ignore", "inherit", "pipe"],
			env: {
				PATH: process.env.PATH,
				PYTHONPATH: root,
				PYTHONDONTWRITEBYTECODE: "1",
				CREDENTIALS_DIRECTORY: credentialsDirectory,
				STATE_DIRECTORY: stateDirectory,
				MUSTER_BIND: address,
				...options.environment,
				...(options.allowLoopback === false ? {} : { MUSTER_ALLOW_LOOPBACK: "1" }),
			},
		});
		child = python;
		python.stderr.on("data", (data: Buffer) => {
			log += data.toString();
		});
		const awaited = options.isLonely ? "listening" : "registered";
		await eventually(() => {
			if (python.exitCode !== null) throw new Error(`the agent ended with ${python.exitCode}: ${log}`);
			return log.slice(began).includes(awaited);
		}, awaited);
	};
	onTestFinished(async () => {
		await kill("SIGKILL");
		rmSync(root, { recursive: true, force: true });
	});
	await start();
	const { username, password } = config.credentials ?? { username: "", password: "" };
	return {
		address,
		port: config.port,
		url: `http://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${address}:${config.port}`,
		stateDirectory,
		config,
		log: () => log,
		rssBytes: () => {
			const status = readFileSync(`/proc/${child?.pid}/status`, "utf8");
			return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
		},
		socketsTo: (...ends) => {
			const wanted = new Set(ends.map(asKernel));
			const directory = `/proc/${child?.pid}/fd`;
			const inodes = new Set(readdirSync(directory).map((name) => inodeOf(join(directory, name))));
			const rows = readFileSync(`/proc/${child?.pid}/net/tcp`, "utf8").trim().split("\n").slice(1);
			return rows.map((row) => row.trim().split(/\s+/)).filter((row) => wanted.has(row[2] ?? "") && inodes.has(row[9])).length;
		},
		kill,
		signal: (signal) => child?.kill(signal),
		mendState: () => {
			for (const path of obstacles) rmSync(path, { recursive: true });
		},
		start,
	};
}

/** `127.0.0.1:80` as /proc/net/tcp has it: the address in the machine's order of bytes. */
function asKernel(end: string): string {
	const [address = "", port = ""] = end.split(":");
	const hex = (number: string, digits: number) => Number(number).toString(16).toUpperCase().padStart(digits, "0");
	const parts = address.split(".").map((part) => hex(part, 2));
	return `${(endianness() === "LE" ? parts.reverse() : parts).join("")}:${hex(port, 4)}`;
}

/** Of the socket that a descriptor stands for. */
function inodeOf(descriptor: string): string | undefined {
	try {
		return /^socket:\[(\d+)\]$/.exec(readlinkSync(descriptor))?.[1];
	} catch {
		return undefined; // Closed meanwhile.
	}
}

/** The names that the wrapped agent looked up, in order. */
export function lookups(agent: Agent): readonly string[] {
	const path = join(agent.stateDirectory, "lookups");
	return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
}

export const basic = (username = USERNAME, password = PASSWORD): string =>
	`Proxy-Authorization: Basic ${Buffer.from(`${username}:${password}`).toString("base64")}\r\n`;

/** A connection to the agent, which may be half-closed; ends with the test. */
export async function dial(agent: Agent, options: { localAddress?: string; localPort?: number } = {}): Promise<Socket> {
	const socket = connect({ host: agent.address, port: agent.port, allowHalfOpen: true, ...options });
	socket.on("error", () => {}); // What comes of it is told by the events that tests await.
	onTestFinished(() => {
		socket.destroy();
	});
	await new Promise<void>((resolve, reject) => {
		socket.once("connect", resolve);
		socket.once("error", reject);
	});
	return socket;
}

/** Reads exactly so many bytes; throws when the connection ends before. */
export async function read(socket: Socket, bytes: number): Promise<Buffer> {
	const hasEnded = () => socket.destroyed || socket.readableEnded;
	const events = ["readable", "end", "close"] as const;
	await new Promise<void>((resolve) => {
		const look = () => {
			if (socket.readableLength < bytes && !hasEnded()) return;
			for (const event of events) socket.off(event, look);
			resolve();
		};
		for (const event of events) socket.on(event, look);
		look();
	});
	const data: Buffer | null = bytes === 0 ? Buffer.alloc(0) : socket.read(bytes);
	if (data?.length !== bytes) throw new Error("the connection ended too early");
	return data;
}

export interface Answer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

/** Reads an HTTP answer up to its body. */
export async function readHead(socket: Socket): Promise<Omit<Answer, "body">> {
	let text = "";
	while (!text.endsWith("\r\n\r\n")) text += (await read(socket, 1)).toString("latin1");
	return parseHead(text);
}

function parseHead(text: string): Omit<Answer, "body"> {
	const [first = "", ...lines] = text.trim().split("\r\n");
	const headers = lines.map((line) => line.split(/:\s*(.*)/s)).map(([name = "", value = ""]) => [name.toLowerCase(), value]);
	return { status: Number(/^HTTP\/1\.[01] (\d{3}) /.exec(`${first} `)?.[1]), headers: Object.fromEntries(headers) };
}

/**
 * Sends bytes to the agent as they are and ends its side, so that the connection is not kept for another request; reads until it
 * closes. Status 0 when it answers nothing.
 */
export async function ask(agent: Agent, request: string | Buffer): Promise<Answer> {
	const socket = await dial(agent);
	socket.end(request);
	const text = (await readToEnd(socket)).toString("latin1");
	socket.destroy();
	const end = text.indexOf("\r\n\r\n");
	if (end < 0) return { status: 0, headers: {}, body: text };
	return { ...parseHead(text.slice(0, end)), body: text.slice(end + 4) };
}

/** All until the other side's end; what came before a cut counts too. */
export function readToEnd(socket: Socket): Promise<Buffer> {
	const chunks: Buffer[] = [];
	return new Promise((resolve) => {
		const done = () => resolve(Buffer.concat(chunks));
		socket.on("data", (chunk: Buffer) => chunks.push(chunk));
		socket.once("end", done);
		socket.once("close", done);
	});
}

/** An open CONNECT tunnel through the agent. Throws where it is refused. */
export async function tunnel(agent: Agent, target: string): Promise<Socket> {
	const socket = await dial(agent);
	socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${basic()}\r\n`);
	const { status } = await readHead(socket);
	if (status !== 200) throw new Error(`CONNECT ${target}: ${status}`);
	return socket;
}

/** Makes a SOCKS5 request with user name and password; gives the reply code and the socket. */
export async function socks(
	agent: Agent,
	request: Buffer,
	username = USERNAME,
	password = PASSWORD,
): Promise<{ code: number; socket: Socket }> {
	const socket = await dial(agent);
	socket.write(Buffer.from([5, 2, 0, 2]));
	const [, method] = await read(socket, 2);
	if (method !== 2) throw new Error(`method ${method}`);
	const [user, pass] = [Buffer.from(username), Buffer.from(password)];
	socket.write(Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([pass.length]), pass]));
	const [, outcome] = await read(socket, 2);
	if (outcome !== 0) throw new Error("SOCKS credentials refused");
	socket.write(request);
	const [, code = -1] = await read(socket, 10);
	return { code, socket };
}

/** A SOCKS5 CONNECT request for a name or an IPv4 address. */
export function socksConnect(host: string, port: number): Buffer {
	const isAddress = /^(\d+\.){3}\d+$/.test(host);
	const address = isAddress
		? Buffer.from([1, ...host.split(".").map(Number)])
		: Buffer.concat([Buffer.from([3, host.length]), Buffer.from(host)]);
	return Buffer.concat([Buffer.from([5, 1, 0]), address, Buffer.from([port >> 8, port & 255])]);
}
