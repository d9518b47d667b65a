import { createHash } from "node:crypto";
import type { RowChanges } from "../../src/controller/codec.ts";

/**
 * Everything that a run decides, as one short text: what is stored, called and published, and when. Two revisions that show the same one for a seed
 * behave the same in all of its run, so that a change that is to make them faster and nothing else can be held to that.
 */
export class Digest {
	private readonly hash = createHash("sha256");

	add(at: number, what: string, value: unknown): void {
		this.hash.update(`${at} ${what} ${JSON.stringify(value)}\n`);
	}

	stored(at: number, object: string, { facts, proxies, vitals }: RowChanges): void {
		const rows = proxies.map(([id, row]) => [id, row === null ? null : row()] as const).sort(([a], [b]) => (a < b ? -1 : 1));
		this.add(at, object, [facts?.() ?? null, rows, vitals?.() ?? null]);
	}

	toString(): string {
		return this.hash.copy().digest("hex").slice(0, 16);
	}
}
