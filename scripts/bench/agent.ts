import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentConfig } from "../../src/agent/protocol.ts";
import { shipped } from "../../src/agent/userdata.ts";
import { median } from "./load.ts";
import { freePort } from "./patch.ts";

const ROUNDS = 3;
const TRANSFER_BYTES = 1024 ** 3;
const TUNNELS = 1000;
const BLOCK = Buffer.alloc(256 * 1024);
const AGENT_ADDRESS = "127.78.200.1";

export interface AgentResult {
	/** Bytes per second through one CONNECT tunnel; the median of the rounds. */
	readonly bytesPerSecond: number;
	/** Null where tinyproxy is not installed. */
	readonly tinyproxyBytesPerSecond: number | null;
	/** Resident, with a thousand tunnels whose clients do not read. */
	readonly residentBytes: number;
}

/** The agent, the very text that VMs run, as a process of its own; beside it tinyproxy, where that is installed. */
export async function benchAgent(say: (text: string) => void): Promise<AgentResult> {
	const root = mkdtempSync(join(tmpdir(), "muster-bench-agent-"));
	const children: ChildProcess[] = [];
	const [origin, originPort] = await startOrigin();
	const [worker, workerPort] = await startWorker();
	try {
		const agentPort = await freePort();
		const agent = startAgent(root, agentPort, `http://127.0.0.1:${workerPort}`);
		children.push(agent);
		const proxies = new Map([["agent", `http://user:pass@${AGENT_ADDRESS}:${agentPort}`]]);
		const tinyproxyPort = await freePort();
		const tinyproxy = startTinyproxy(root, tinyproxyPort);
		if (tinyproxy !== null) {
			children.push(tinyproxy);
			proxies.set("tinyproxy", `http://user:pass@127.0.0.1:${tinyproxyPort}`);
		}
		await Promise.all([listening(AGENT_ADDRESS, agentPort), tinyproxy === null ? null : listening("127.0.0.1", tinyproxyPort)]);
		const rates = new Map<string, number[]>([...proxies.keys()].map((name) => [name, []]));
		for (let round = 0; round < ROUNDS; round++) {
			for (const [name, url] of proxies) rates.get(name)?.push(await transfer(url, originPort));
		}
		for (const [name, list] of rates) say(`${name}, MB/s: ${list.map((rate) => Math.round(rate / 1e6)).join(" ")}`);
		const residentBytes = await memoryAtStandstill(agent, agentPort, originPort);
		return {
			bytesPerSecond: median(rates.get("agent") ?? []),
			tinyproxyBytesPerSecond: tinyproxy === null ? null : median(rates.get("tinyproxy") ?? []),
			residentBytes,
		};
	} finally {
		for (const child of children) child.kill("SIGKILL");
		for (const server of [origin, worker]) server.close();
		rmSync(root, { recursive: true, force: true });
	}
}

