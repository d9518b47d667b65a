import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { median } from "./load.ts";
import { cpuSeconds, residentBytes } from "./processes.ts";
import { agentConfig, agentSource, type Proxy, PYTHON, startAgent, startRivals, startWorker } from "./rivals.ts";

export const LOAD = join(import.meta.dirname, "load");
const GIGABYTE = 1e9;
/** Until a proxy has done what is left when its client has its answer. */
const SETTLE_MS = 150;

/** One line of the table, as `scripts/bench.ts` prints it. */
export interface AgentLine {
	readonly what: string;
	readonly measured: string;
	readonly goal: string;
	readonly also: string;
}

export interface AgentOptions {
	/** A git revision whose agent runs beside, or null. */
	readonly against: string | null;
	/** Leaves out each row whose name does not hold this. */
	readonly rows: string;
	readonly print: (text: string) => void;
}

export const Ports = z.object({ echo: z.number(), http: z.number(), bulk: z.number() });
export type Ports = z.infer<typeof Ports>;
const Figures = z.object({
	seconds: z.number(),
	connections: z.number(),
	failed: z.number(),
	p50: z.number().default(Number.NaN),
	p99: z.number().default(Number.NaN),
});
type Figures = z.infer<typeof Figures>;

/** What one run of the load is; `service` is the origin's. */
interface Load {
	readonly kind: "connect" | "socks" | "get";
	readonly service: keyof Ports;
	readonly count: number;
	readonly atOnce: number;
	readonly perConnection?: number;
	readonly bulkBytes?: number;
	/** What the origin's link would carry, for all streams together; missing: as much as there is. */
	readonly bytesPerSecond?: number;
}

export interface Row extends Load {
	readonly what: string;
	readonly goal: string;
	readonly rounds: number;
	/** The figure of one run, and how it is written. */
	readonly figure: (run: Run, load: Load) => number;
	readonly text: (figure: number) => string;
	readonly isLatency?: boolean;
}

/** One run of the load through one proxy: what its client saw, and the CPU seconds of the proxy and its children. */
interface Run extends Figures {
	readonly cpu: number;
}

const per10k = (run: Run, load: Load) => (run.cpu / load.count) * 10_000;
const perGigabyte = (run: Run, load: Load) => run.cpu / ((load.count * (load.bulkBytes ?? 0)) / GIGABYTE);
export const cpuText = (figure: number) => `${figure.toFixed(2)} CPU s`;
export const BULK = { kind: "connect", service: "bulk", rounds: 6, figure: perGigabyte, text: cpuText } as const;
export const SHORT = { rounds: 4, count: 2000, atOnce: 32, figure: per10k, text: cpuText } as const;

/** The goals of the project for its agent, each for the row as it stands. */
const ROWS: readonly Row[] = [
	{ ...SHORT, what: "new CONNECT + 32 bytes, per 10,000", goal: "≤ 3.0", kind: "connect", service: "echo" },
	{ ...SHORT, what: "new SOCKS5 + 32 bytes, per 10,000", goal: "≤ 3.3", kind: "socks", service: "echo" },
	{ ...SHORT, what: "GET, new connection, per 10,000", goal: "≤ 3.3", kind: "get", service: "http" },
	{ ...SHORT, what: "GET, kept connection, per 10,000", goal: "≤ half of a new one", kind: "get", service: "http", perConnection: 1000 },
	{
		what: "latency of a new CONNECT, p50 (p99) added",
		goal: "≤ 0.4 ms (1.5)",
		kind: "connect",
		service: "echo",
		rounds: 8,
		count: 1000,
		atOnce: 1,
		figure: (run) => run.p50,
		text: (figure) => `${figure.toFixed(2)} ms`,
		isLatency: true,
	},
	{ ...BULK, what: "bulk, 1 stream, per GB", goal: "≤ 0.35 (0.8 before 3.10)", count: 1, atOnce: 1, bulkBytes: 768e6 },
	{ ...BULK, what: "bulk, 16 streams, per GB", goal: "≤ 0.35 (0.8 before 3.10)", count: 16, atOnce: 16, bulkBytes: 48e6 },
];
const MEMORY = [1000, 5000];

/**
 * The agent, the very text that VMs run, beside the C proxies that are installed: each row in turns (A B C A B C …) under the same load, in
 * CPU seconds of the proxy (with its children) and in wall time. All of it on loopback; at most 8,000 connections a row and proxy.
 */
