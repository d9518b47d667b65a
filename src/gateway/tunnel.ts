import { Exit } from "./exits.ts";
import { NoExit } from "./fleet.ts";
import type { Front } from "./front.ts";
import { Source } from "./source.ts";
import type { Choice } from "./user.ts";
import type { Want } from "./want.ts";
import { type Head, headEnd, parseHead, type Refusal } from "./wire.ts";

/** The agent itself gives up after 15 s: what is silent for longer is the exit's fault. */
const ANSWER_MS = 20_000;
export const MAX_TRIES = 5;

/** A tunnel through an exit. */
export interface Tunnel {
	readonly source: Source;
	/** What the destination has said already. */
	readonly early: Buffer;
}

/** What came of one exit: a tunnel, its word on the destination, or nothing. */
type Outcome = Tunnel | { readonly said: Head; readonly status: number } | "lost" | "timeout";

/**
 * Opens a tunnel to `authority` (`host:port`) through an exit of the choice, the next one when one fails. An exit that answers that the
 * destination cannot be reached has not failed. Gives a refusal where there is none.
 */
export async function openTunnel(gateway: Front, authority: string, choice: Choice, want: Want): Promise<Tunnel | Refusal> {
	const { fleet, stats, reports } = gateway;
	const tried = new Set<Exit>();
	for (;;) {
		const picked = fleet.pick(choice, tried) ?? (tried.size === 0 ? await held(gateway, choice, want) : null);
		if (picked === null) return allFailed(tried.size);
		if (!(picked instanceof Exit)) return picked;
		const began = performance.now();
		const outcome = await dial(picked, authority, want);
		if (outcome !== "lost" && outcome !== "timeout") {
			if ("source" in outcome) return outcome;
			const { status, said } = outcome;
			// To a CONNECT nobody else can have answered.
			if (status !== 407 && !isExitsFault(status, said)) {
				if (status === 502 || status === 504)
					reports.add({ exit: picked, authority, outcome: status === 504 ? "timeout" : "error", choice, ms: performance.now() - began });
				return destinationsFault(picked, outcome);
			}
		}
		if (want.isOver) return allFailed(tried.size);
		tried.add(picked);
		fleet.suspect(picked);
		reports.add({ exit: picked, authority, outcome: outcome === "timeout" ? "timeout" : "error", choice, ms: performance.now() - began });
		if (tried.size >= MAX_TRIES) return allFailed(tried.size);
		stats.failovers++;
	}
}

/** Waits for an exit while the fleet wakes. */
export async function held({ fleet, stats }: Front, choice: Choice, want: Want): Promise<Exit | Refusal> {
	stats.held++;
	try {
		return await fleet.hold(choice, want);
	} catch (error) {
		if (!(error instanceof NoExit)) throw error;
		const { message: text, retryAfterSeconds } = error;
		if (retryAfterSeconds === null) return { status: 400, text, error: "http_request_error" };
		return { status: 503, text, error: "destination_unavailable", headers: [`Retry-After: ${retryAfterSeconds}`] };
	}
}

export function allFailed(tried: number): Refusal {
	return { status: 502, text: `No proxy could be reached; ${tried} were tried.`, error: "connection_terminated" };
}

/** Its credentials have just changed, or it is drained or full: another may do. A site can say neither through it, which passes on no such words. */
export function isExitsFault(status: number, { isChallenge, proxyStatus }: Pick<Head, "isChallenge" | "proxyStatus">): boolean {
	return (
		(status === 407 && isChallenge) || (status === 503 && proxyStatus !== null && /;\s*error=connection_limit_reached/.test(proxyStatus))
	);
}

function destinationsFault(exit: Exit, { status, said }: { readonly status: number; readonly said: Head }): Refusal {
	const error = /;\s*error=([a-z_]+)/.exec(said.proxyStatus ?? "")?.[1] ?? "destination_unavailable";
	return { status, text: `The proxy answers ${status}.`, error, headers: [`Muster-Exit: ${exit.ip}`] };
}

function dial(exit: Exit, authority: string, want: Want): Promise<Outcome> {
	return new Promise((resolve) => {
		const source = new Source(exit);
		const { socket } = source;
		let answer: Buffer = Buffer.alloc(0);
		const done = (outcome: Outcome) => {
			source.clear();
			if (typeof outcome === "string" || !("source" in outcome)) socket.destroy();
			resolve(outcome);
		};
		want.onEnd(() => done("lost"));
		socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${exit.authorizationLine}\r\n`, "latin1");
		socket.once("connect", () => socket.setTimeout(ANSWER_MS));
		socket.once("timeout", () => done("timeout"));
		socket.once("end", () => done("lost"));
		socket.once("close", () => done("lost"));
		source.onData = (chunk) => {
			answer = answer.length === 0 ? chunk : Buffer.concat([answer, chunk]);
			try {
				const end = headEnd(answer);
				if (end < 0) return;
				const said = parseHead(answer.toString("latin1", 0, end));
				const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(said.first)?.[1] ?? 0);
				if (status < 200) return done("lost");
				if (status >= 300) return done({ said, status });
				socket.pause();
				done({ source, early: answer.subarray(end) });
			} catch {
				done("lost");
			}
		};
	});
}
