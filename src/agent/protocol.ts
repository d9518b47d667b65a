/**
 * What the agent on a VM and Muster say to each other. `agent.py` is the other side of this file.
 *
 * **Boot token** `<object>.<proxy id>.<secret>`: object is the pool's Durable Object id (64 hex digits), so that a call
 * finds its pool without a database; secret is 32 random bytes, base64url. Stored only as SHA-256 (hex) of the whole
 * token. **VM key** `<object>.<proxy id>.<secret>`, the secret minted by the agent at its first boot; Muster stores
 * SHA-256 (hex, lower case) of the whole key.
 *
 * **Register**, at each start of the agent: `POST /v1.1/register`, `Authorization: Bearer <boot token>`, body {@link RegisterBody};
 * 200 with {@link Directives}. The same (token, key) pair always gets the same answer; 401 for anything else.
 *
 * **Heartbeat**, every `interval` seconds: `POST /v1.1/heartbeat`, `Authorization: Bearer <VM key>`, body {@link HeartbeatBody};
 * 200 with {@link Directives}; on 401 the agent registers again.
 *
 * **Line**, at once after it has registered, and held: `GET /v1.1/agent`, `Upgrade: websocket` (RFC 6455), `Authorization: Bearer <VM
 * key>`; 101, 401 as with a heartbeat, anything else: heartbeats go on, and the line is tried again after ten minutes. All messages are texts.
 * The agent sends `ping` each 20 s, which the platform answers with `pong`, and {@link LineReport}s: the first whole, the next ones as differences. The pool sends
 * {@link LineOrder}s: one at once, and one whenever something else is to be told; the agent's next report, which follows at once, names it.
 * `{"whole": true}` asks for a whole report. Close codes of the pool: 4001 a newer line of the same agent, 4401 the key is not (any longer)
 * good, 1008 what came cannot be read, or came too fast (120 at once, two a second). On any other end the agent comes back after 0.5 to 30 s.
 *
 * **Probe**, from the pool, one TCP connection to the proxy port: `GET http://probe.muster/<nonce> HTTP/1.1` with
 * `Proxy-Authorization`, as any client would send it; nonce is 32 hex digits. The agent opens (and closes) a TCP connection to the
 * public URL's host and port, then answers 200 `application/json` {@link ProbeBody}; 502 when that connection fails.
 */
import { z } from "zod";
import { hasControls } from "../core/model/bounds.ts";
import type { Directives, LineDirectives } from "../core/model/directives.ts";

export { AGENT_PORT } from "../core/model/basics.ts";
export const PROBE_HOST = "probe.muster";

/** Version of `agent.py` as new VMs get it. */
export const AGENT_VERSION = "1.4.0";

/** Split of a boot token or VM key; null when it has not that form. */
export function parseBearer(text: string): { object: string; id: string } | null {
	const match = /^([0-9a-f]{64})\.([a-z0-9]{8,32})\.([A-Za-z0-9_-]{43})$/.exec(text);
	return match ? { object: match[1] as string, id: match[2] as string } : null;
}

const isPrintable = (text: string) => !hasControls(text);

export const RegisterBody = z.strictObject({
	/** The VM key that the agent minted. */
	key: z.string().max(200).refine(isPrintable, "must not have control characters"),
	/** Version of the agent, for the log. */
	agent: z.string().max(40).refine(isPrintable, "must not have control characters"),
});
export type RegisterBody = z.infer<typeof RegisterBody>;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** What an agent has counted since it started; a restart begins at 0 with another `boot`. */
export const Counters = z.strictObject({
	/** From clients to destinations. */
	bytesIn: count,
	/** From destinations to clients. */
	bytesOut: count,
	/** Requests and tunnels of clients that are authenticated. */
	requests: count,
	/** Requests that came to nothing: what clients were answered with 5xx for, or cut. */
	errors: count,
	/** Client connections, counted at their first request. */
	opened: count,
});
export type Counters = z.infer<typeof Counters>;
/** One start of an agent. */
export const Boot = z.string().regex(/^[0-9a-f]{16}$/, "must be 16 hex digits");

export const MAX_SESSIONS_A_HEARTBEAT = 1000;
export const HeartbeatBody = z.strictObject({
	/** Open client connections. */
	active: z.number().int().min(0).max(1_000_000),
	/** By name: requests (per second), bytes (per second), errors (per second), cpu (0..1), load. */
	metrics: z.record(z.string().max(40).refine(isPrintable, "must not have control characters"), z.number()),
	/** Open sessions as `client:port` (IPv6 in brackets), at most 1,000; `active` is exact even where this is cut. */
	sessions: z.array(z.string().max(64).refine(isPrintable, "must not have control characters")).max(MAX_SESSIONS_A_HEARTBEAT),
	/** Version of the newest credentials that the agent accepts. */
	credentials: z.number().int().min(0),
	/** Together with `counters`; agents before version 1.2 have neither, and what is sent again after a failure does without. */
	boot: Boot.optional(),
	counters: Counters.optional(),
});
export type HeartbeatBody = z.infer<typeof HeartbeatBody>;

export type { Directives };

export const LINE_PING = "ping";
export const LINE_PONG = "pong";

const sessionNames = HeartbeatBody.shape.sessions;
export const LineReport = z.strictObject({
	...HeartbeatBody.omit({ sessions: true }).shape,
	/** One more than the report before on this line; begins at 1. */
	number: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
	/** `opened` has all open sessions, and not only those since the report before. */
	whole: z.boolean(),
	opened: sessionNames,
	closed: sessionNames,
	/** The newest order that it has carried out; 0: none. */
	heard: z.number().int().min(0),
});
export type LineReport = z.infer<typeof LineReport>;

/** What the agent is to do from now on, all of it. Orders of a line have rising numbers. */
export interface LineOrder extends LineDirectives {
	readonly order: number;
}

/** `/etc/muster/agent.json`, written by user data, read through systemd's LoadCredential. */
export interface AgentConfig extends Omit<Directives, "drain" | "grace" | "drop" | "address"> {
	readonly token: string;
	readonly port: number;
}

export const ProbeBody = z.object({
	/** HMAC-SHA-256 (hex) over the nonce's ASCII; its key is the ASCII of SHA-256 (hex) of the VM key. */
	proof: z.string().length(64),
	/** Open client connections, the probe's own not counted. */
	active: z.number().int().min(0),
});
