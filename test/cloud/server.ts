import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type Door, refusalOf } from "./callers.ts";
import type { LocalCloud } from "./cloud.ts";

/** Larger than any request to a cloud that makes sense. */
const MAX_BODY_BYTES = 1024 * 1024;

/** A GET may change things (EC2's actions), so that not even a link from another site leads here. */
const DOOR: Door = { hosts: [], origins: [], admitsLinks: false };

/** A certificate and its key, in PEM: some clouds' clients send their tokens over TLS alone. */
export interface Tls {
	readonly cert: string;
	readonly key: string;
}

/** Serves a local cloud on 127.0.0.1; rejects when the port is in use. Port 0: any free one. */
export function serve(
	cloud: LocalCloud,
	port: number,
	tls: Tls | null = null,
): Promise<{ readonly server: Server; readonly port: number }> {
	const scheme = tls === null ? "http" : "https";
	const listener: RequestListener = (incoming, outgoing) => {
		answer(cloud, scheme, incoming, outgoing).catch((error: unknown) => {
			console.error(`local cloud: ${incoming.method} ${incoming.url}:`, error);
			if (outgoing.headersSent) outgoing.destroy();
			else outgoing.writeHead(500, { "content-type": "text/plain" }).end("The local cloud has a fault; its output says which.\n");
		});
	};
	const server = tls === null ? createServer(listener) : createTlsServer({ ...tls }, listener);
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", () => {
			const address = server.address();
			resolve({ server, port: typeof address === "object" && address ? address.port : port });
		});
	});
}

async function answer(cloud: LocalCloud, scheme: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
	const headers = new Headers();
	for (const [name, value] of Object.entries(incoming.headers)) if (value !== undefined) headers.set(name, String(value));
	const refusal = refusalOf(incoming.method ?? "GET", headers, DOOR);
	if (refusal !== null) {
		outgoing.writeHead(403, { "content-type": "text/plain; charset=utf-8", connection: "close" }).end(`${refusal}\n`);
		return;
	}
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of incoming as AsyncIterable<Buffer>) {
		length += chunk.length;
		if (length > MAX_BODY_BYTES) {
			outgoing.writeHead(413, { connection: "close" }).end();
			return;
		}
		chunks.push(chunk);
	}
	const method = incoming.method ?? "GET";
	const request = new Request(`${scheme}://${incoming.headers.host ?? "localhost"}${incoming.url}`, {
		method,
		headers,
		...(length > 0 && method !== "GET" && method !== "HEAD" ? { body: Buffer.concat(chunks) } : {}),
	});
	const response = await cloud.fetch(request, incoming.socket.remoteAddress ?? "");
	let body: ArrayBuffer;
	try {
		body = await response.arrayBuffer();
	} catch {
		// A dropped answer: the caller shall see its connection break, and no status.
		incoming.socket.destroy();
		return;
	}
	outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(Buffer.from(body));
}
