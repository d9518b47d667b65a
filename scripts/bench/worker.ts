import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createTestHarness } from "wrangler";
import { buildAssets } from "../assets.ts";
import { projectPath } from "../wrangler.ts";
import { load as loadBy, median } from "./load.ts";
import { cpuSecondsBelow } from "./processes.ts";

const PROJECT = join(import.meta.dirname, "../..");
const SIZES = [10, 1_000, 10_000];
const ROUNDS = 7;
/** What an isolate has read is good for one second: shorter rounds would read more often than a deployment does. */
const ROUND_MS = 2_000;
const CONNECTIONS = 16;

const PATHS = {
	random: "/random",
	list: "/?limit=10",
	"proxies.txt": "/proxies.txt",
	"random, cache off": "/uncached/random",
	"list, cache off": "/uncached/?limit=10",
} as const;
type Name = keyof typeof PATHS;
const NAMES = Object.keys(PATHS) as Name[];
/** Routes that answer as much, and are held against the same bare one. */
const GROUPS: readonly (readonly [Name, ...Name[]])[] = [["random", "random, cache off"], ["list", "list, cache off"], ["proxies.txt"]];
/** As in `wrangler.toml`: to look at it is part of each request. */
const KEY_LINE = "X-Auth-Key: bench-key-bench-key-bench-key\r\n";

export interface WorkerRow {
	readonly proxies: number;
	readonly route: Name;
	/** Requests per second over those of the bare route just before and just after; the median of the rounds. */
	readonly ratio: number;
	/** CPU time of the runtime for a request over that for one to the bare route, likewise. */
	readonly cpuRatio: number;
	readonly perSecond: number;
	readonly p99Ms: number;
	readonly rowsRead: number;
}

/** What of the Worker is uploaded, gzipped: the sum over its modules. */
export function bundleBytes(): number {
	const directory = bundle();
	return modulesIn(directory).reduce((sum, file) => sum + gzipSync(readFileSync(join(directory, file)), { level: 9 }).length, 0);
}

/** The Worker's routes against a bare one of the same Worker, in one process of workerd. */
export async function benchWorker(print: (text: string) => void): Promise<readonly WorkerRow[]> {
	// It would ask Cloudflare where it is.
	process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
	await buildAssets();
	const harness = createTestHarness({ workers: [{ configPath: join(import.meta.dirname, "wrangler.toml") }] });
	try {
		const { url } = await harness.listen();
		const migrated = await fetch(new URL("/migrate", url), { method: "POST", body: JSON.stringify(statements()) });
		if (!migrated.ok) throw new Error(`the database could not be made: ${await migrated.text()}`);
		const rows: WorkerRow[] = [];
		for (const proxies of SIZES) {
			const filled = await fetch(new URL(`/fill?proxies=${proxies}`, url));
			if (!filled.ok) throw new Error(`the database could not be filled: ${await filled.text()}`);
			rows.push(...(await measure(Number(url.port), proxies, print)));
		}
		return rows;
	} finally {
		await harness.close();
	}
}

async function measure(port: number, proxies: number, print: (text: string) => void): Promise<WorkerRow[]> {
	const bare = (name: Name) => load(port, bareOf(name, proxies), ROUND_MS);
	for (const path of [...NAMES.map((name) => bareOf(name, proxies)), ...Object.values(PATHS)]) await load(port, path, ROUND_MS / 2);
	const rounds = Object.fromEntries(NAMES.map((name) => [name, [] as Round[]])) as Record<Name, Round[]>;
	for (let round = 0; round < ROUNDS; round++) {
		const bares: number[] = [];
		for (const group of GROUPS) {
			// Before and after each route: what else the machine does changes within seconds.
			let before = await bare(group[0]);
			for (const name of group) {
				const { perSecond, p99Ms, cpuMs } = await load(port, PATHS[name], ROUND_MS);
				const after = await bare(group[0]);
				const [bareRate, bareCpuMs] = [(before.perSecond + after.perSecond) / 2, (before.cpuMs + after.cpuMs) / 2];
				rounds[name].push({ ratio: perSecond / bareRate, cpuRatio: cpuMs / bareCpuMs, perSecond, p99Ms });
				bares.push(before.perSecond, after.perSecond);
				before = after;
			}
		}
		print(`${proxies} proxies, round ${round + 1}: bare ${bares.map(Math.round).join(", ")} requests/s`);
	}
	const rowsRead: number[] = [];
	for (const path of ["/random", "/?limit=10", "/proxies.txt"]) {
		const headers = { "X-Auth-Key": KEY_LINE.slice(KEY_LINE.indexOf(" ") + 1).trim() };
		const answer = (await (await fetch(`http://127.0.0.1:${port}/rows${path}`, { headers })).json()) as { read: number };
		rowsRead.push(answer.read);
	}
	return NAMES.map((route) => ({
		proxies,
		route,
		ratio: median(rounds[route].map(({ ratio }) => ratio)),
		cpuRatio: median(rounds[route].map(({ cpuRatio }) => cpuRatio)),
		perSecond: median(rounds[route].map(({ perSecond }) => perSecond)),
		p99Ms: median(rounds[route].map(({ p99Ms }) => p99Ms)),
		rowsRead: rowsRead[GROUPS.findIndex((group) => group.includes(route))] ?? Number.NaN,
	}));
}

type Round = Pick<WorkerRow, "ratio" | "cpuRatio" | "perSecond" | "p99Ms">;

/** With the CPU time that the runtime took for a request. */
async function load(port: number, path: string, durationMs: number) {
	const before = cpuSecondsBelow(process.pid);
	const { perSecond, p99Ms, count } = await loadBy(port, path, durationMs, CONNECTIONS, KEY_LINE);
	return { perSecond, p99Ms, cpuMs: ((cpuSecondsBelow(process.pid) - before) * 1000) / count };
}

/** As wrangler uploads it. */
function bundle(): string {
	const directory = join(PROJECT, "dist", "bench");
	rmSync(directory, { recursive: true, force: true });
	mkdirSync(directory, { recursive: true });
	execFileSync(process.execPath, [join(PROJECT, "node_modules/wrangler/bin/wrangler.js"), "deploy", "--dry-run", "--outdir", directory], {
		cwd: PROJECT,
		stdio: ["ignore", "ignore", "inherit"],
		env: { PATH: projectPath(), HOME: process.env.HOME, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
	});
	return directory;
}

function modulesIn(directory: string): readonly string[] {
	return readdirSync(directory).filter((file) => !file.endsWith(".map") && file !== "README.md");
}

/** The route that answers as much as this one, and does nothing for it. */
function bareOf(name: Name, proxies: number): string {
	if (name === "proxies.txt") return `/bare.txt?proxies=${proxies}`;
	return `/bare?proxies=${name.startsWith("list") ? 10 : 1}`;
}

/** The migrations, as D1 takes them: one by one. */
function statements(): readonly string[] {
	const directory = join(PROJECT, "migrations");
	return readdirSync(directory)
		.sort()
		.flatMap((file) => readFileSync(join(directory, file), "utf8").replaceAll(/--.*$/gm, "").split(";"))
		.map((text) => text.trim())
		.filter((text) => text !== "");
}
