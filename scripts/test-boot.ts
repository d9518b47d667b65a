/**
 * Boots the user data for real: Debian 12 with its own systemd and cloud-init, in a container (`npm run test:boot`).
 *
 * Shown: the agent registers and serves after a first boot, and does so again with the same key after `systemctl stop`, `restart`,
 * a crash (kill -9) and a second boot; its unit is sound; stopped, it lets sessions end. The container has a network of its own with nothing on it but this script, which
 * stands in for the Worker and for an origin.
 *
 * Needs Linux, root, and the packages debootstrap and systemd-container. The root file system is made once (some minutes,
 * from Debian's mirror) and kept in MUSTER_BOOT_ROOT, else `.wrangler/boot-root`; boots write to memory.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmdirSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { AGENT_PORT, type AgentConfig, type Directives } from "../src/agent/protocol.ts";
import { renderUserData } from "../src/agent/userdata.ts";
import { packed } from "./shipped.ts";

const PROJECT = join(import.meta.dirname, "..");
const ROOT = process.env.MUSTER_BOOT_ROOT ?? join(PROJECT, ".wrangler/boot-root");
const MIRROR = "http://deb.debian.org/debian";
/** Any global unicast addresses will do, since the network has no way out: private ones the agent would refuse as destinations. */
const [HERE, THERE] = ["11.0.0.1", "11.0.0.2"];
const WORKER_PORT = 8787;
const BOOT_SECONDS = 90;

/** Why this machine cannot run the test, or null. */
function obstacle(): string | null {
	if (process.platform !== "linux") return "it boots a Linux container, and this is no Linux";
	if (process.getuid?.() !== 0) return "making and booting a root file system needs root";
	for (const [program, name] of [
		["debootstrap", "debootstrap"],
		["systemd-nspawn", "systemd-container"],
		["unshare", "util-linux"],
		["ip", "iproute2"],
	]) {
		if (spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0) return `${program} is missing: apt-get install ${name}`;
	}
	return null;
}

/** Makes the root file system, unless it is there. */
function makeRoot(): void {
	if (existsSync(ROOT)) return;
	console.log(`making a Debian 12 in ${ROOT} (some minutes, once)`);
	const making = `${ROOT}.new`;
	rmSync(making, { recursive: true, force: true });
	mkdirSync(making, { recursive: true });
	const run = (program: string, ...args: string[]) =>
		execFileSync(program, args, {
			stdio: ["ignore", "ignore", "inherit"],
			env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
		});
	const packages = "systemd,systemd-sysv,dbus,python3,ca-certificates,iproute2";
	run("debootstrap", "--variant=minbase", `--include=${packages}`, "bookworm", making, MIRROR);
	// This machine may reach a mirror only by its own settings.
	for (const part of ["apt.conf.d", "auth.conf.d"])
		if (existsSync(`/etc/apt/${part}`)) cpSync(`/etc/apt/${part}`, join(making, "etc/apt", part), { recursive: true });
	run("chroot", making, "apt-get", "-qq", "update");
	run("chroot", making, "apt-get", "-qq", "install", "--no-install-recommends", "cloud-init");
	writeFileSync(
		join(making, "etc/cloud/cloud.cfg.d/99-boot-test.cfg"),
		"datasource_list: [ NoCloud, None ]\nnetwork: { config: disabled }\n",
	);
	renameSync(making, ROOT);
}

/** What the agent's calls told: each registration, and the number of heartbeats. */
interface Heard {
	readonly registrations: { readonly token: string; readonly key: string; readonly address: string }[];
	heartbeats: number;
}

