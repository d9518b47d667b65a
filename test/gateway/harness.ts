import { randomInt } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { Waits } from "../../src/gateway/front.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { type Options, readOptions } from "../../src/gateway/options.ts";
import { digitsOf, hash64 } from "../../src/values/rendezvous.ts";
import { type Agent, listen, readAll, startAgent, startWorker } from "../agent/harness.ts";

export const KEY = "the-admin-key-of-the-tests";

/** What a list says of a proxy; the rest is as of a fleet of one cloud. */
export interface Entry {
	readonly agent: Pick<Agent, "address" | "port" | "url">;
	readonly region?: string;
	readonly country?: string;
	readonly provider?: string;
	readonly instance?: string;
}

/** Muster's side of it, as the gateway meets it: a list with an ETag, what wakes, and what takes reports. The proxies on it are real. */
export interface Muster {
	readonly url: string;
	entries: readonly Entry[];
	/** By host, the addresses that cool down for it. */
	readonly cooling: Map<string, readonly string[]>;
	/** While nothing is ready, when there will be something, by `/random`; null: it knows of nothing. */
	retryAfterSeconds: number | null;
	/** Instead of any answer. */
	status: number;
	/** Instead of the list of all. */
	statusOfAll: number;
	readonly calls: {
		readonly method: string;
		readonly path: string;
		readonly query: string;
		readonly status: number;
		readonly atMs: number;
	}[];
	readonly reports: Record<string, unknown>[];
}

export async function startMuster(entries: readonly Entry[]): Promise<Muster> {
	const muster: Muster = {
		url: "",
		entries,
		cooling: new Map(),
		retryAfterSeconds: null,
		status: 200,
		statusOfAll: 200,
		calls: [],
		reports: [],
	};
	const answer = async (request: IncomingMessage, response: ServerResponse) => {
		const { pathname, search, searchParams } = new URL(request.url ?? "/", "http://muster.test");
		const message = (status: number, body?: unknown, headers: Record<string, string> = {}) => {
			muster.calls.push({ method: request.method ?? "", path: pathname, query: search, status, atMs: performance.now() });
			response.writeHead(status, { "content-type": "application/json", ...headers }).end(body === undefined ? "" : JSON.stringify(body));
		};
		const text = (await readAll(request)).toString();
		if (muster.status !== 200) return message(muster.status);
		if (request.headers["x-auth-key"] !== KEY) return message(401, {});
		if (pathname === "/random") {
			if (searchParams.get("country") === "zz") return message(422, { detail: 'country "zz" is unknown.' });
			const later = muster.retryAfterSeconds;
			return message(muster.entries.length > 0 ? 200 : 404, {}, later === null ? {} : { "retry-after": String(later) });
		}
		if (pathname === "/report") {
			const reports = JSON.parse(text) as Record<string, unknown>[];
			muster.reports.push(...reports);
			const accepted = reports.filter(({ ip }) => muster.entries.some(({ agent }) => agent.address === ip)).length;
			return message(200, { accepted });
		}
		if (pathname !== "/proxies.txt" || searchParams.get("format") !== "json") return message(404, {});
		if (muster.statusOfAll !== 200 && !searchParams.has("host")) return message(muster.statusOfAll);
		const cooling = muster.cooling.get(searchParams.get("host") ?? "") ?? [];
		const proxies = muster.entries.map(listed).filter(({ ip }) => !cooling.includes(ip));
		const tag = `"${digitsOf(hash64(JSON.stringify(proxies)))}"`;
		if (request.headers["if-none-match"] === tag) return message(304, undefined, { etag: tag });
		message(200, proxies, { etag: tag });
	};
	const server = createServer((request, response) => void answer(request, response));
	const port = await listen(server);
	return Object.assign(muster, { url: `http://127.0.0.1:${port}` });
}

function listed({ agent, region = "lon1", country = "GB", provider = "digitalocean", instance = "default" }: Entry) {
	const { address: ip, port, url } = agent;
	return { id: digitsOf(hash64(ip)), ip, port, url, provider, instance, region, country };
}

/** Real agents, and Muster that lists them. */
export async function startFleet(count: number): Promise<{ readonly muster: Muster; readonly agents: readonly Agent[] }> {
	const worker = await startWorker();
	const agents = await Promise.all(Array.from({ length: count }, () => startAgent(worker)));
	return { muster: await startMuster(agents.map((agent) => ({ agent }))), agents };
}

/** A proxy on the list behind which nothing listens. */
export const DEAD: Entry = { agent: { address: "127.78.255.254", port: 8899, url: "http://dead:secret-of-the-dead@127.78.255.254:8899" } };

export interface Started {
	readonly gateway: Gateway;
	readonly port: number;
	readonly log: readonly string[];
	readonly options: Options;
}

/** A gateway in this process on a free port; ends with the test. */
export async function startGateway(
	muster: Pick<Muster, "url">,
	args: readonly string[] = [],
	waits: Partial<Waits> = {},
): Promise<Started> {
	const options = readOptions(["--url", muster.url, "--key", KEY, "--listen", "127.0.0.1:0", ...args], {});
	if (options === null) throw new Error("no options");
	const log: string[] = [];
	const gateway = new Gateway(options, (line) => log.push(line), waits);
	onTestFinished(() => gateway.stop(0));
	return { gateway, port: await gateway.start(), log, options };
}

/** So many ports in a row, below those that the system gives out by itself, on which nothing listens. */
export async function freePorts(count: number): Promise<readonly number[]> {
	for (;;) {
		const first = randomInt(15_000, 32_000);
		const ports = Array.from({ length: count }, (_, index) => first + index);
		const servers = ports.map(() => createTcpServer());
		const areFree = await Promise.all(
			servers.map(
				(server, index) =>
					new Promise<boolean>((done) => server.once("error", () => done(false)).listen(ports[index], "127.0.0.1", () => done(true))),
			),
		);
		await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
		if (areFree.every(Boolean)) return ports;
	}
}

/** A connection to the gateway, which may be half-closed; ends with the test. */
export async function dialPort(port: number): Promise<Socket> {
	const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
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

/** `Proxy-Authorization` of a user name; the password counts only where the gateway has a user of its own. */
export const asUser = (name: string, password = "any"): string =>
	`Proxy-Authorization: Basic ${Buffer.from(`${name}:${password}`).toString("base64")}\r\n`;
