import { beforeEach, describe, expect, test } from "vitest";
import type { RowChanges } from "../../../src/controller/codec.ts";
import { Store } from "../../../src/pool/store.ts";
import type { InitialPool } from "../../../src/rpc/pool.ts";
import { PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

const NONE: RowChanges = { facts: null, proxies: [], vitals: null };
const text = (bytes: number) => "x".repeat(bytes);
/** Two bytes a character. */
const accented = (bytes: number) => "é".repeat(bytes / 2);
const facts = { agentUrl: null, rolling: null, proxies: 0 };
const INITIAL: InitialPool = { object: "", provider: "digitalocean", name: "", deployment: "", incarnation: 0, source: "api", facts };
const FIRST: RowChanges = { facts: () => "{}", proxies: [], vitals: () => ["{}"] };

/** Each kind of row that can grow: how it is written. */
const ROWS: readonly (readonly [name: string, write: (store: Store, json: string) => void])[] = [
	["facts", (store, json) => store.save({ ...NONE, facts: () => json }, 1)],
	["proxy a", (store, json) => store.save({ ...NONE, proxies: [["a", () => json]] }, 1)],
	["vitals", (store, json) => store.save({ ...NONE, vitals: () => [json] }, 1)],
	["vitals, part 1", (store, json) => store.save({ ...NONE, vitals: () => ["{}", json] }, 1)],
	["metadata note", (store, json) => store.saveMetadata("note", json)],
	[
		"endpoint",
		(store, json) => store.saveEndpoint({ configuration: { "": { "": json } }, environment: null, intervalSeconds: null } as never),
	],
];

/** A store in an object of its own, and how many rows each piece of work has written. */
function inStore<T>(look: (store: Store, written: (work: () => void) => number) => T): Promise<T> {
	return new PoolUnderTest().start().then((pool) =>
		pool.inside((_pool, ctx) => {
			let rows = 0;
			const { storage } = ctx;
			const sql = {
				exec: (query: string, ...values: unknown[]) => {
					const cursor = storage.sql.exec(query, ...values);
					rows += cursor.rowsWritten;
					return cursor;
				},
			};
			const counting = { sql, transactionSync: (work: () => unknown) => storage.transactionSync(work) };
			const store = new Store(counting as unknown as DurableObjectStorage);
			return look(store, (work) => {
				rows = 0;
				work();
				return rows;
			});
		}),
	);
}

describe("a stored row", () => {
	test.each(ROWS)("%s holds 1.9 MB, whatever a character takes, and gives it back", async (_, write) => {
		await inStore((store) => {
			for (const json of [text(1_900_000), accented(1_900_000)]) {
				write(store, json);
				expect(JSON.stringify([store.load(), store.metadata("note")]).includes(json)).toBe(true);
			}
		});
	});

	test.each(ROWS)("%s of more than production holds is refused by its name, and what was there stays", async (name, write) => {
		await inStore((store) => {
			write(store, "before");
			const before = JSON.stringify([store.load(), store.metadata("note")]);
			for (const json of [text(2_000_000), accented(2_000_000)])
				expect(() => write(store, json)).toThrow(`the row "${name}" would be 2000`);
			expect(JSON.stringify([store.load(), store.metadata("note")])).toBe(before);
		});
	});

	test.each(ROWS)("%s costs nothing where it is the same again", async (name, write) => {
		await inStore((store, written) => {
			expect(written(() => write(store, "one"))).toBeGreaterThan(0);
			// When the vitals were written is a change of their own.
			expect(written(() => write(store, "one"))).toBe(name.startsWith("vitals") ? 1 : 0);
			expect(written(() => write(store, "another"))).toBeGreaterThan(0);
		});
	});

	test("is made with its pool", async () => {
		await inStore((store) => expect(() => store.create({ ...INITIAL, name: text(2_000_000) }, FIRST, null)).toThrow('the row "birth"'));
	});
});
