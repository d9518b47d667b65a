import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digitsOf, hash64 } from "../../src/values/rendezvous.ts";
import { buildAssets } from "../assets.ts";
import { type AgentLine, type AgentOptions, BULK, cpuText, firstLine, LOAD, measure, memory, Ports, type Row, SHORT } from "./agent.ts";
import { freePort } from "./patch.ts";
import { listening, type Proxy, PYTHON, run, startAgent, startWorker } from "./rivals.ts";

const PROXY_CHAIN = "proxy-chain@3.0.1";
const GATEWAY = join(import.meta.dirname, "../../dist/assets/gateway.mjs");
const IDLE_TUNNELS = 5000;

const BESIDE = { text: cpuText, figure: SHORT.figure, rounds: 4, count: 3000, atOnce: 32 } as const;
/** More than VMs of the sizes that one takes for a proxy have. */
const LINK = { bytesPerSecond: 2.5e9 / 8 } as const;
const ROWS: readonly Row[] = [
	{ ...BESIDE, what: "GET, kept connection, per 10,000", goal: "", kind: "get", service: "http", perConnection: 1000 },
	{ ...BESIDE, what: "GET, new connection, per 10,000", goal: "", kind: "get", service: "http" },
	{ ...BESIDE, what: "new CONNECT + 32 bytes, per 10,000", goal: "", kind: "connect", service: "echo" },
	{ ...BULK, what: "bulk, 1 stream, per GB", goal: "", count: 1, atOnce: 1, bulkBytes: 768e6 },
	{ ...BULK, what: "bulk, 16 streams, per GB", goal: "", count: 16, atOnce: 16, bulkBytes: 48e6 },
	{ ...BULK, ...LINK, what: "bulk over 2.5 Gbit/s, 1 stream, per GB", goal: "", count: 1, atOnce: 1, bulkBytes: 320e6 },
	{ ...BULK, ...LINK, what: "bulk over 2.5 Gbit/s, 16 streams, per GB", goal: "", count: 16, atOnce: 16, bulkBytes: 20e6 },
];

/**
 * The gateway as it is served, in front of one agent; beside it the agent alone, and proxy-chain in the gateway's place, all in turns under the same
 * load. CPU seconds are those of the gateway (or proxy-chain, or the agent) alone. Without a link's bound the four programs share the machine's
 * processors, and the agent, which hands data on without a copy, is as fast as memory: what copies, as Node must, then halves it. proxy-chain comes from npm into a folder that goes again.
 */
export async function benchGateway({ rows, print }: Pick<AgentOptions, "rows" | "print">): Promise<AgentLine[]> {
	// What came before changes what a process holds, so that several may be asked for.
	const isAsked = (what: string) => rows.split("|").some((part) => what.includes(part));
	const root = mkdtempSync(join(tmpdir(), "muster-bench-gateway-"));
	const started: Proxy[] = [];
	const origin = spawn(PYTHON, [join(LOAD, "origin.py")], { stdio: ["pipe", "pipe", "inherit"] });
	const [worker, url] = await startWorker();
	let list: Server | null = null;
	try {
		const ports = Ports.parse(JSON.parse(await firstLine(origin)));
		await startAgent(root, null, url, started);
		const [agent] = started;
		if (agent === undefined) throw new Error("the agent did not start");
		const proxyUrl = `http://${agent.login}@${agent.host}:${agent.port}`;
		list = await serveList(agent, proxyUrl);
		const gateway = await startGateway(list, started);
		const rival = await startProxyChain(root, proxyUrl, started);
		const lines: AgentLine[] = [];
		for (const row of ROWS.filter(({ what }) => isAsked(what))) {
			const measured = await measure(row, [gateway, rival, agent], ports, print, "gateway");
			lines.push(...withGoals(measured, row));
		}
		const what = `resident, ${IDLE_TUNNELS.toLocaleString("en")} idle tunnels`;
		if (isAsked(what)) lines.push(await memory(what, "≤ 143 MiB (150 MB)", IDLE_TUNNELS, [gateway, rival], ports));
		return lines;
	} finally {
		for (const { process } of started) process.kill("SIGKILL");
		origin.stdin.end();
		worker.close();
		list?.close();
		list?.closeAllConnections();
		rmSync(root, { recursive: true, force: true });
	}
}

/** The goals are of rates: the second line of each row. */
function withGoals([cpu, rate]: readonly AgentLine[], row: Row): AgentLine[] {
	const goal = row.bulkBytes ? "≥ 0.8 × agent alone" : "≥ 1.5 × proxy-chain";
	return [...(cpu ? [cpu] : []), ...(rate ? [{ ...rate, goal }] : [])];
}

/** As Muster lists one proxy. */
async function serveList({ host, port }: Proxy, url: string): Promise<Server> {
	const one = {
		id: digitsOf(hash64(host)),
		ip: host,
		port,
		url,
		provider: "digitalocean",
		instance: "default",
		region: null,
		country: null,
	};
	const server = createServer((_, response) => response.setHeader("content-type", "application/json").end(JSON.stringify([one])));
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	return server;
}

async function startGateway(list: Server, started: Proxy[]): Promise<Proxy> {
	await buildAssets();
	const address = list.address();
	const listPort = typeof address === "object" && address !== null ? address.port : 0;
	const port = await freePort();
	const command = [process.execPath, GATEWAY, "--url", `http://127.0.0.1:${listPort}`, "--listen", `127.0.0.1:${port}`];
	return await add({ name: "gateway", process: run(command, "ignore", { MUSTER_KEY: "key" }), port }, started);
}

async function startProxyChain(root: string, upstreamProxyUrl: string, started: Proxy[]): Promise<Proxy> {
	const directory = join(root, "proxy-chain");
	mkdirSync(directory);
	writeFileSync(join(directory, "package.json"), "{}");
	execFileSync("npm", ["install", "--silent", "--no-audit", "--no-fund", PROXY_CHAIN], { cwd: directory, stdio: "ignore" });
	const port = await freePort();
	const program = `import { Server } from "proxy-chain";
await new Server({ host: "127.0.0.1", port: ${port}, prepareRequestFunction: () => ({ upstreamProxyUrl: ${JSON.stringify(upstreamProxyUrl)} }) }).listen();
`;
	writeFileSync(join(directory, "server.mjs"), program);
	return await add({ name: "proxy-chain", process: run([process.execPath, join(directory, "server.mjs")], "ignore"), port }, started);
}

async function add(proxy: Pick<Proxy, "name" | "process" | "port">, started: Proxy[]): Promise<Proxy> {
	const whole: Proxy = { ...proxy, host: "127.0.0.1", login: null, speaks: ["http"] };
	started.push(whole);
	await listening(whole);
	return whole;
}
