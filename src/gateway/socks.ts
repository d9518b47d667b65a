import type { Socket } from "node:net";
import type { Front } from "./front.ts";
import { relay } from "./relay.ts";
import { openTunnel } from "./tunnel.ts";
import type { Choice } from "./user.ts";
import { Want } from "./want.ts";

const MAX_BYTES = 1024;
const LINGER_MS = 2_000;
const REPLIES: Readonly<Record<string, number>> = {
	connection_refused: 5,
	connection_timeout: 4,
	dns_error: 4,
	dns_timeout: 4,
	destination_not_found: 2,
	destination_ip_prohibited: 2,
	destination_ip_unroutable: 3,
	destination_unavailable: 3,
};

/** SOCKS5 (RFC 1928, RFC 1929): CONNECT, by name or address. Its first bytes are in `early`. */
export function serveSocks(gateway: Front, socket: Socket, early: Buffer, fallback: Choice): void {
	let data = early;
	let step: "methods" | "login" | "request" | "over" = "methods";
	let choice: Choice | null = gateway.access.isOpen ? fallback : null;
	const want = new Want();
	// Of the whole, and not between its bytes: what comes one by one must not hold the connection.
	let deadline = setTimeout(() => socket.destroy(), gateway.waits.headMs);

	const refuse = (bytes: readonly number[]) => {
		step = "over";
		gateway.stats.refused++;
		clearTimeout(deadline);
		deadline = setTimeout(() => socket.destroy(), LINGER_MS);
		// Its end is only heard by whoever reads.
		socket.resume();
		socket.end(Buffer.from(bytes));
	};
	const reply = (code: number): true => {
		refuse([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
		return true;
	};

	/** Uses up what has come of the next message; false: more is needed. */
	const advance = (): boolean => {
		if (step === "methods") {
			const length = 2 + (data[1] ?? Number.POSITIVE_INFINITY);
			if (data.length < length) return false;
			const offered = data.subarray(2, length);
			data = data.subarray(length);
			// One that can say a name is asked for it, since a name chooses.
			if (offered.includes(2)) [step] = ["login", socket.write(Buffer.from([5, 2]))];
			else if (offered.includes(0) && choice !== null) [step] = ["request", socket.write(Buffer.from([5, 0]))];
			else refuse([5, 255]);
			return true;
		}
		if (step === "login") {
			const nameEnd = 2 + (data[1] ?? Number.POSITIVE_INFINITY);
			const end = nameEnd + 1 + (data[nameEnd] ?? Number.POSITIVE_INFINITY);
			if (data.length < end) return false;
			if (data[0] !== 1) refuse([1, 1]);
			else {
				try {
					choice = gateway.access.ofPair(data.toString("utf8", 2, nameEnd), data.toString("utf8", nameEnd + 1, end), fallback);
				} catch {
					choice = null;
				}
				if (choice === null) refuse([1, 1]);
				else [step] = ["request", socket.write(Buffer.from([1, 0]))];
			}
			data = data.subarray(end);
			return true;
		}
		if (data.length < 5) return false;
		const [version, command, , type, first] = data;
		const size = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? 1 + (first ?? 0) : 0;
		if (version !== 5 || size === 0) return reply(version === 5 ? 8 : 1);
		if (data.length < 4 + size + 2) return false;
		const address = data.subarray(4, 4 + size);
		const port = data.readUInt16BE(4 + size);
		data = data.subarray(4 + size + 2);
		if (command !== 1) return reply(7);
		const host = type === 1 ? address.join(".") : type === 4 ? ipv6(address) : address.toString("latin1", 1);
		// It goes into the head of a CONNECT.
		if (!/^[\x21-\x7e]+$/.test(host)) return reply(4);
		step = "over";
		clearTimeout(deadline);
		socket.off("data", onData);
		socket.pause();
		void tunnel(`${host}:${port}`, choice ?? fallback);
		return true;
	};

	const tunnel = async (authority: string, wanted: Choice) => {
		gateway.stats.tunnels++;
		const opened = await openTunnel(gateway, authority, wanted, want);
		if (want.isOver || socket.destroyed) {
			if ("source" in opened) opened.source.socket.destroy();
			return;
		}
		if (!("source" in opened)) return reply(REPLIES[opened.error] ?? 1);
		socket.off("close", onClose).off("end", onEnd);
		socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
		if (opened.early.length > 0) socket.write(opened.early);
		relay(socket, opened.source, data, gateway.tunnelOpened(socket));
	};

	const onData = (chunk: Buffer) => {
		data = data.length === 0 ? chunk : Buffer.concat([data, chunk]);
		while (step !== "over" && advance());
		if (step !== "over" && data.length > MAX_BYTES) reply(1);
	};
	const onClose = () => {
		clearTimeout(deadline);
		want.end();
	};
	const onEnd = () => {
		if (step !== "over") socket.destroy();
	};
	socket.setTimeout(0);
	socket.on("data", onData);
	socket.on("close", onClose);
	socket.on("end", onEnd);
	onData(Buffer.alloc(0));
}

function ipv6(bytes: Buffer): string {
	const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
	return `[${groups.join(":")}]`;
}
