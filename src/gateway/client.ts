import type { Socket } from "node:net";
import { Exit } from "./exits.ts";
import type { Front } from "./front.ts";
import { relay } from "./relay.ts";
import type { Source } from "./source.ts";
import { allFailed, held, isExitsFault, MAX_TRIES, openTunnel } from "./tunnel.ts";
import { Upstream, type UpstreamUser } from "./upstream.ts";
import { BadUser, type Choice } from "./user.ts";
import { Want } from "./want.ts";
import { Body, type Head, headEnd, isConnectionToClose, isUpgrade, Malformed, parseHead, type Refusal, refusalText } from "./wire.ts";

const KEEP_MS = 60_000;
const HALF_CLOSED_MS = 30_000;
const LINGER_MS = 2_000;
/** What a client sends ahead of its turn is read up to here. */
const AHEAD_BYTES = 64 * 1024;
/** RFC 9110, 9.2.2: sent twice they do no more than once. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
const EMPTY = Buffer.alloc(0);
const NONE: ReadonlySet<Exit> = new Set();

/** One request on its way, until its answer has gone out. */
interface Exchange {
	readonly method: string;
	readonly head: Head;
	/** Without the exit's credentials and the blank line. */
	readonly text: string;
	/** `host[:port]` of the destination. */
	readonly authority: string;
	readonly choice: Choice;
	readonly body: Body;
	readonly isUpgrade: boolean;
	/** May be asked twice: it has no body, and twice is as once. */
	readonly isRepeatable: boolean;
	/** The client's connection stays for another request. */
	isKept: boolean;
	tried: ReadonlySet<Exit>;
	/** The head has gone to the exit. */
	isSent: boolean;
	/** Some of the body has: it cannot be sent again. */
	hasSentBody: boolean;
	/** Bytes of an answer that is not yet whole enough to be read. */
	unread: Buffer;
	/** Once the answer has begun. */
	answer: Body | null;
	isUpstreamKept: boolean;
	beganMs: number;
}

/**
 * A client's connection that speaks HTTP: requests in absolute form one after the other, or a CONNECT. An exit that fails before the first
 * byte of an answer is followed by the next one, unless the request could then be carried out twice.
 */
export class Client implements UpstreamUser {
	readonly #gateway: Front;
	readonly #socket: Socket;
	readonly #fallback: Choice;
	/** What has come and is not used up. */
	#ahead: Buffer = EMPTY;
	#exchange: Exchange | null = null;
	#upstream: Upstream | null = null;
	/** The exit of this connection, for as long as the client chooses no other way. */
	#exit: Exit | null = null;
	#exitsChoice: Choice | null = null;
	#want: Want | null = null;
	/** Runs while a request's head has begun to come and is not whole, while an answer's head is waited for, and once all is said. */
	#deadline: NodeJS.Timeout | undefined;
	#hasEnded = false;
	#isOver = false;

