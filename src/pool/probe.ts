import { connect } from "cloudflare:sockets";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { AGENT_PORT, PROBE_HOST, ProbeBody } from "../agent/protocol.ts";
import { credentialsOfVersion } from "../core/model/credentials.ts";
import type { Credentials, State, Verdict } from "../core/model/state.ts";
import { EXIT_HEADER, type Fetched } from "../rpc/pool.ts";
import type { Scheme } from "../values/access.ts";
import { type Login, Stream, throughSocks } from "./socks.ts";

/** A proxy that has not answered by then is silent (milliseconds, from the connection's start). */
const PROBE_DEADLINE_MS = 3_000;
/** An honest answer is some 250 bytes. */
const MAX_ANSWER_BYTES = 4_096;

/**
 * Asks a proxy, as a client would, for a page that only its agent can answer: one TCP connection, an absolute-form GET with the proxy's
 * credentials. A right answer proves the port, the credentials, the VM's key and that it can reach us. Never throws.
 *
 * `keyHash` is the SHA-256 (hex) of the VM's key.
 */
export async function probe(target: { address: string; keyHash: string; credentials: Credentials | null }): Promise<Verdict> {
	const nonce = randomBytes(16).toString("hex");
	const question = requestText(`http://${PROBE_HOST}/${nonce}`, PROBE_HOST, target.credentials);
	return asked(target.address, AGENT_PORT, (stream) => exchange(stream, question, (body) => judgeBody(body, nonce, target.keyHash)));
}

/**
 * Asks a proxy that no agent of ours serves for our own `/probe` page: who gets the nonce back has come through it, with its credentials.
 * In plain HTTP, since nothing of it is secret and a proxy fetches nothing else for an absolute-form request. Never throws.
 */
export async function probePlainly(
	target: { address: string; port: number; scheme?: Scheme; credentials: Login | null; agentUrl: string | null },
	see: (head: string) => void = () => {},
): Promise<Verdict> {
	const url = target.agentUrl === null ? null : URL.parse(target.agentUrl);
	// Nothing is wrong with the proxy: we do not know ourselves what to ask it for.
	if (url === null) return { is: "egress" };
	const { host, hostname, port } = url;
	const nonce = randomBytes(16).toString("hex");
	const path = `/probe?nonce=${nonce}`;
	const judge: Judge = (body, head) => {
		see(head);
		return body.trim() === nonce ? { is: "ok", active: null } : { is: "impostor" };
	};
	const { address, credentials } = target;
	return asked(address, target.port, async (stream) => {
		if (target.scheme !== "socks5") return exchange(stream, requestText(`http://${host}${path}`, host, credentials), judge);
		const refused = await throughSocks(stream, { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || 80 }, credentials);
		return refused ?? exchange(stream, requestText(path, host, null), judge);
	});
}

/**
 * Whether a proxy opens a way to us, with its credentials, through which nothing is sent: that costs no request of the Worker, which a page does. Some
 * proxies refuse CONNECT and are good nevertheless. Never throws.
 */
export async function knock({ address, port, scheme, credentials, agentUrl }: Parameters<typeof probePlainly>[0]): Promise<boolean> {
	const url = agentUrl === null ? null : URL.parse(agentUrl);
	if (url === null) return false;
	const to = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) || (url.protocol === "https:" ? 443 : 80) };
	const talk = async (stream: Stream): Promise<Verdict> => {
		if (scheme === "socks5") return (await throughSocks(stream, to, credentials)) ?? { is: "ok", active: null };
		const place = `${url.hostname}:${to.port}`;
		await stream.send(new TextEncoder().encode(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${authorizationOf(credentials)}\r\n`));
		return /^HTTP\/1\.[01] 200 /.test(await stream.line(MAX_ANSWER_BYTES)) ? { is: "ok", active: null } : { is: "silent" };
	};
	return (await asked(address, port, talk)).is === "ok";
}

/** Fetches our own `/probe` page through the pool's proxy at that address; null: it has none there. Never throws. */
export async function fetchThroughOne(state: State, address: string): Promise<Fetched | null> {
	const proxy = [...state.proxies.values()].find((one) => one.address === address);
	if (proxy === undefined) return null;
	const credentials = credentialsOfVersion(state, proxy.credentials);
	return fetchThrough({ address, port: AGENT_PORT, credentials, agentUrl: state.agentUrl });
}

/** As a client of it would; tells how long that took and where it came out. */
async function fetchThrough(target: Parameters<typeof probePlainly>[0]): Promise<Fetched> {
	const startedAt = Date.now();
	let exit: string | null = null;
	const verdict = await probePlainly(target, (head) => {
		exit = new RegExp(`^${EXIT_HEADER}: *(\\S+)`, "im").exec(head)?.[1] ?? null;
	});
	return { verdict: verdict.is, ms: Date.now() - startedAt, exit };
}

type Judge = (body: string, head: string) => Verdict;

async function asked(hostname: string, port: number, talk: (stream: Stream) => Promise<Verdict>): Promise<Verdict> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<Verdict>((resolve) => {
		timer = setTimeout(() => resolve({ is: "silent" }), PROBE_DEADLINE_MS);
	});
	let socket: Socket | undefined;
	try {
		socket = connect({ hostname: hostname.includes(":") ? `[${hostname}]` : hostname, port });
		// Its own rejection is that of the reads and writes below.
		socket.closed.catch(() => undefined);
		return await Promise.race([opened(socket).then(talk), late]);
	} catch {
		return { is: "refused" };
	} finally {
		clearTimeout(timer);
		socket?.close().catch(() => undefined);
	}
}

async function opened(socket: Socket): Promise<Stream> {
	await socket.opened;
	return new Stream(socket);
}

async function exchange(stream: Stream, question: string, judge: Judge): Promise<Verdict> {
	await stream.send(new TextEncoder().encode(question));
	const text = await stream.rest(MAX_ANSWER_BYTES);
	const status = /^HTTP\/1\.[01] (\d{3}) /.exec(text)?.[1];
	if (status === "407") return { is: "credentials" };
	if (status === "502") return { is: "egress" };
	if (status !== "200") return { is: "silent" };
	const end = text.indexOf("\r\n\r\n");
	return judge(text.slice(end + 4), text.slice(0, end));
}

function requestText(url: string, host: string, credentials: Login | null): string {
	return `GET ${url} HTTP/1.1\r\nHost: ${host}\r\n${authorizationOf(credentials)}Connection: close\r\n\r\n`;
}

function authorizationOf(credentials: Login | null): string {
	if (credentials === null) return "";
	return `Proxy-Authorization: Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}\r\n`;
}

function judgeBody(body: string, nonce: string, keyHash: string): Verdict {
	let parsed: unknown;
	try {
		parsed = JSON.parse(body);
	} catch {
		return { is: "impostor" };
	}
	const answer = ProbeBody.safeParse(parsed);
	if (!answer.success) return { is: "impostor" };
	const expected = createHmac("sha256", keyHash).update(nonce).digest();
	const proof = Buffer.from(answer.data.proof, "hex");
	const isProven = proof.length === expected.length && timingSafeEqual(proof, expected);
	return isProven ? { is: "ok", active: answer.data.active } : { is: "impostor" };
}
