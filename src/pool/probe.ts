import { connect } from "cloudflare:sockets";
import { AGENT_PORT, PROBE_HOST, ProbeBody } from "../agent/protocol.ts";
import type { Credentials, Verdict } from "../core/model/state.ts";

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
	const nonce = newNonce();
	const question = requestText(`http://${PROBE_HOST}/${nonce}`, PROBE_HOST, target.credentials);
	return asked(target.address, AGENT_PORT, question, (body) => judgeBody(body, nonce, target.keyHash));
}

/**
 * Asks a proxy that no agent of ours serves for our own `/probe` page: who gets the nonce back has come through it, with its credentials.
 * In plain HTTP, since nothing of it is secret and a proxy fetches nothing else for an absolute-form request. Never throws.
 */
export async function probePlainly(target: {
	address: string;
	port: number;
	credentials: Credentials | null;
	agentUrl: string | null;
}): Promise<Verdict> {
	const host = target.agentUrl === null ? undefined : URL.parse(target.agentUrl)?.host;
	// Nothing is wrong with the proxy: we do not know ourselves what to ask it for.
	if (host === undefined) return { is: "egress" };
	const nonce = newNonce();
	const question = requestText(`http://${host}/probe?nonce=${nonce}`, host, target.credentials);
	return asked(target.address, target.port, question, (body) => (body.trim() === nonce ? { is: "ok", active: null } : { is: "impostor" }));
}

function newNonce(): string {
	return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function asked(
	hostname: string,
	port: number,
	question: string,
	judge: (body: string) => Verdict | Promise<Verdict>,
): Promise<Verdict> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<Verdict>((resolve) => {
		timer = setTimeout(() => resolve({ is: "silent" }), PROBE_DEADLINE_MS);
	});
	let socket: Socket | undefined;
	try {
		socket = connect({ hostname: hostname.includes(":") ? `[${hostname}]` : hostname, port });
		// Its own rejection is that of the reads and writes below.
		socket.closed.catch(() => undefined);
		return await Promise.race([exchange(socket, question, judge), late]);
	} catch {
		return { is: "refused" };
	} finally {
		clearTimeout(timer);
		socket?.close().catch(() => undefined);
	}
}

async function exchange(socket: Socket, question: string, judge: (body: string) => Verdict | Promise<Verdict>): Promise<Verdict> {
	await socket.opened;
	const writer = socket.writable.getWriter();
	await writer.write(new TextEncoder().encode(question));
	const text = await readAll(socket.readable);
	const status = /^HTTP\/1\.[01] (\d{3}) /.exec(text)?.[1];
	if (status === "407") return { is: "credentials" };
	if (status === "502") return { is: "egress" };
	if (status !== "200") return { is: "silent" };
	return judge(text.slice(text.indexOf("\r\n\r\n") + 4));
}

function requestText(url: string, host: string, credentials: Credentials | null): string {
	const bytes = credentials === null ? null : new TextEncoder().encode(`${credentials.username}:${credentials.password}`);
	const authorization = bytes === null ? "" : `Proxy-Authorization: Basic ${btoa(String.fromCharCode(...bytes))}\r\n`;
	return `GET ${url} HTTP/1.1\r\nHost: ${host}\r\n${authorization}Connection: close\r\n\r\n`;
}

async function readAll(readable: ReadableStream<Uint8Array>): Promise<string> {
	const decoder = new TextDecoder();
	let text = "";
	for await (const chunk of readable) {
		text += decoder.decode(chunk, { stream: true });
		if (text.length >= MAX_ANSWER_BYTES) break;
	}
	return text;
}

async function judgeBody(body: string, nonce: string, keyHash: string): Promise<Verdict> {
	let parsed: unknown;
	try {
		parsed = JSON.parse(body);
	} catch {
		return { is: "impostor" };
	}
	const answer = ProbeBody.safeParse(parsed);
	if (!answer.success) return { is: "impostor" };
	const encoder = new TextEncoder();
	const key = await crypto.subtle.importKey("raw", encoder.encode(keyHash), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
	const proof = Uint8Array.from(answer.data.proof.match(/../g) ?? [], (hex) => Number.parseInt(hex, 16));
	const isProven = await crypto.subtle.verify("HMAC", key, proof, encoder.encode(nonce));
	return isProven ? { is: "ok", active: answer.data.active } : { is: "impostor" };
}
