import { connect } from "node:net";

export interface Load {
	readonly perSecond: number;
	readonly p99Ms: number;
	readonly count: number;
}

/**
 * As many requests for one path as the server answers in `durationMs`, over so many connections that each wait for an answer before
 * they ask again; `lines` are further header lines, with their ends. Sockets and not `fetch`, so that this costs less than what it measures. Throws when an answer is not 200.
 */
export async function load(port: number, path: string, durationMs: number, connections: number, lines = ""): Promise<Load> {
	const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: application/json\r\n${lines}\r\n`;
	const latencies: number[] = [];
	const began = performance.now();
	const ends = began + durationMs;
	await Promise.all(Array.from({ length: connections }, () => client(port, request, ends, latencies)));
	const seconds = (performance.now() - began) / 1000;
	latencies.sort((a, b) => a - b);
	return { count: latencies.length, perSecond: latencies.length / seconds, p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0 };
}

function client(port: number, request: string, ends: number, latencies: number[]): Promise<void> {
	return new Promise((resolve, reject) => {
		const socket = connect(port, "127.0.0.1");
		socket.setNoDelay(true);
		let held = "";
		let sentAt = 0;
		const send = () => {
			sentAt = performance.now();
			socket.write(request);
		};
		socket.setEncoding("latin1");
		socket.once("connect", send);
		socket.once("error", reject);
		socket.once("close", () => reject(new Error("the server closed the connection")));
		socket.on("data", (chunk: string) => {
			held += chunk;
			if (!isWhole(held)) return;
			if (!held.startsWith("HTTP/1.1 200")) {
				socket.destroy();
				return reject(new Error(`the server answered ${held.slice(0, held.indexOf("\r\n"))}`));
			}
			const now = performance.now();
			latencies.push(now - sentAt);
			held = "";
			if (now < ends) return send();
			socket.removeAllListeners("close");
			socket.destroy();
			resolve();
		});
	});
}

/** Whether this is one whole answer: by its length, or by its last chunk. */
function isWhole(text: string): boolean {
	const head = text.indexOf("\r\n\r\n");
	if (head < 0) return false;
	const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))?.[1];
	return length === undefined ? text.endsWith("0\r\n\r\n") : text.length >= head + 4 + Number(length);
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The value below which this share of them lies. */
export function quantile(values: readonly number[], share: number): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
