/** The agents' lines: who may open one, what comes on it, and what each is told. */
import { LINE_CLOSES, LineReport, parseBearer } from "../agent/protocol.ts";
import { normaliseSession } from "../agent/session.ts";
import type { Controller } from "../controller/controller.ts";
import { lineDirectivesFor, mayBeToldAnew } from "../core/model/directives.ts";
import type { LineLife } from "../core/model/lines.ts";
import { judgeKey } from "../core/model/registration.ts";
import type { Id, Ms, State } from "../core/model/state.ts";
import { sha256 } from "./hash.ts";
import type { Line, Lines } from "./lines.ts";

/** An order that is not acknowledged is sent again after so long. */
const ORDER_RETRY_MS = 20_000;
/** A line that showed no life for so long is nobody's any more. */
const DEAD_MS = 5 * 60_000;

/** What is kept with an agent's line. */
interface Note {
	readonly keyHash: string;
	/** Of what it was told last: a digest, the order's number, and when. */
	readonly told: string;
	readonly order: number;
	readonly at: Ms;
	/** The newest order that it has acknowledged. */
	readonly heard: number;
}

export class AgentLines {
	private readonly lines: Lines;
	private readonly controller: () => Controller;
	private readonly now: () => Ms;

	constructor(lines: Lines, controller: () => Controller, now: () => Ms) {
		this.lines = lines;
		this.controller = controller;
		this.now = now;
	}

	/** Answers 101, or 401 with the reason. `bearer`: the VM's key. */
	open(bearer: string): Response {
		const key = parseBearer(bearer);
		if (key === null) return new Response("the key is malformed", { status: 401 });
		const keyHash = sha256(bearer);
		const judgement = this.controller().lineOpened(keyHash, key.id);
		if (judgement.is === "refused") return new Response(judgement.message, { status: 401 });
		const note: Note = { keyHash, told: "", order: 0, at: 0, heard: 0 };
		const { answer, line } = this.lines.accept("agent", key.id, note, this.now());
		this.tell(line, this.controller().state);
		return answer;
	}

	/** A message has come. */
	heard(line: Line, message: string | ArrayBuffer): void {
		const report = reportIn(message);
		if (report === null) {
			line.close(LINE_CLOSES.malformed, "no report");
			return;
		}
		const note = line.note as Note;
		const { heard, boot, counters, ...told } = report;
		if (heard > note.heard && heard <= note.order) line.keep({ ...note, heard } satisfies Note);
		const counts = boot === undefined || counters === undefined ? {} : { counts: { boot, counters } };
		const [opened, closed] = [canonical(report.opened), canonical(report.closed)];
		const outcome = this.controller().lineReport(note.keyHash, { ...told, ...counts, id: line.name, opened, closed });
		if (outcome === "gap") line.send(JSON.stringify({ whole: true }));
		else if (outcome === "refused") line.close(LINE_CLOSES.unauthorised, "the key is not this proxy's");
	}

	/** A line has ended; one that broke makes its proxy suspect. */
	ended(line: Line, wasClean: boolean): void {
		if (!wasClean) this.controller().lineLost(line.name);
	}

	/**
	 * When each line last showed life, for the core to judge. Here too lines are closed that nobody can be on, and orders sent again that were
	 * not acknowledged.
	 */
	lives(): readonly LineLife[] {
		const { state } = this.controller();
		const now = this.now();
		return this.lines.all("agent").flatMap((line) => {
			const { keyHash, order, heard, at } = line.note as Note;
			const id: Id = line.name;
			if (judgeKey(state, id, keyHash).is === "refused") line.close(LINE_CLOSES.unauthorised, "the key is not this proxy's");
			else if (now - line.aliveAt > DEAD_MS) line.close(LINE_CLOSES.replaced, "no sign of life");
			else {
				if (heard < order && now - at > ORDER_RETRY_MS) this.tell(line, state, true);
				return [{ id, at: line.aliveAt }];
			}
			return [];
		});
	}

	/** Tells whom a change concerns, after it was stored: the platform sends nothing before that. */
	committed(before: State, after: State): void {
		const concerned = mayBeToldAnew(before, after);
		const lines = concerned === null ? this.lines.all("agent") : concerned.flatMap((id) => this.lines.get("agent", id) ?? []);
		for (const line of lines) this.tell(line, after);
	}

	/** Sends the whole wish where it is another than the line was told; what was stored alone says what it is. */
	private tell(line: Line, state: State, isAgain = false): void {
		const directives = lineDirectivesFor(state, line.name, this.now());
		if (directives === null) return;
		// How often it would call is of no weight here, and changes with each proxy of a large fleet.
		const told = sha256(JSON.stringify({ ...directives, interval: 0 })).slice(0, 32);
		const note = line.note as Note;
		if (told === note.told && !isAgain) return;
		const order = note.order + 1;
		line.keep({ ...note, told, order, at: this.now() } satisfies Note);
		line.send(JSON.stringify({ order, ...directives }));
	}
}

function reportIn(message: string | ArrayBuffer): LineReport | null {
	if (typeof message !== "string") return null;
	try {
		return LineReport.safeParse(JSON.parse(message)).data ?? null;
	} catch {
		return null;
	}
}

function canonical(sessions: readonly string[]): readonly string[] {
	return sessions.map(normaliseSession).filter((session) => session !== null);
}
