/** The proxies of the agent's benchmark: the agent, perhaps that of another revision, and the C proxies that are installed. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { AgentConfig } from "../../src/agent/protocol.ts";
import { shipped } from "../shipped.ts";
import { freePort } from "./patch.ts";

const PROJECT = join(import.meta.dirname, "../..");
const USERNAME = "user";
const PASSWORD = "pass";
/** For 5,000 tunnels: a socket to each side, and what else is open. */
const OPEN_FILES = 16_384;

export interface Proxy {
	readonly name: string;
	readonly process: ChildProcess;
	readonly host: string;
	readonly port: number;
	/** `user:password`, or null where it asks for none. */
	readonly login: string | null;
	readonly speaks: readonly ("http" | "socks")[];
}

interface Rival {
	readonly name: string;
	/** Debian's package of it. */
	readonly package: string;
	readonly login: string | null;
	readonly speaks: Proxy["speaks"];
	/** The command that runs it in the foreground on a loopback port; `directory` is its own. */
	readonly command: (port: number, directory: string) => string[];
}

const RIVALS: readonly Rival[] = [
	{
		name: "tinyproxy",
		package: "tinyproxy-bin",
		login: `${USERNAME}:${PASSWORD}`,
		speaks: ["http"],
		command: (port, directory) => {
			const lines = [
				`Port ${port}`,
				"Listen 127.0.0.1",
				"Timeout 600",
				"MaxClients 6000",
				`BasicAuth ${USERNAME} ${PASSWORD}`,
				"LogLevel Critical",
			];
			return ["tinyproxy", "-d", "-c", file(directory, "tinyproxy.conf", lines)];
		},
	},
	{
		name: "squid",
		package: "squid",
		login: `${USERNAME}:${PASSWORD}`,
		speaks: ["http"],
		command: (port, directory) => {
			// Asked once and then remembered, as with the helper of its own for password files.
			const script = ["#!/bin/sh", `while read -r pair; do [ "$pair" = "${USERNAME} ${PASSWORD}" ] && echo OK || echo ERR; done`];
			const helper = file(directory, "helper.sh", script);
			chmodSync(helper, 0o755);
			const lines = [
				`http_port 127.0.0.1:${port}`,
				`auth_param basic program ${helper}`,
				"auth_param basic children 1",
				"auth_param basic credentialsttl 2 hours",
				"acl known proxy_auth REQUIRED",
				"http_access allow known",
				"http_access deny all",
				"cache deny all",
				"access_log none",
				"cache_log /dev/null",
				"cache_store_log none",
				"pid_filename none",
				`coredump_dir ${directory}`,
				`max_filedescriptors ${OPEN_FILES}`,
				"shutdown_lifetime 0 seconds",
				`cache_effective_user ${userInfo().uid === 0 ? "proxy" : userInfo().username}`,
			];
			return ["squid", "-N", "-f", file(directory, "squid.conf", lines)];
		},
	},
	{
		name: "microsocks",
		package: "microsocks",
		login: `${USERNAME}:${PASSWORD}`,
		speaks: ["socks"],
		command: (port) => ["microsocks", "-i", "127.0.0.1", "-p", String(port), "-u", USERNAME, "-P", PASSWORD],
	},
	{
		name: "dante",
		package: "dante-server",
		// It knows users by the system's accounts only, and those are not the benchmark's to make.
		login: null,
		speaks: ["socks"],
		command: (port, directory) => {
			const user = userInfo().username;
			const lines = [
				"errorlog: /dev/null",
				`internal: 127.0.0.1 port = ${port}`,
				"external: 127.0.0.1",
				"clientmethod: none",
				"socksmethod: none",
				`user.privileged: ${user}`,
				`user.unprivileged: ${userInfo().uid === 0 ? "nobody" : user}`,
				"client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }",
				"socks pass { from: 127.0.0.0/8 to: 127.0.0.0/8 }",
			];
			return ["danted", "-f", file(directory, "danted.conf", lines), "-p", join(directory, "danted.pid")];
		},
	},
];

function file(directory: string, name: string, lines: readonly string[]): string {
	const path = join(directory, name);
	writeFileSync(path, `${lines.join("\n")}\n`);
	return path;
}

/** Debian puts servers where an ordinary user's shell does not look. */
const PATH = `${process.env.PATH}:/usr/sbin`;

