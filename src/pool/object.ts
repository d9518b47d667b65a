import { DurableObject } from "cloudflare:workers";
import { LINE_PING, LINE_PONG, LineReport, parseBearer } from "../agent/protocol.ts";
import { normaliseSession } from "../agent/session.ts";
import type { Said } from "../controller/agent-lines.ts";
import type { AgentReply, Controller } from "../controller/controller.ts";
import { Lines } from "../controller/lines.ts";
import type { Ms, State } from "../core/model/state.ts";
import type { Env } from "../rpc/env.ts";
import type { AgentAnswer } from "../rpc/pool.ts";
import { type Config, readConfig } from "../settings/environment.ts";
import { sha256 } from "./hash.ts";
import { enlivenStored, type Live, type Surroundings } from "./live.ts";
import { Refresher } from "./refresh.ts";
import { Store } from "./store.ts";

/** A report with all that it may hold is half as long. */
const MOST_MESSAGE_CHARS = 256 * 1024;
/** What an agent may say: so many messages at once, and one in so long all the time. */
const [MOST_MESSAGES_AT_ONCE, MESSAGE_MS] = [120, 500];

export const GONE = { error: "notFound", message: "This pool does not exist any more." } as const;
export const MALFORMED = { ok: false, message: "the boot token or the key is malformed" } as const;

/** A pool's object as the platform calls it: storage, clock, alarm and lines, and the pool in memory, which they keep going. */
export abstract class PoolObject extends DurableObject<Env> {
	protected readonly store: Store;
	private readonly lines: Lines;
	protected readonly refresher = new Refresher(
		() => this.live,
		() => this.now(),
	);
	protected live: Live | null = null;
	protected readonly surroundings: Surroundings;
	/** By socket: as far as it lies ahead, its messages came faster than they may. A sleep, in which none come, may forget it. */
	private readonly saidUntil = new WeakMap<WebSocket, Ms>();
	private read: { readonly env: Env; readonly config: Config } | null = null;
	/** The clock, in milliseconds since the epoch; a test may drive it. */
	protected now: () => Ms = () => Date.now();

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		this.store = new Store(ctx.storage);
		// Each time: a deploy forgets the answer to pings.
		ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(LINE_PING, LINE_PONG));
		this.lines = new Lines({
			accept: (socket, tags) => ctx.acceptWebSocket(socket as WebSocket, tags),
			tagged: (tag) => ctx.getWebSockets(tag),
			answeredAt: (socket) => ctx.getWebSocketAutoResponseTimestamp(socket as WebSocket)?.getTime() ?? null,
		});
		this.surroundings = {
			ctx,
			lines: this.lines,
			env: () => this.env,
			store: this.store,
			now: () => this.now(),
			config: () => this.config(),
			ended: () => {
				this.live = null;
			},
		};
		const stored = this.store.load();
		if (stored === null) return;
		ctx.blockConcurrencyWhile(async () => {
			this.live = enlivenStored(this.surroundings, stored, await ctx.storage.getAlarm());
			this.live.controller.hearLines(true);
		});
	}

	/** An agent's line, whose key the Worker has not checked: 101, or 401 with the reason. */
	override async fetch(request: Request): Promise<Response> {
		const bearer = /^Bearer (\S+)$/.exec(request.headers.get("Authorization") ?? "")?.[1] ?? "";
		if (this.live === null) return new Response(GONE.message, { status: 401 });
		const { agents } = this.live;
		const key = parseBearer(bearer);
		if (key === null) return new Response("the key is malformed", { status: 401 });
		const keyHash = sha256(bearer);
		const judgement = agents.judge(keyHash, key.id);
		if (judgement.is === "refused") return new Response(judgement.message, { status: 401 });
		const { 0: client, 1: server } = new WebSocketPair();
		agents.opened(this.lines.accept(server, "agent", key.id, agents.noteOf(keyHash), this.now()));
		return new Response(null, { status: 101, webSocket: client });
	}

	override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
		const line = this.lines.lineOf(socket);
		if (line?.kind !== "agent") return;
		const said = this.isFlooding(socket) ? null : saidIn(message);
		if (said === null) line.close("malformed");
		else this.live?.agents.heard(line, said);
	}

	private isFlooding(socket: WebSocket): boolean {
		const now = this.now();
		const before = this.saidUntil.get(socket) ?? 0;
		// A clock that was set back begins anew.
		const from = before > now + (MOST_MESSAGES_AT_ONCE + 1) * MESSAGE_MS ? now : Math.max(before, now);
		this.saidUntil.set(socket, from + MESSAGE_MS);
		return from - now > MOST_MESSAGES_AT_ONCE * MESSAGE_MS;
	}

	override async webSocketClose(socket: WebSocket, _code: number, _reason: string, wasClean: boolean): Promise<void> {
		const line = this.lines.lineOf(socket);
		this.lines.ended(socket);
		if (line?.kind === "agent") this.live?.agents.ended(line, wasClean);
	}

	override async webSocketError(socket: WebSocket): Promise<void> {
		const line = this.lines.lineOf(socket);
		this.lines.ended(socket);
		if (line?.kind === "agent") this.live?.agents.ended(line, false);
	}

	override async alarm(): Promise<void> {
		await this.live?.controller.alarm();
	}

	protected of<Answer>(read: (state: State) => Answer): Answer | null {
		return this.live === null ? null : read(this.live.controller.state);
	}

	protected ofAgent(bearer: string, ask: (controller: Controller, id: string, keyHash: string) => AgentReply): AgentAnswer {
		const key = parseBearer(bearer);
		return this.live === null || key === null ? MALFORMED : ask(this.live.controller, key.id, sha256(bearer));
	}

	/** Read once an environment: it does not change under a running instance. */
	protected config(): Config {
		if (this.read?.env !== this.env) this.read = { env: this.env, config: readConfig(this.env) };
		return this.read.config;
	}
}

function saidIn(message: string | ArrayBuffer): Said | null {
	const report =
		typeof message === "string" && message.length <= MOST_MESSAGE_CHARS ? LineReport.safeParse(parsed(message)).data : undefined;
	if (report === undefined) return null;
	const { boot, counters, ...said } = report;
	const counts = boot === undefined || counters === undefined ? {} : { counts: { boot, counters } };
	return { ...said, ...counts, opened: canonical(said.opened), closed: canonical(said.closed) };
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

function canonical(sessions: readonly string[]): readonly string[] {
	return sessions.map(normaliseSession).filter((session) => session !== null);
}
