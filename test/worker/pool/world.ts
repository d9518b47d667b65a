/**
 * What the pools of one file's tests see of the world, in Node: a local cloud at `http://cloud.test`, and at `http://agents.test`
 * agents that answer probes on real sockets. Everything else is unreachable. Each file has a world of its own, so that several run at once
 * and one file's faults strike no other's pool.
 */
import { createHmac } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { Response as MiniflareResponse } from "miniflare";
import { LocalCloud } from "../../cloud/cloud.ts";
import { idleMachines } from "../../cloud/machines.ts";

interface Incoming {
	readonly url: string;
	readonly method: string;
	readonly headers: Iterable<[string, string]>;
	text(): Promise<string>;
}

/** miniflare's `outboundService` for one file: every fetch of the Worker under test ends there. */
export function newWorld(): (incoming: Incoming) => Promise<MiniflareResponse> {
	const cloud = new LocalCloud({ machines: idleMachines(), bootMs: 0 });
	const world: World = { agents: new Map(), names: new Map(), bought: new Map(), lists: new Map() };
	return async (incoming) => {
		const url = new URL(incoming.url);
		const text = await incoming.text();
		if (url.host === "agents.test") return agent(world, url, incoming.method, text);
		if (url.host === "bought.test") return bought(world, url, incoming.method, text);
		if (url.host === "lists.test") return list(world, url, incoming.method, text);
		if (url.host === "names.test") return setName(world, url.pathname.slice(1), text);
		if (url.host === "cloudflare-dns.com") return answerName(world, url);
		if (url.host !== "cloud.test") return new MiniflareResponse(`nothing is at ${url.host}`, { status: 599 });
		const body = incoming.method === "GET" || incoming.method === "HEAD" ? {} : { body: text };
		const answer = await cloud.fetch(new Request(incoming.url, { method: incoming.method, headers: [...incoming.headers], ...body }));
		const headers = [...answer.headers] as [string, string][];
		return new MiniflareResponse(answer.status === 204 ? null : await answer.text(), { status: answer.status, headers });
	};
}

interface World {
	readonly agents: Map<string, { server: Server; keyHash: string; active: number; isSilent: boolean }>;
	/** Records by host name; null: the resolver fails. */
	readonly names: Map<string, readonly { readonly type: number; readonly data: string }[] | null>;
	/** Of each bought proxy, by address and port: pages that were fetched through it, and ways that it opened through which nothing came. */
	readonly bought: Map<string, { server: Server; pages: number; knocks: number }>;
	/** Lists of proxies as others publish them, by path. */
	readonly lists: Map<string, string>;
}

/** `PUT http://names.test/<name>`, a list of records or null. */
function setName({ names }: World, name: string, text: string): MiniflareResponse {
	names.set(name, JSON.parse(text));
	return new MiniflareResponse(null, { status: 204 });
}

/** DNS over HTTPS in JSON, as Cloudflare's resolver answers it. */
function answerName({ names }: World, url: URL): MiniflareResponse {
	const [name, type] = [url.searchParams.get("name") ?? "", { A: 1, AAAA: 28 }[url.searchParams.get("type") ?? ""]];
	const records = names.get(name);
	if (records === null) return new MiniflareResponse("down", { status: 502 });
	const question = [{ name, type }];
	if (records === undefined) return MiniflareResponse.json({ Status: 3, TC: false, Question: question });
	// An alias comes before what it leads to.
	const alias = { name, type: 5, TTL: 60, data: "alias.example.com." };
	const answers = records.filter((record) => record.type === type).map((record) => ({ name, TTL: 60, ...record }));
	return MiniflareResponse.json({ Status: 0, TC: false, Question: question, ...(answers.length > 0 && { Answer: [alias, ...answers] }) });
}

/** `PUT /<address>` `{keyHash, active?, isSilent?}` makes or changes an agent there, `DELETE /<address>` ends it. */
async function agent({ agents }: World, url: URL, method: string, text: string): Promise<MiniflareResponse> {
	const address = url.pathname.slice(1);
	const known = agents.get(address);
	if (method === "DELETE") {
		known?.server.close();
		agents.delete(address);
		return new MiniflareResponse(null, { status: 204 });
	}
	const wish = JSON.parse(text) as { keyHash: string; active?: number; isSilent?: boolean };
	const state = { keyHash: wish.keyHash, active: wish.active ?? 0, isSilent: wish.isSilent ?? false };
	if (known) Object.assign(known, state);
	else {
		const server = createServer((socket) => answerProbe(socket, () => agents.get(address)));
		await listen(server, 8899, address);
		agents.set(address, { server, ...state });
	}
	return new MiniflareResponse(null, { status: 204 });
}