/** A stand-in for the Worker under /v1.1, and an origin under all other paths. */
async function startWorker(directives: Directives): Promise<Heard> {
	const heard: Heard = { registrations: [], heartbeats: 0 };
	const server = createServer(async (request, response) => {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const address = request.socket.remoteAddress ?? "";
		if (request.url === "/v1.1/register") {
			const { key } = JSON.parse(Buffer.concat(chunks).toString()) as { key: string };
			heard.registrations.push({ token: request.headers.authorization ?? "", key, address });
		} else if (request.url === "/v1.1/heartbeat") heard.heartbeats++;
		else {
			response.end(`${request.url} for ${address}`);
			return;
		}
		response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(directives));
	});
	await new Promise<void>((resolve) => server.listen(WORKER_PORT, HERE, resolve));
	return heard;
}

async function eventually<T>(check: () => T | Promise<T>, what: string, seconds: number): Promise<NonNullable<T>> {
	const ends = performance.now() + seconds * 1000;
	for (;;) {
		const value = await check();
		if (value !== false && value !== null && value !== undefined) return value;
		if (performance.now() > ends) throw new Error(`${what}: not within ${seconds} s`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

function check(isTrue: boolean, what: string): void {
	if (!isTrue) throw new Error(`not so: ${what}`);
	console.log(`  ok  ${what}`);
}

/** Status and body of a GET through the proxy; null while nothing answers. */
function getThrough(config: AgentConfig, path: string, hasCredentials = true): Promise<{ status: number; body: string } | null> {
	const { username, password } = config.credentials ?? { username: "", password: "" };
	const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
	return new Promise((resolve) => {
		const headers = hasCredentials ? { "proxy-authorization": authorization } : {};
		const request = httpRequest({
			host: THERE,
			port: config.port,
			path: `http://${HERE}:${WORKER_PORT}${path}`,
			headers,
			agent: false,
			timeout: 5000,
		});
		request.on("error", () => resolve(null));
		request.on("timeout", () => request.destroy());
		request.on("response", (response) => {
			let body = "";
			response.setEncoding("utf8").on("data", (text: string) => {
				body += text;
			});
			response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
		});
		request.end();
	});
}

/** Checks that on `stop` the agent first listens no more, while a tunnel that is open goes on; then ends that. */
async function stopsInOrder(config: AgentConfig, stop: () => void): Promise<void> {
	const { username, password } = config.credentials ?? { username: "", password: "" };
	const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
	const request = httpRequest({
		host: THERE,
		port: config.port,
		method: "CONNECT",
		path: `${HERE}:${WORKER_PORT}`,
		headers: { "proxy-authorization": authorization },
	});
	const tunnel = await new Promise<Socket>((resolve, reject) => {
		request.on("connect", (_, socket) => resolve(socket as Socket)).on("error", reject);
		request.end();
	});
	stop();
	const isRefused = () =>
		new Promise<boolean>((resolve) => {
			const socket = connect(config.port, THERE);
			socket.once("connect", () => {
				socket.destroy();
				resolve(false);
			});
			socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
		});
	await eventually(isRefused, "a stopped agent listens no more", 3);
	tunnel.write("GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	let answer = "";
	for await (const data of tunnel) answer += String(data);
	check(answer.includes("/late for"), "when it is stopped it refuses new connections, and lets those end that are open");
}

/** A running container; `init` is the pid of its systemd on this machine. */
interface Container {
	readonly process: ChildProcess;
	readonly init: number;
}

async function boot(directory: string): Promise<Container> {
	const container = spawn(
		"systemd-nspawn",
		[
			"-q",
			"-D",
			directory,
			"--boot",
			"--register=no",
			"--keep-unit",
			"--console=pipe",
			"--link-journal=no",
			"--network-namespace-path=/run/netns/vm",
		],
		{ stdio: ["ignore", "pipe", "pipe"] },
	);
	let console_ = "";
	for (const stream of [container.stdout, container.stderr]) {
		stream.on("data", (data: Buffer) => {
			console_ = (console_ + data.toString()).slice(-4000);
		});
	}
	const init = await eventually(
		() => {
			if (container.exitCode !== null) throw new Error(`systemd-nspawn ended with ${container.exitCode}:\n${console_}`);
			const children = readFileSync(`/proc/${container.pid}/task/${container.pid}/children`, "utf8").trim().split(" ");
			return Number(children[0]) || null;
		},
		"the container's init",
		10,
	);
	return { process: container, init };
}

/** Runs a command in the container. */
const inside = (container: Container, ...command: string[]): string =>
	execFileSync("nsenter", ["-t", String(container.init), "-a", "--", ...command], { encoding: "utf8" }).trim();

async function powerOff(container: Container): Promise<void> {
	const ended = new Promise((resolve) => container.process.once("exit", resolve));
	container.process.kill("SIGTERM"); // nspawn turns it into an orderly power-off.
	await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 30_000).unref())]);
	container.process.kill("SIGKILL");
}

