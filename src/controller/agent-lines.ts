/** The agents' lines: who may open one, what comes on it, and what each is told. */
import type { Report } from "../core/facts/agents.ts";
import type { SeenLine } from "../core/facts/lines.ts";
import { lineDirectivesFor, mayBeToldAnew } from "../core/model/directives.ts";
import { type Judgement, judgeKey } from "../core/model/registration.ts";
import type { Id, Ms, State } from "../core/model/state.ts";
import type { Controller, LineReport } from "./controller.ts";
import type { Line, Lines } from "./lines.ts";

/** An order that is not acknowledged is sent again after so long. */
const ORDER_RETRY_MS = 20_000;
/** So many orders may wait to be acknowledged: what nobody reads is held in memory, each as long as the whole wish. The newest is told once there is room. */
const MOST_UNHEARD = 8;
/** A line that showed no life for so long is nobody's any more. */
const DEAD_MS = 5 * 60_000;
/** Characters of a report that fit into a note: an attachment holds 16,384 bytes. */
const REPORT_CHARS = 12_000;

/** What is kept with an agent's line. */
interface Note {
	readonly keyHash: string;
	/** Of what it was told last: a digest, the order's number, and when. */
	readonly told: string;
	readonly order: number;
	readonly at: Ms;
	/** The newest order that it has acknowledged. */
	readonly heard: number;
	/** The last report that was taken: its number, when it came, and all of it, where that fits. An object that slept knows it from here. */
	readonly reported: { readonly number: number; readonly at: Ms; readonly report: Report | null } | null;
}

/** What agents send: a report, and the order that it acknowledges. */
export interface Said extends Omit<LineReport, "id"> {
	readonly heard: number;
}

export interface AgentLinesHost {
	now(): Ms;
	/** Of a text: short, and another for another text. */
	digest(text: string): string;
	/** Characters of a report that are kept with a line. */
	readonly reportChars?: number;
}

export class AgentLines {
	private readonly lines: Lines;
	private readonly controller: () => Controller;
	private readonly host: AgentLinesHost;

	constructor(lines: Lines, controller: () => Controller, host: AgentLinesHost) {
		this.lines = lines;
		this.controller = controller;
		this.host = host;
	}

	/** Whether a line may be opened with this key; where it may, the socket is to be accepted at once with {@link noteOf}. */
	judge(keyHash: string, id: Id): Judgement {
		return this.controller().lineOpened(keyHash, id);
	}

	noteOf(keyHash: string): unknown {
		return { keyHash, told: "", order: 0, at: 0, heard: 0, reported: null } satisfies Note;
	}

	/** It begins with the whole wish. */
	opened(line: Line): void {
		this.tell(line, this.controller().state);
	}

	/** A report has come; what becomes of it is as {@link Controller.lineReport} says. */
	heard(line: Line, { heard, ...said }: Said): "taken" | "gap" | "refused" {
		const note = line.note as Note;
		if (heard > note.heard && heard <= note.order) line.keep({ ...note, heard } satisfies Note);
		const report = { ...said, id: line.name };
		// What was asked for since it had been forgotten, and is too long for the note, must not be forgotten again.
		const mustBeStored = said.whole && !this.doesFit(report);
		const outcome = this.controller().lineReport(note.keyHash, report, mustBeStored);
		// Taking it in may have had something told on this very line: its note is another by now.
		if (outcome === "taken") line.keep({ ...(line.note as Note), reported: this.kept(report) } satisfies Note);
		else if (outcome === "gap") askForAll(line);
		else line.close("unauthorised");
		// What was not told while too many orders were unheard.
		if (heard > note.heard && outcome !== "refused") this.tell(line, this.controller().state);
		return outcome;
	}

	/** A line has ended; one that broke makes its proxy suspect. */
	ended(line: Line, wasClean: boolean): void {
		if (!wasClean) this.controller().lineLost(line.name, line.aliveAt);
	}

	/**
	 * When each line last showed life, for the core to judge; `isLoaded`: what it last reported as well. Here too lines are closed that nobody can be on, and orders
	 * sent again that were not acknowledged.
	 */
	lives(isLoaded: boolean): readonly SeenLine[] {
		const { state } = this.controller();
		const now = this.host.now();
		return this.lines.all("agent").flatMap((line) => {
			const { keyHash, order, heard, at, reported } = line.note as Note;
			const id: Id = line.name;
			if (judgeKey(state, id, keyHash).is === "refused") line.close("unauthorised");
			else if (now - line.aliveAt > DEAD_MS) line.close("replaced");
			// It pings, and reads nothing.
			else if (order - heard >= MOST_UNHEARD && now - at > ORDER_RETRY_MS) line.close("replaced");
			else {
				if (heard < order && now - at > ORDER_RETRY_MS) this.tell(line, state, true);
				// Where nothing can be published time alone has it told.
				else if (state.proxies.get(id)?.phase.at === "draining") this.tell(line, state);
				// Numbers alone would not do: each line begins with 1.
				const vitals = state.vitals.get(id);
				const isKnown = reported === null || (vitals?.report === reported.number && vitals.metricsAt === reported.at);
				if (isLoaded && !isKnown && reported.report === null) askForAll(line);
				const report = isLoaded && !isKnown ? reported.report : null;
				return [{ id, at: line.aliveAt, ...(report && { reported: { ...report, at: reported?.at ?? 0 } }) }];
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

	private kept({ whole: _whole, opened: _opened, closed: _closed, ...report }: LineReport): NonNullable<Note["reported"]> {
		const { number, id } = report;
		const { state } = this.controller();
		const whole = { ...report, sessions: state.sessions.get(id) ?? [] };
		return { number, at: state.vitals.get(id)?.metricsAt ?? 0, report: this.doesFit(whole) ? whole : null };
	}

	private doesFit(report: unknown): boolean {
		return JSON.stringify(report).length <= (this.host.reportChars ?? REPORT_CHARS);
	}

	/** Sends the whole wish where it is another than the line was told; what was stored alone says what it is. */
	private tell(line: Line, state: State, isAgain = false): void {
		const directives = lineDirectivesFor(state, line.name, this.host.now());
		if (directives === null) return;
		// How often it would call is of no weight here, and changes with each proxy of a large fleet; a grace only runs out.
		const told = this.host.digest(JSON.stringify({ ...directives, interval: 0, grace: 0 }));
		const note = line.note as Note;
		if ((told === note.told && !isAgain) || note.order - note.heard >= MOST_UNHEARD) return;
		const order = note.order + 1;
		line.keep({ ...note, told, order, at: this.host.now() } satisfies Note);
		line.send(JSON.stringify({ order, ...directives }));
	}
}

function askForAll(line: Line): void {
	line.send(JSON.stringify({ whole: true }));
}