/** Sends as much as it is let, to whoever connects, after it has read one line. */
async function startOrigin(): Promise<[Server, number]> {
	const server = createServer((socket) => {
		socket.on("error", () => socket.destroy());
		socket.once("data", () => {
			let sent = 0;
			socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${TRANSFER_BYTES}\r\nConnection: close\r\n\r\n`);
			const more = () => {
				while (sent < TRANSFER_BYTES && !socket.destroyed) {
					sent += BLOCK.length;
					if (!socket.write(BLOCK)) return;
				}
				socket.end();
			};
			socket.on("drain", more);
			more();
		});
	});
	return [server, await listen(server)];
}

/** Answers the agent's calls, as the Worker would. */
async function startWorker(): Promise<[Server, number]> {
	let port = 0;
	const server = createHttpServer((_, response) => {
		const credentials = { version: 1, username: "user", password: "pass" };
		const url = `http://127.0.0.1:${port}`;
		response.setHeader("content-type", "application/json");
		response.end(JSON.stringify({ interval: 30, drain: false, drop: [], url, credentials, allow: [] }));
	});
	port = await listen(server);
	return [server, port];
}

async function listen(server: Server): Promise<number> {
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
	const address = server.address();
	return typeof address === "object" && address ? address.port : 0;
}

function startAgent(root: string, port: number, url: string): ChildProcess {
	for (const name of ["credentials", "state"]) mkdirSync(join(root, name));
	const source = readFileSync(join(import.meta.dirname, "../../src/agent/agent.py"), "utf8");
	writeFileSync(join(root, "agent.py"), shipped(source));
	const config: AgentConfig = {
		token: `${randomBytes(32).toString("hex")}.benchproxy1.${randomBytes(32).toString("base64url")}`,
		port,
		url,
		interval: 30,
		credentials: { version: 1, username: "user", password: "pass" },
		allow: [],
	};
	writeFileSync(join(root, "credentials", "agent.json"), JSON.stringify(config));
	return spawn("python3", [join(root, "agent.py")], {
		stdio: ["ignore", "ignore", "inherit"],
		env: {
			PATH: process.env.PATH,
			CREDENTIALS_DIRECTORY: join(root, "credentials"),
			STATE_DIRECTORY: join(root, "state"),
			MUSTER_BIND: AGENT_ADDRESS,
			MUSTER_ALLOW_LOOPBACK: "1",
		},
	});
}

function startTinyproxy(root: string, port: number): ChildProcess | null {
	try {
		execFileSync("tinyproxy", ["-v"], { stdio: "ignore" });
	} catch {
		return null;
	}
	const file = join(root, "tinyproxy.conf");
	writeFileSync(file, `Port ${port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 2000\nBasicAuth user pass\nLogLevel Critical\n`);
	return spawn("tinyproxy", ["-d", "-c", file], { stdio: "ignore" });
}

async function listening(host: string, port: number): Promise<void> {
	const deadline = performance.now() + 10_000;
	for (;;) {
		const isUp = await new Promise<boolean>((resolve) => {
			const socket = connect(port, host);
			socket.once("connect", () => {
				socket.destroy();
				resolve(true);
			});
			socket.once("error", () => resolve(false));
		});
		if (isUp) return;
		if (performance.now() > deadline) throw new Error(`nothing listens on ${host}:${port}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

/** Bytes per second of one download through a CONNECT tunnel, as curl measures it. */
function transfer(proxy: string, originPort: number): Promise<number> {
	const args = [
		"-sS",
		"--max-time",
		"120",
		"--noproxy",
		"",
		"-p",
		"-x",
		proxy,
		"-o",
		"/dev/null",
		"-w",
		"%{speed_download} %{size_download}",
	];
	return new Promise((resolve, reject) => {
		execFile("curl", [...args, `http://127.0.0.1:${originPort}/`], (error, out) => {
			if (error) return reject(error);
			const [speed, size] = out.split(" ").map(Number);
			if (size !== TRANSFER_BYTES || speed === undefined) return reject(new Error(`${size} bytes came through`));
			resolve(speed);
		});
	});
}

/** What the agent holds once nothing moves any more in a thousand tunnels whose clients do not read. */
async function memoryAtStandstill(agent: ChildProcess, port: number, originPort: number): Promise<number> {
	const clients: Socket[] = [];
	const login = Buffer.from("user:pass").toString("base64");
	const head = `CONNECT 127.0.0.1:${originPort} HTTP/1.1\r\nHost: 127.0.0.1:${originPort}\r\nProxy-Authorization: Basic ${login}\r\n\r\n`;
	try {
		for (let at = 0; at < TUNNELS; at += 50) {
			await Promise.all(
				Array.from(
					{ length: 50 },
					() =>
						new Promise<void>((resolve, reject) => {
							const socket = connect(port, AGENT_ADDRESS);
							clients.push(socket);
							socket.on("error", reject);
							socket.once("connect", () => socket.write(head));
							socket.once("data", () => {
								socket.pause();
								socket.write("go\n");
								resolve();
							});
						}),
				),
			);
		}
		let [last, still] = [-1, 0];
		for (let looks = 0; looks < 60 && still < 4; looks++) {
			await new Promise((resolve) => setTimeout(resolve, 250));
			const resident = residentOf(agent);
			still = resident === last ? still + 1 : 0;
			last = resident;
		}
		return last;
	} finally {
		for (const socket of clients) socket.destroy();
	}
}

function residentOf(child: ChildProcess): number {
	const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
	return Number(kilobytes) * 1024;
}
