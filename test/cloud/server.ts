import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Door, refusalOf } from "./callers.ts";
import type { LocalCloud } from "./cloud.ts";

/** Larger than any request to a cloud that makes sense. */
const MAX_BODY_BYTES = 1024 * 1024;

/** A GET may change things (EC2's actions), so that not even a link from another site leads here. */
const DOOR: Door = { hosts: [], origins: [], admitsLinks: false };

/** Serves a local cloud on 127.0.0.1; rejects when the port is in use. Port 0: any free one. */
export function serve(cloud: LocalCloud, port: number): Promise<{ readonly server: Server; readonly port: number }> {
	const server = createServer((incoming, outgoing) => {
		answer(cloud, incoming, outgoing).catch((error: unknown) => {
			console.error(`local cloud: ${incoming.method} ${incoming.url}:`, error);
			if (outgoing.headersSent) outgoing.destroy();
			else outgoing.writeHead(500, { "content-type": "text/plain" }).end("The local cloud has a fault; its output says which.\n");
		});
	});
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", () => {
			const address = server.address();
			resolve({ server, port: typeof address === "object" && address ? address.port : port });
		});
	});
}

async function answer(cloud: LocalCloud, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
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
	const request = new Request(`http://${incoming.headers.host ?? "localhost"}${incoming.url}`, {
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
