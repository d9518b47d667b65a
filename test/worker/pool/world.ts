/**
 * What the pools of these tests see of the world, in Node: the local cloud at `http://cloud.test`, and at `http://agents.test`
 * agents that answer probes on real sockets. Everything else is unreachable.
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

const cloud = new LocalCloud({ machines: idleMachines(), bootMs: 0 });
const agents = new Map<string, { server: Server; keyHash: string; active: number; isSilent: boolean }>();

/** miniflare's `outboundService`: every fetch of the Worker under test ends here. */
export async function world(incoming: Incoming): Promise<MiniflareResponse> {
	const url = new URL(incoming.url);
	const text = await incoming.text();
	if (url.host === "agents.test") return agent(url, incoming.method, text);
	if (url.host === "bought.test") return bought(url, incoming.method, text);
	if (url.host === "lists.test") return list(url, incoming.method, text);
	if (url.host === "names.test") return setName(url.pathname.slice(1), text);
	if (url.host === "cloudflare-dns.com") return answerName(url);
	if (url.host !== "cloud.test") return new MiniflareResponse(`nothing is at ${url.host}`, { status: 599 });
	const body = incoming.method === "GET" || incoming.method === "HEAD" ? {} : { body: text };
	const answer = await cloud.fetch(new Request(incoming.url, { method: incoming.method, headers: [...incoming.headers], ...body }));
	const headers = [...answer.headers] as [string, string][];
	return new MiniflareResponse(answer.status === 204 ? null : await answer.text(), { status: answer.status, headers });
}

/** Records by host name; null: the resolver fails. */
const names = new Map<string, readonly { readonly type: number; readonly data: string }[] | null>();

/** `PUT http://names.test/<name>`, a list of records or null. */
function setName(name: string, text: string): MiniflareResponse {
	names.set(name, JSON.parse(text));
	return new MiniflareResponse(null, { status: 204 });
}

/** DNS over HTTPS in JSON, as Cloudflare's resolver answers it. */
function answerName(url: URL): MiniflareResponse {
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
async function agent(url: URL, method: string, text: string): Promise<MiniflareResponse> {
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
		const server = createServer((socket) => answerProbe(socket, address));
		await new Promise<void>((resolve, reject) => server.once("error", reject).listen(8899, address, resolve));
		server.unref();
		agents.set(address, { server, ...state });
	}
	return new MiniflareResponse(null, { status: 204 });
}

function answerProbe(socket: Socket, address: string): void {
	socket.on("error", () => socket.destroy());
	socket.once("data", (data) => {
		const state = agents.get(address);
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

/** Of each bought proxy, by address and port: pages that were fetched through it, and ways that it opened through which nothing came. */
const asked = new Map<string, { pages: number; knocks: number }>();

/** `PUT /<address>` `{port, login}` starts a proxy there as others sell them: HTTP and SOCKS5 on one port, for one user alone. `GET /<address>:<port>`: what it was asked for. */
async function bought(url: URL, method: string, text: string): Promise<MiniflareResponse> {
	if (method === "GET") return MiniflareResponse.json(asked.get(url.pathname.slice(1)) ?? null);
	const { port, login } = JSON.parse(text) as { port: number; login: string };
	const counts = { pages: 0, knocks: 0 };
	asked.set(`${url.pathname.slice(1)}:${port}`, counts);
	const server = createServer((socket) => sell(socket, login, counts));
	await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, url.pathname.slice(1), resolve));
	server.unref();
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

/** Lists of proxies as others publish them: `PUT https://lists.test/<name>` sets one, null takes it away. */
const lists = new Map<string, string>();

function list(url: URL, method: string, text: string): MiniflareResponse {
	if (method === "PUT") lists.set(url.pathname, text);
	const known = lists.get(url.pathname);
	return known === undefined ? new MiniflareResponse("gone", { status: 404 }) : new MiniflareResponse(known);
}