/** Lays a network of two ends and a writable copy of the root; both vanish with this process's namespaces. */
function prepare(directory: string, userData: string): string {
	const run = (line: string) => execFileSync("sh", ["-ec", line], { stdio: ["ignore", "inherit", "inherit"] });
	run(`ip link set lo up
		mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip netns add vm
		ip link add here type veth peer name eth0 netns vm
		ip address add ${HERE}/24 dev here && ip link set here up
		ip -n vm link set lo up && ip -n vm address add ${THERE}/24 dev eth0 && ip -n vm link set eth0 up && ip -n vm route add default via ${HERE}`);
	const merged = join(directory, "merged");
	run(`mount -t tmpfs tmpfs '${directory}' && cd '${directory}' && mkdir upper work merged
		mount -t overlay overlay -o 'lowerdir=${ROOT},upperdir=${directory}/upper,workdir=${directory}/work' '${merged}'`);
	const seed = join(merged, "var/lib/cloud/seed/nocloud");
	mkdirSync(seed, { recursive: true });
	writeFileSync(join(seed, "meta-data"), `instance-id: ${randomBytes(4).toString("hex")}\nlocal-hostname: boot-test\n`);
	writeFileSync(join(seed, "user-data"), userData, { mode: 0o600 });
	for (const name of ["instance", "instances", "data", "sem"])
		rmSync(join(merged, "var/lib/cloud", name), { recursive: true, force: true });
	return merged;
}