	constructor(gateway: Front, socket: Socket, early: Buffer, fallback: Choice) {
		this.#gateway = gateway;
		this.#socket = socket;
		this.#fallback = fallback;
		socket.setTimeout(0);
		socket.on("data", this.#onData);
		socket.on("drain", this.#onDrain);
		socket.on("end", this.#onEnd);
		socket.on("timeout", this.#onTimeout);
		socket.on("close", this.#onClose);
		this.#onData(early);
	}

	/** Between two requests: nothing is lost when it is closed. */
	get isIdle(): boolean {
		return this.#exchange === null && this.#want === null;
	}

	#onData = (chunk: Buffer): void => {
		this.#ahead = this.#ahead.length === 0 ? chunk : Buffer.concat([this.#ahead, chunk]);
		this.#advance();
	};

	#advance(): void {
		if (this.#isOver) return;
		try {
			if (this.#exchange !== null) this.#forward(this.#exchange);
			else if (this.#want === null && this.#ahead.length > 0) this.#begin();
		} catch (error) {
			if (!(error instanceof Malformed)) throw error;
			// Into an answer that has begun nothing else can be said.
			if (this.#exchange?.answer) this.#cut();
			else this.#refuse({ status: 400, text: error.message, error: "http_request_error" }, false);
		}
		// Of what comes too early no more is taken.
		if (this.#ahead.length >= AHEAD_BYTES) this.#socket.pause();
	}

	#begin(): void {
		const end = headEnd(this.#ahead);
		if (end < 0) {
			// All of it has a deadline: one that comes byte by byte must not hold the connection.
			this.#deadline ??= setTimeout(this.#onHeadLate, this.#gateway.waits.headMs);
			return;
		}
		this.#clearDeadline();
		const head = parseHead(this.#ahead.toString("latin1", 0, end));
		this.#ahead = this.#ahead.subarray(end);
		this.#socket.setTimeout(0);
		const [, method, target, minor] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+) HTTP\/1\.([01])$/.exec(head.first) ?? [];
		if (method === undefined || target === undefined) throw new Malformed("The request line is malformed.");
		const choice = this.#admitted(head);
		if (choice === null) return;
		if (method === "CONNECT") {
			if (!/^(?:\[[0-9A-Fa-f:.]+\]|[^:[\]/?#@\s]+):\d{1,5}$/.test(target)) throw new Malformed("CONNECT needs host:port.");
			void this.#tunnel(target, choice);
			return;
		}
		const authority = /^http:\/\/(?:[^/?#@]*@)?([^/?#@\s]+)(?=[/?#]|$)/i.exec(target)?.[1];
		if (authority === undefined)
			throw new Malformed("This is a proxy: ask for a whole http:// URL, or use CONNECT, or SOCKS5 on the same port.");
		if (minor === "0" && head.isChunked) throw new Malformed("HTTP/1.0 has no transfer codings.");
		this.#gateway.stats.requests++;
		const body = Body.ofRequest(head);
		const upgrades = isUpgrade(head) && body.isDone;
		this.#exchange = {
			method,
			head,
			text: `${head.first}\r\n${head.lines}${upgrades ? `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n` : ""}`,
			authority,
			choice,
			body,
			isUpgrade: upgrades,
			isRepeatable: body.isDone && !upgrades && IDEMPOTENT.has(method),
			isKept: minor === "1" && !isConnectionToClose(head) && !this.#gateway.isDraining,
			tried: NONE,
			isSent: false,
			hasSentBody: false,
			unread: EMPTY,
			answer: null,
			isUpstreamKept: false,
			beganMs: performance.now(),
		};
		this.#attempt(this.#exchange);
	}

	/** What the client may choose, or null and a refusal. */
	#admitted(head: Head): Choice | null {
		try {
			const choice = this.#gateway.access.ofHeader(head.proxyAuthorization, this.#fallback);
			if (choice !== null) return choice;
			this.#refuse(
				{
					status: 407,
					text: "The gateway's user name and password are missing or wrong.",
					error: "http_request_denied",
					headers: ['Proxy-Authenticate: Basic realm="muster-gateway"'],
				},
				// A client that has sent no body may ask again on the same connection.
				Body.ofRequest(head).isDone && !head.first.startsWith("CONNECT "),
			);
		} catch (error) {
			if (!(error instanceof BadUser)) throw error;
			this.#refuse({ status: 400, text: `The user name is not understood: ${error.message}.`, error: "http_request_error" }, false);
		}
		return null;
	}

	/** Sends the request through an exit. */
	#attempt(exchange: Exchange): void {
		const { fleet } = this.#gateway;
		const exit = this.#exitFor(exchange) ?? fleet.pick(exchange.choice, exchange.tried, exchange.authority);
		if (exit !== null) {
			this.#send(exchange, exit);
			return;
		}
		if (exchange.tried.size > 0) {
			this.#refuse(allFailed(exchange.tried.size), false);
			return;
		}
		void this.#hold(exchange);
	}

	async #hold(exchange: Exchange): Promise<void> {
		const want = new Want();
		this.#want = want;
		const exit = await held(this.#gateway, exchange.choice, want);
		this.#want = null;
		if (want.isOver) return;
		if (exit instanceof Exit) this.#send(exchange, exit);
		else this.#refuse(exit, false);
	}

	/** The connection's own exit, unless it failed, went, or the client wants another one now. */
	#exitFor({ choice, tried, authority }: Exchange): Exit | null {
		const exit = this.#exit;
		if (exit === null || this.#exitsChoice !== choice || exit.isGone || tried.has(exit)) return null;
		// A session's exit may have changed.
		return choice.session === null && !this.#gateway.fleet.isBanned(exit, authority) ? exit : null;
	}

	#send(exchange: Exchange, exit: Exit): void {
		[this.#exit, this.#exitsChoice] = [exit, exchange.choice];
		// A connection that was kept may be closed just now. Whoever cannot be asked twice is asked on a new one.
		const upstream = Upstream.to(exit, this, this.#socket, exchange.isRepeatable);
		this.#upstream = upstream;
		exchange.unread = EMPTY;
		upstream.socket.write(`${exchange.text}${exit.authorizationLine}\r\n`, "latin1");
		this.#clearDeadline();
		this.#deadline = setTimeout(this.#onAnswerLate, this.#gateway.waits.answerMs);
		if (upstream.isConnected) this.onUpstreamConnected();
	}

	onUpstreamConnected(): void {
		const exchange = this.#exchange;
		if (exchange === null) return;
		exchange.isSent = true;
		this.#advance();
	}

	/** The body goes on once there is somebody to take it. */
	#forward(exchange: Exchange): void {
		if (exchange.body.isDone || !exchange.isSent || this.#upstream === null || this.#ahead.length === 0) return;
		const size = exchange.body.take(this.#ahead);
		const part = size === this.#ahead.length ? this.#ahead : this.#ahead.subarray(0, size);
		this.#ahead = size === this.#ahead.length ? EMPTY : this.#ahead.subarray(size);
		exchange.hasSentBody = true;
		if (exchange.answer === null) this.#deadline?.refresh();
		if (this.#upstream.socket.write(part)) this.#socket.resume();
		else this.#socket.pause();
	}

	onUpstreamDrain(): void {
		if (this.#ahead.length < AHEAD_BYTES) this.#socket.resume();
	}

	onUpstreamData(chunk: Buffer): void {
		const exchange = this.#exchange;
		if (exchange === null) {
			this.#dropUpstream();
			return;
		}
		try {
			if (exchange.answer !== null) this.#pass(exchange, exchange.answer, chunk);
			else this.#read(exchange, exchange.unread.length === 0 ? chunk : Buffer.concat([exchange.unread, chunk]));
		} catch (error) {
			if (!(error instanceof Malformed)) throw error;
			if (exchange.answer !== null) {
				this.#cut();
				return;
			}
			this.#dropUpstream();
			this.#refuse({ status: 502, text: "The answer is malformed.", error: "http_protocol_error" }, false);
		}
	}

	/** Reads the head of an answer, those of interim ones before it. */
	#read(exchange: Exchange, data: Buffer): void {
		const end = headEnd(data);
		if (end < 0) {
			exchange.unread = data;
			return;
		}
		exchange.unread = EMPTY;
		const head = parseHead(data.toString("latin1", 0, end));
		const rest = data.subarray(end);
		const [, minor, code] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(head.first) ?? [];
		if (code === undefined) throw new Malformed("The status line is malformed.");
		const status = Number(code);
		if (isExitsFault(status, head) && !exchange.hasSentBody) {
			this.#dropUpstream();
			this.#failed(exchange, "error");
			return;
		}
		if (status === 101) {
			this.#clearDeadline();
			this.#upgraded(exchange, head, rest);
			return;
		}
		if (status < 200) {
			this.#socket.write(`${head.first}\r\n${head.lines}\r\n`, "latin1");
			if (rest.length > 0) this.#read(exchange, rest);
			return;
		}
		this.#clearDeadline();
		const answer = Body.ofAnswer(head, status, exchange.method);
		exchange.answer = answer;
		exchange.isUpstreamKept = minor === "1" && !isConnectionToClose(head) && !answer.isEndless;
		// What is left of a body that is no longer wanted could be taken for a request.
		exchange.isKept = exchange.isKept && !answer.isEndless && exchange.body.isDone && !this.#gateway.isDraining && !this.#hasEnded;
		this.#judge(exchange, status);
		const text = `${head.first}\r\n${head.lines}${this.#exitLines()}${exchange.isKept ? "" : "Connection: close\r\n"}\r\n`;
		const size = answer.take(rest);
		if (size === 0) this.#socket.write(text, "latin1");
		else {
			// One packet for a small answer.
			const whole = Buffer.allocUnsafe(text.length + size);
			whole.write(text, "latin1");
			rest.copy(whole, text.length, 0, size);
			this.#write(whole);
		}
		if (size < rest.length) exchange.isUpstreamKept = false;
		if (answer.isDone) this.#finish(exchange);
	}

	#exitLines(): string {
		const ip = this.#exit?.ip ?? "";
		return `Proxy-Status: muster-gateway; next-hop="${ip}"\r\nMuster-Exit: ${ip}\r\n`;
	}

	#pass(exchange: Exchange, answer: Body, chunk: Buffer): void {
		const size = answer.take(chunk);
		if (size < chunk.length) exchange.isUpstreamKept = false;
		this.#write(size === chunk.length ? chunk : chunk.subarray(0, size));
		if (answer.isDone) this.#finish(exchange);
	}

	#write(part: Buffer): void {
		if (!this.#socket.write(part) && this.#socket.writableLength > 0) this.#upstream?.socket.pause();
	}

	#onDrain = (): void => {
		this.#upstream?.socket.resume();
	};

	/** Tells Muster what the site made of this exit, where that is watched. */
	#judge({ authority, choice, beganMs }: Exchange, status: number): void {
		const { watchStatus } = this.#gateway.options;
		if (watchStatus.size === 0 || this.#exit === null) return;
		const outcome = watchStatus.has(status) ? "banned" : "ok";
		if (outcome === "banned") this.#gateway.fleet.ban(this.#exit, authority);
		this.#gateway.reports.add({ exit: this.#exit, authority, outcome, choice, status, ms: performance.now() - beganMs });
	}

	#upgraded(exchange: Exchange, head: Head, rest: Buffer): void {
		const upstream = this.#upstream;
		if (upstream === null || !exchange.isUpgrade) throw new Malformed("Nobody asked to change protocols.");
		const lines = `${head.first}\r\n${head.lines}Connection: Upgrade\r\nUpgrade: ${head.upgrade ?? exchange.head.upgrade}\r\n`;
		this.#socket.write(`${lines}${this.#exitLines()}\r\n`, "latin1");
		this.#exchange = null;
		this.#upstream = null;
		this.#becomeTunnel(upstream.detach(), rest);
	}

	#becomeTunnel(source: Source, early: Buffer): void {
		this.#isOver = true;
		const socket = this.#socket;
		socket.setTimeout(0);
		socket.off("data", this.#onData).off("drain", this.#onDrain).off("end", this.#onEnd);
		socket.off("timeout", this.#onTimeout).off("close", this.#onClose);
		if (early.length > 0) socket.write(early);
		const ahead = this.#ahead;
		this.#ahead = EMPTY;
		relay(socket, source, ahead, this.#gateway.tunnelOpened(socket));
	}

	async #tunnel(authority: string, choice: Choice): Promise<void> {
		this.#gateway.stats.tunnels++;
		const want = new Want();
		this.#want = want;
		const opened = await openTunnel(this.#gateway, authority, choice, want);
		this.#want = null;
		if (want.isOver || this.#isOver) {
			if ("source" in opened) opened.source.socket.destroy();
			return;
		}
		if (!("source" in opened)) return this.#refuse(opened, false);
		this.#exit = opened.source.exit;
		this.#socket.write(`HTTP/1.1 200 Connection established\r\n${this.#exitLines()}\r\n`, "latin1");
		this.#becomeTunnel(opened.source, opened.early);
	}

	onUpstreamEnd(): void {
		const exchange = this.#exchange;
		if (exchange?.answer?.isEndless) {
			this.#finish(exchange);
			return;
		}
		const upstream = this.#upstream;
		this.#upstream = null;
		upstream?.drop();
		this.#lost(false, upstream?.isFresh ?? true);
	}

	onUpstreamLost(isTimeout: boolean): void {
		const upstream = this.#upstream;
		this.#upstream = null;
		this.#lost(isTimeout, upstream?.isFresh ?? true);
	}

	#lost(isTimeout: boolean, wasFresh: boolean): void {
		const exchange = this.#exchange;
		if (exchange === null) return;
		// What was cut must not look complete.
		if (exchange.answer !== null) {
			this.#cut();
			return;
		}
		// That a kept connection ends is no fault of the exit's.
		if (!wasFresh && exchange.isRepeatable) {
			this.#send(exchange, this.#exit as Exit);
			return;
		}
		if (exchange.isSent && !exchange.isRepeatable) {
			const text = "The proxy went before it answered, and the request may have been carried out.";
			this.#refuse({ status: 502, text, error: "connection_terminated" }, false);
			return;
		}
		this.#failed(exchange, isTimeout ? "timeout" : "error");
	}

	/** The exit failed before the first byte of an answer: the next one. */
	#failed(exchange: Exchange, outcome: "error" | "timeout"): void {
		const exit = this.#exit as Exit;
		const { fleet, reports, stats } = this.#gateway;
		fleet.suspect(exit);
		reports.add({ exit, authority: exchange.authority, outcome, choice: exchange.choice, ms: performance.now() - exchange.beganMs });
		exchange.tried = new Set([...exchange.tried, exit]);
		exchange.isSent = false;
		if (exchange.tried.size >= MAX_TRIES) {
			this.#refuse(allFailed(exchange.tried.size), false);
			return;
		}
		stats.failovers++;
		this.#attempt(exchange);
	}

	#finish(exchange: Exchange): void {
		const upstream = this.#upstream;
		this.#upstream = null;
		this.#exchange = null;
		if (upstream !== null) {
			upstream.socket.resume();
			if (exchange.isUpstreamKept && exchange.body.isDone) upstream.release();
			else upstream.drop();
		}
		// An answer that had begun before could not say that its connection ends.
		if (!exchange.isKept || this.#gateway.isDraining) {
			this.#end();
			return;
		}
		this.#socket.setTimeout(KEEP_MS);
		this.#socket.resume();
		if (this.#ahead.length > 0) this.#advance();
		else if (this.#hasEnded) this.#end();
	}

	#refuse(refusal: Refusal, isKept: boolean): void {
		this.#clearDeadline();
		this.#gateway.stats.refused++;
		this.#dropUpstream();
		this.#exchange = null;
		const keeps = isKept && !this.#gateway.isDraining;
		this.#socket.write(refusalText(refusal, keeps));
		if (!keeps) {
			this.#end();
			return;
		}
		this.#socket.setTimeout(KEEP_MS);
		this.#advance();
	}

	/** All is said. What still comes is thrown away for a moment: a reset could overtake the answer. */
	#end(): void {
		this.#isOver = true;
		this.#ahead = EMPTY;
		this.#socket.off("data", this.#onData);
		this.#socket.resume();
		this.#socket.setTimeout(KEEP_MS);
		this.#socket.end(() => {
			if (!this.#socket.destroyed) this.#deadline = setTimeout(this.#onTimeout, LINGER_MS);
		});
	}

	#cut(): void {
		this.#isOver = true;
		this.#dropUpstream();
		this.#exchange = null;
		this.#socket.resetAndDestroy();
	}

	#dropUpstream(): void {
		const upstream = this.#upstream;
		this.#upstream = null;
		upstream?.drop();
	}

	#onEnd = (): void => {
		this.#hasEnded = true;
		if (this.#isOver || this.isIdle) this.#socket.end();
		else if (this.#exchange !== null && !this.#exchange.body.isDone) this.#socket.destroy();
		// Whoever only ends its side may still want the answer.
		else this.#socket.setTimeout(HALF_CLOSED_MS);
	};

	#onTimeout = (): void => {
		this.#socket.destroy();
	};

	#onHeadLate = (): void => {
		this.#refuse({ status: 408, text: "The request's head took too long.", error: "http_request_error" }, false);
	};

	/** Nobody else is asked: that the proxy is there the system asks it itself, and what is slow at one is slow at the next. */
	#onAnswerLate = (): void => {
		const exchange = this.#exchange as Exchange;
		if (!exchange.body.isDone && this.#upstream?.socket.writableLength === 0) {
			this.#refuse({ status: 408, text: "The request's body took too long.", error: "http_request_error" }, false);
			return;
		}
		const { authority, choice, beganMs } = exchange;
		this.#gateway.reports.add({ exit: this.#exit as Exit, authority, outcome: "timeout", choice, ms: performance.now() - beganMs });
		this.#refuse({ status: 504, text: "The answer took too long.", error: "http_response_timeout" }, false);
	};

	#clearDeadline(): void {
		if (this.#deadline === undefined) return;
		clearTimeout(this.#deadline);
		this.#deadline = undefined;
	}

	#onClose = (): void => {
		this.#clearDeadline();
		this.#isOver = true;
		this.#exchange = null;
		this.#want?.end();
		this.#dropUpstream();
	};
}