export async function benchAgent({ against, rows, print }: AgentOptions): Promise<AgentLine[]> {
	const root = mkdtempSync(join(tmpdir(), "muster-bench-agent-"));
	// Started by root, squid becomes another user before it reads its files.
	chmodSync(root, 0o755);
	const proxies: Proxy[] = [];
	const origin = spawn(PYTHON, [join(LOAD, "origin.py")], { stdio: ["pipe", "pipe", "inherit"] });
	const [worker, url] = await startWorker();
	try {
		const ports = Ports.parse(JSON.parse(await firstLine(origin)));
		await startAgent(root, null, url, proxies);
		if (against !== null) await startAgent(root, against, url, proxies);
		const { missing } = await startRivals(root, proxies);
		if (missing.length > 0) print(`not beside it, as not installed: apt-get install ${missing.join(" ")}`);
		for (const { name, login } of proxies) if (login === null) print(`${name} asks for no credentials here`);
		const lines: AgentLine[] = [];
		const add = (measured: readonly AgentLine[]) => {
			for (const { what, measured: mine, also } of measured) print(`${what}: ${mine}; ${also}`);
			lines.push(...measured);
		};
		for (const row of ROWS.filter(({ what }) => what.includes(rows))) add(await measure(row, proxies, ports, print));
		for (const count of MEMORY) {
			const what = `resident, ${count.toLocaleString("en")} idle tunnels`;
			if (what.includes(rows)) add([await memory(what, count === 1000 ? "≤ 31 MiB" : "≤ 45 MiB", count, proxies, ports)]);
		}
		const permission = "permission check of a public destination";
		if (permission.includes(rows)) add([await permissions(permission, root, against)]);
		return lines;
	} finally {
		for (const { process } of proxies) process.kill("SIGKILL");
		origin.stdin.end();
		worker.close();
		rmSync(root, { recursive: true, force: true });
	}
}

/**
 * All proxies that can carry it, in turns; the medians of the rounds. A proxy that fails some of the exchanges is told of. `subject` names the
 * first one, beside which the others are shown.
 */
export async function measure(
	row: Row,
	proxies: readonly Proxy[],
	ports: Ports,
	print: AgentOptions["print"],
	subject = "agent",
): Promise<AgentLine[]> {
	const able = proxies.filter(({ speaks }) => speaks.includes(row.kind === "socks" ? "socks" : "http"));
	const runs = new Map<string, Run[]>(["straight", ...able.map(({ name }) => name)].map((name) => [name, []]));
	for (const proxy of able) {
		const { failed } = await exchange({ ...row, count: Math.min(row.count, 100), bulkBytes: row.bulkBytes ? 1e6 : 0 }, proxy, ports);
		if (failed > 0) throw new Error(`${proxy.name} fails: ${row.what}`);
	}
	for (let round = 0; round < row.rounds; round++) {
		// What the load and its origin come to alone: of latency that is taken off, and of bytes no proxy passes on more.
		if (row.isLatency || row.bulkBytes) runs.get("straight")?.push({ ...(await exchange(row, null, ports)), cpu: 0 });
		for (const proxy of able) {
			const before = cpuSeconds(proxy.process.pid ?? 0);
			const figures = await exchange(row, proxy, ports);
			await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
			runs.get(proxy.name)?.push({ ...figures, cpu: cpuSeconds(proxy.process.pid ?? 0) - before });
		}
	}
	const of = (name: string, figure: (run: Run) => number) => median((runs.get(name) ?? []).map(figure));
	const added = (name: string, figure: (run: Run) => number) => of(name, figure) - (row.isLatency ? of("straight", figure) : 0);
	const figure = (name: string) => added(name, (run) => row.figure(run, row));
	const wall = (name: string) => of(name, ({ seconds }) => seconds);
	/** Of each round by itself: the machine's speed changes from one to the next. */
	const times = (name: string) =>
		median((runs.get(name) ?? []).map(({ seconds }, round) => seconds / (runs.get(subject)?.[round]?.seconds ?? Number.NaN)));
	const megabytes = (name: string) => `${Math.round((row.count * (row.bulkBytes ?? 0)) / wall(name) / 1e6)} MB/s`;
	const mine = figure(subject);
	const cells = able.map(({ name }) => {
		const text = row.isLatency ? `${row.text(figure(name))} (${added(name, (run) => run.p99).toFixed(2)})` : row.text(figure(name));
		const ratio = name === subject ? "" : `, ${subject} ${(mine / figure(name)).toFixed(2)} ×`;
		return { name, text: `${text}${ratio}` };
	});
	const speeds = able.map(({ name }) => {
		const each = row.bulkBytes ? megabytes(name) : `${Math.round(row.count / wall(name))}/s`;
		return { name, text: name === subject ? each : `${each}, ${subject} ${times(name).toFixed(2)} ×` };
	});
	if (row.bulkBytes) speeds.push({ name: "no proxy", text: megabytes("straight") });
	for (const { name } of able) {
		const failed = (runs.get(name) ?? []).reduce((sum, run) => sum + run.failed, 0);
		if (failed > 0) print(`${row.what}: ${failed} of ${row.count * row.rounds} failed at ${name}`);
		const connections = of(name, (run) => run.connections);
		if (row.perConnection && connections > row.count / 2) print(`${row.what}: ${name} keeps no connection`);
	}
	const lines = [line(row.what, row.goal, cells)];
	if (row.isLatency) return lines;
	// One client after the other: its rate is but its latency once more.
	return [...lines, line(`  the same, throughput`, row.what === "bulk, 1 stream, per GB" ? "≥ 2 × squid" : "", speeds)];
}

