import type { Reading, RowChanges, StoredRows } from "../../src/controller/codec.ts";
import type { Ms } from "../../src/core/model/state.ts";

/** A row whose text is made when somebody first reads it. */
class Row<Text> {
	readonly #write: () => Text;
	#text: Text | undefined;

	constructor(write: () => Text) {
		this.#write = write;
	}

	get text(): Text {
		this.#text ??= this.#write();
		return this.#text;
	}
}

/** A Durable Object's storage: the rows that production would hold. */
export class Rows {
	private facts = new Row(() => "");
	private readonly proxies = new Map<string, Row<string>>();
	private vitals = new Row<readonly string[]>(() => []);
	/** What was made of the texts that were read last. */
	private made: ReadonlyMap<string, unknown> = new Map();
	vitalsWrittenAt: Ms = 0;

	/** One transaction. */
	save({ facts, proxies, vitals }: RowChanges, now: Ms): void {
		if (facts !== null) this.facts = new Row(facts);
		for (const [id, row] of proxies) {
			if (row === null) this.proxies.delete(id);
			else this.proxies.set(id, new Row(row));
		}
		if (vitals === null) return;
		this.vitals = new Row(vitals);
		this.vitalsWrittenAt = now;
	}

	/** Reads what is stored. A text that is the same as when it was last read is not made anything of anew. */
	decoded<State>(decode: (rows: StoredRows, read: Reading) => State): State {
		const [before, made] = [this.made, new Map<string, unknown>()];
		const read: Reading = <Made>(text: string, make: (text: string) => Made) => {
			const known = before.has(text) ? (before.get(text) as Made) : make(text);
			made.set(text, known);
			return known;
		};
		const rows = { facts: this.facts.text, proxies: [...this.proxies.values()].map(({ text }) => text), vitals: this.vitals.text };
		const state = decode(rows, read);
		this.made = made;
		return state;
	}
}