async function listen(server: Server, port: number, address: string): Promise<void> {
	await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, address, resolve));
	server.unref();
}

function answerProbe(socket: Socket, agentNow: () => { keyHash: string; active: number; isSilent: boolean } | undefined): void {
	socket.on("error", () => socket.destroy());
	socket.once("data", (data) => {
		const state = agentNow();
		const nonce = /^GET http:\/\/probe\.muster\/([0-9a-f]{32}) HTTP\/1\.1\r\n/.exec(data.toString("latin1"))?.[1];
		// What a proxy that others run brings back for an absolute-form request.
		const asked = /^GET http:\/\/muster\.test\/probe\?nonce=([0-9a-f]{32}) HTTP\/1\.1\r\n/.exec(data.toString("latin1"))?.[1];
		if (asked !== undefined && state?.isSilent === false) return socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${asked}`);
		if (state === undefined || nonce === undefined || state.isSilent) return socket.destroy();
		const proof = createHmac("sha256", state.keyHash).update(nonce).digest("hex");
		const body = JSON.stringify({ proof, active: state.active });
		return socket.end(
			`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
		);
	});
}

/** `PUT /<address>` `{port, login}` starts a proxy there as others sell them: HTTP and SOCKS5 on one port, for one user alone. `GET /<address>:<port>`: what it was asked for. */
async function bought({ bought }: World, url: URL, method: string, text: string): Promise<MiniflareResponse> {
	const at = url.pathname.slice(1);
	if (method === "GET") {
		const { pages, knocks } = bought.get(at) ?? { pages: 0, knocks: 0 };
		return MiniflareResponse.json({ pages, knocks });
	}
	const { port, login } = JSON.parse(text) as { port: number; login: string };
	const counts = { pages: 0, knocks: 0 };
	const server = createServer((socket) => sell(socket, login, counts));
	// A test that is tried again starts it again.
	bought.get(`${at}:${port}`)?.server.close();
	await listen(server, port, at);
	bought.set(`${at}:${port}`, Object.assign(counts, { server }));
	return new MiniflareResponse(null, { status: 204 });
}

/** What it brings back is our own page, whichever way it is asked. */
function sell(socket: Socket, login: string, counts: { pages: number; knocks: number }): void {
	const [username = "", password = ""] = login.split(":");
	const answer = (text: string) => {
		const nonce = /\/probe\?nonce=([0-9a-f]{32}) HTTP/.exec(text)?.[1] ?? "";
		counts.pages++;
		socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${nonce}`);
	};
	let step: "hello" | "login" | "connect" | "request" = "hello";
	socket.on("error", () => socket.destroy());
	socket.on("data", (data) => {
		if (step === "hello" && data[0] !== 5) {
			const isKnown = data.toString("latin1").includes(`Proxy-Authorization: Basic ${Buffer.from(login).toString("base64")}\r\n`);
			if (isKnown && data.toString("latin1").startsWith("CONNECT muster.test:443 ")) {
				counts.knocks++;
				// It waits for what its client would send.
				socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
			} else if (isKnown) answer(data.toString("latin1"));
			else socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nConnection: close\r\n\r\n");
		} else if (step === "hello") {
			step = "login";
			socket.write(Uint8Array.of(5, data.includes(2, 2) ? 2 : 0xff));
		} else if (step === "login") {
			const expected = Buffer.of(1, username.length, ...Buffer.from(username), password.length, ...Buffer.from(password));
			step = "connect";
			socket.write(Uint8Array.of(1, data.equals(expected) ? 0 : 1));
		} else if (step === "connect") {
			step = "request";
			if (data.at(-1) === 187) counts.knocks++;
			const wanted = Buffer.of(5, 1, 0, 3, 11, ...Buffer.from("muster.test"), 1, 187);
			socket.write(
				Uint8Array.of(5, data.equals(wanted) || data.equals(Buffer.of(...wanted.subarray(0, 16), 0, 80)) ? 0 : 4, 0, 1, 0, 0, 0, 0, 0, 0),
			);
		} else answer(data.toString("latin1"));
	});
}

/** `PUT https://lists.test/<name>` sets a list. */
function list({ lists }: World, url: URL, method: string, text: string): MiniflareResponse {
	if (method === "PUT") lists.set(url.pathname, text);
	const known = lists.get(url.pathname);
	return known === undefined ? new MiniflareResponse("gone", { status: 404 }) : new MiniflareResponse(known);
}
