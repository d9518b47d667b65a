/** One call that a cloud was sent, and its answer; no secret in either. */
export interface JournalEntry {
	readonly provider: string;
	readonly method: string;
	/** Path and query, without the local cloud's mount. */
	readonly url: string;
	readonly requestBody: string;
	/** Of the answer that the cloud gave, which a fault may have kept from the caller. */
	readonly status: number;
	readonly responseBody: string;
	/** Milliseconds since the epoch. */
	readonly at: number;
	/** A fault cut the connection instead of answering. */
	readonly dropped?: true;
	/** The answer's words are a fault's, not the cloud's. */
	readonly prescribed?: true;
}

/** So much text is kept: a long run forgets its oldest calls rather than fill the memory. */
const MAX_CHARACTERS = 64 * 1024 * 1024;

/** The calls, oldest first. */
export class Journal {
	#lines: string[] = [];
	#characters = 0;

	add(entry: JournalEntry): void {
		const line = JSON.stringify(entry);
		this.#lines.push(line);
		this.#characters += line.length;
		while (this.#characters > MAX_CHARACTERS) this.#characters -= this.#lines.shift()?.length ?? this.#characters;
	}

	clear(): void {
		this.#lines = [];
		this.#characters = 0;
	}

	/** One JSON a line. */
	text(): string {
		return this.#lines.map((line) => `${line}\n`).join("");
	}
}