/** The test itself, in namespaces of its own. */
async function main(directory: string): Promise<void> {
	const credentials = { version: 1, username: `it's "$HOME" \`id\` %n`, password: "\\ ;&|<>(){}[]*?!#~=+^@,./-_" };
	const config: AgentConfig = {
		token: `${randomBytes(32).toString("hex")}.boottest1.${randomBytes(32).toString("base64url")}`,
		port: AGENT_PORT,
		url: `http://${HERE}:${WORKER_PORT}`,
		interval: 1,
		credentials,
		allow: [],
	};
	const source = (name: string) => readFileSync(join(PROJECT, "src/agent", name), "utf8");
	const userData = await renderUserData(config, { agent: await packed(source("agent.py")), unit: source("muster-agent.service") });
	const merged = prepare(directory, userData);
	const heard = await startWorker({ ...config, drain: false, grace: 0, drop: [], address: null });
	let container: Container | null = null;
	for (const signal of ["SIGINT", "SIGTERM"] as const) {
		process.on(signal, () => {
			container?.process.kill("SIGKILL"); // Its processes die with it.
			process.exit(1);
		});
	}
	const registered = (count: number, seconds: number) =>
		eventually(() => heard.registrations.length >= count, `registration ${count}`, seconds);
	const serves = async (when: string) => {
		const answer = await eventually(() => getThrough(config, "/page"), "the proxy answers", 10);
		check(answer.status === 200 && answer.body === `/page for ${THERE}`, `serves ${when}`);
	};
	try {
		const began = performance.now();
		container = await boot(merged);
		await registered(1, BOOT_SECONDS);
		console.log(`first boot: registered ${((performance.now() - began) / 1000).toFixed(1)} s after the container's start`);
		const [first] = heard.registrations;
		check(first?.token === `Bearer ${config.token}` && first.address === THERE, "registers with its boot token, from its own address");
		await serves("after the first boot");
		check((await getThrough(config, "/page", false))?.status === 407, "asks for credentials");
		const heartbeats = heard.heartbeats;
		await eventually(() => heard.heartbeats > heartbeats, "a heartbeat", 5);

		const pid = () => Number(inside(container as Container, "systemctl", "show", "-p", "MainPID", "--value", "muster-agent"));
		const status = inside(container, "cat", `/proc/${pid()}/status`);
		check(!/^Uid:\s+0\b/m.test(status) && /^CapEff:\s+0+$/m.test(status), "runs as a user of its own, without capabilities");
		check(/^Seccomp:\s+2$/m.test(status) && /^NoNewPrivs:\s+1$/m.test(status), "runs with its system calls filtered");

		const unit = "muster-agent.service";
		check(
			inside(container, "systemd-analyze", "verify", `/etc/systemd/system/${unit}`) === "",
			"is a unit that systemd finds nothing wrong with",
		);
		const property = (name: string) => inside(container as Container, "systemctl", "show", "-p", name, "--value", unit);
		const memoryBytes = Number(property("MemoryMax"));
		check(memoryBytes > 0 && memoryBytes < totalmem(), "may have a part of the machine's memory only");
		check(property("IPAddressDeny").includes("169.254.169.254/32"), "may not call the metadata address");
		console.log(`      ${inside(container, "systemd-analyze", "security", "--no-pager", unit).split("\n").at(-1)}`);

		await stopsInOrder(config, () => inside(container as Container, "systemctl", "stop", "--no-block", unit));
		await eventually(() => property("ActiveState") === "inactive", "the unit is stopped once its last session has ended", 3);
		check(property("Result") === "success", "ends by itself when it is stopped");
		inside(container, "systemctl", "start", unit);
		await registered(2, 10);
		await serves("after stop and start");

		inside(container, "systemctl", "restart", "muster-agent");
		await registered(3, 10);
		await serves("after systemctl restart");

		inside(container, "kill", "-9", String(pid()));
		await registered(4, 10);
		await serves("after a crash (kill -9)");

		await powerOff(container);
		container = await boot(merged);
		await registered(5, BOOT_SECONDS);
		await serves("after a second boot");
		const keys = new Set(heard.registrations.map(({ key }) => key));
		check(keys.size === 1, "kept one key through all of it");
		const files = readdirSync(join(merged, "var/lib/private/muster-agent"));
		check(files.includes("key"), "keeps its state in a directory that is its own");
		const journal = inside(container, "journalctl", "-u", "muster-agent", "-o", "cat", "--no-pager");
		check(
			journal.includes("registered") && ![...keys, config.token, credentials.password].some((secret) => journal.includes(secret)),
			"logs no secret",
		);
	} catch (error) {
		if (container)
			console.error(
				spawnSync("nsenter", ["-t", String(container.init), "-a", "--", "journalctl", "-b", "--no-pager", "-n", "60"]).stdout.toString(),
			);
		throw error;
	} finally {
		if (container) await powerOff(container);
	}
}

const why = obstacle();
if (why !== null) {
	console.error(`test:boot cannot run here: ${why}.`);
	process.exit(1);
}
const directory = process.argv[2];
if (directory) {
	await main(directory);
	process.exit(0);
}
makeRoot();
const own = mkdtempSync(join(tmpdir(), "muster-boot-"));
const args = ["--net", "--mount", "--propagation", "private", process.execPath, import.meta.filename, own];
const child = spawn("unshare", args, { stdio: "inherit" });
// It ends its container first.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill("SIGTERM"));
child.once("exit", (code) => {
	rmdirSync(own);
	process.exit(code ?? 1);
});