function isInstalled(program: string): boolean {
	try {
		execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore", env: { PATH } });
		return true;
	} catch {
		return false;
	}
}

export function run(command: readonly string[], stderr: "ignore" | "inherit", env: NodeJS.ProcessEnv = {}): ChildProcess {
	const limited = ["-c", `ulimit -n ${OPEN_FILES} 2>/dev/null; exec "$@"`, "sh", ...command];
	return spawn("sh", limited, { stdio: ["ignore", "ignore", stderr], env: { PATH, ...env } });
}

/** Starts what is installed of the C proxies; `missing` names the Debian packages of the others. */
export async function startRivals(root: string, started: Proxy[]): Promise<{ readonly missing: string[] }> {
	const missing: string[] = [];
	for (const rival of RIVALS) {
		const port = await freePort();
		const directory = join(root, rival.name);
		mkdirSync(directory);
		const command = rival.command(port, directory);
		if (!isInstalled(command[0] ?? "")) {
			missing.push(rival.package);
			continue;
		}
		// What the C proxies say of connections that end is no news here.
		const proxy = { ...rival, process: run(command, "ignore"), host: "127.0.0.1", port };
		started.push(proxy);
		await listening(proxy);
	}
	return { missing };
}

/** Answers the agent's calls, as the Worker would. Returns its URL. */
export async function startWorker(): Promise<[Server, string]> {
	const port = await freePort();
	const url = `http://127.0.0.1:${port}`;
	const directives = {
		interval: 30,
		drain: false,
		drop: [],
		url,
		credentials: { version: 1, username: USERNAME, password: PASSWORD },
		allow: [],
		address: null,
	};
	const server = createServer((_, response) => response.setHeader("content-type", "application/json").end(JSON.stringify(directives)));
	await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
	return [server, url];
}

export function agentConfig(port: number, url: string): AgentConfig {
	return {
		token: `${randomBytes(32).toString("hex")}.benchproxy1.${randomBytes(32).toString("base64url")}`,
		port,
		url,
		interval: 30,
		credentials: { version: 1, username: USERNAME, password: PASSWORD },
		allow: [],
	};
}

/** The text of `agent.py`, as it is in the working tree or in a git revision. */
export function agentSource(revision: string | null): string {
	const path = "src/agent/agent.py";
	if (revision === null) return readFileSync(join(PROJECT, path), "utf8");
	return execFileSync("git", ["show", `${revision}:${path}`], { cwd: PROJECT, encoding: "utf8", maxBuffer: 1e7 });
}

export async function startAgent(root: string, revision: string | null, url: string, started: Proxy[]): Promise<void> {
	const name = revision === null ? "agent" : `agent@${revision}`;
	const directory = join(root, revision === null ? "agent" : "agent-against");
	mkdirSync(directory);
	// The very text that VMs run; how another revision ships its own is that revision's matter.
	const program = file(directory, "agent.py", [revision === null ? shipped(agentSource(null)) : agentSource(revision)]);
	for (const part of ["credentials", "state"]) mkdirSync(join(directory, part));
	const [port, host] = [await freePort(), `127.78.${randomInt(0, 255)}.${randomInt(1, 255)}`];
	writeFileSync(join(directory, "credentials", "agent.json"), JSON.stringify(agentConfig(port, url)));
	const process = run([PYTHON, program], "inherit", {
		CREDENTIALS_DIRECTORY: join(directory, "credentials"),
		STATE_DIRECTORY: join(directory, "state"),
		MUSTER_BIND: host,
		MUSTER_ALLOW_LOOPBACK: "1",
	});
	const proxy: Proxy = { name, process, host, port, login: `${USERNAME}:${PASSWORD}`, speaks: ["http", "socks"] };
	started.push(proxy);
	await listening(proxy);
}

/** Which Python runs the agent and the load: the machine's own unless a run is to show another version. */
export const PYTHON = process.env.MUSTER_TEST_PYTHON ?? "python3";

export async function listening({ name, process, host, port }: Proxy): Promise<void> {
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
		if (process.exitCode !== null) throw new Error(`${name} ended with ${process.exitCode}`);
		if (performance.now() > deadline) throw new Error(`${name} does not listen on ${host}:${port}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}
