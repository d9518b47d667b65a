import type { RowChanges, StoredRows } from "../../src/controller/codec.ts";
import type { Ms } from "../../src/core/model/state.ts";

/** A Durable Object's storage: the rows that production would hold. Their texts are made when somebody reads them. */
export class Rows {
	private facts: () => string = () => "";
	private readonly proxies = new Map<string, () => string>();
	private vitals: () => readonly string[] = () => [];
	vitalsWrittenAt: Ms = 0;

	/** One transaction. */
	save({ facts, proxies, vitals }: RowChanges, now: Ms): void {
		if (facts !== null) this.facts = facts;
		for (const [id, row] of proxies) {
			if (row === null) this.proxies.delete(id);
			else this.proxies.set(id, row);
		}
		if (vitals === null) return;
		this.vitals = vitals;
		this.vitalsWrittenAt = now;
	}

	read(): StoredRows {
		return { facts: this.facts(), proxies: [...this.proxies.values()].map((row) => row()), vitals: this.vitals() };
	}
}