function line(what: string, goal: string, cells: readonly { readonly name: string; readonly text: string }[]): AgentLine {
	const [subject, ...others] = cells;
	return { what, goal, measured: subject?.text ?? "", also: others.map(({ name, text }) => `${name} ${text}`).join("; ") };
}

function client(load: Load, proxy: Proxy | null, ports: Ports, hold: boolean): ChildProcess {
	const plan = {
		kind: load.kind,
		proxy: proxy === null ? null : [proxy.host, proxy.port],
		target: ["127.0.0.1", ports[load.service]],
		login: proxy?.login ?? null,
		count: load.count,
		at_once: load.atOnce,
		per_connection: load.perConnection ?? 1,
		bulk_bytes: load.bulkBytes ?? 0,
		bulk_rate: Math.round((load.bytesPerSecond ?? 0) / load.atOnce),
		hold,
	};
	return spawn(PYTHON, [join(LOAD, "client.py"), JSON.stringify(plan)], { stdio: ["pipe", "pipe", "inherit"] });
}

async function exchange(load: Load, proxy: Proxy | null, ports: Ports): Promise<Figures> {
	const process = client(load, proxy, ports, false);
	const ended = once(process, "close");
	const figures = Figures.parse(JSON.parse(await firstLine(process)));
	await ended;
	return figures;
}

/** The first line that a program prints. Throws when it ends without one. */
export async function firstLine({ stdout }: ChildProcess): Promise<string> {
	if (stdout === null) throw new Error("the program has no output");
	for await (const text of createInterface({ input: stdout })) return text;
	throw new Error("the program ended without a word");
}

/** Each proxy in turn, with so many tunnels through which 32 bytes went and nothing more comes. */
export async function memory(what: string, goal: string, count: number, proxies: readonly Proxy[], ports: Ports): Promise<AgentLine> {
	const cells: { name: string; text: string }[] = [];
	for (const proxy of proxies) {
		const kind = proxy.speaks.includes("http") ? "connect" : "socks";
		const holder = client({ kind, service: "echo", count, atOnce: 32 }, proxy, ports, true);
		const ended = once(holder, "close");
		const { failed } = Figures.parse(JSON.parse(await firstLine(holder)));
		await new Promise((resolve) => setTimeout(resolve, 1000));
		const mebibytes = Math.round(residentBytes(proxy.process.pid ?? 0) / 1024 ** 2);
		cells.push({ name: proxy.name, text: `${mebibytes} MiB${failed > 0 ? ` (${count - failed} tunnels)` : ""}` });
		holder.stdin?.end();
		await ended;
	}
	return line(what, goal, cells);
}

async function permissions(what: string, root: string, against: string | null): Promise<AgentLine> {
	const config = JSON.stringify(agentConfig(1080, "http://127.0.0.1:1"));
	const cells: { name: string; text: string }[] = [];
	for (const revision of against === null ? [null] : [null, against]) {
		const program = join(root, `permission-${cells.length}.py`);
		writeFileSync(program, agentSource(revision));
		const process = spawn(PYTHON, [join(LOAD, "permission.py"), program, config], { stdio: ["ignore", "pipe", "inherit"] });
		const { seen, new: fresh } = z.object({ new: z.number(), seen: z.number() }).parse(JSON.parse(await firstLine(process)));
		cells.push({
			name: revision === null ? "agent" : `agent@${revision}`,
			text: `${seen.toFixed(1)} µs (never seen: ${fresh.toFixed(1)})`,
		});
	}
	return line(what, "≤ 3 µs when seen before", cells);
}
