import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

/** A Durable Object's storage as far as a pool's store needs it, over SQLite in memory: what is written costs what it does there. */
export class BenchStorage {
	private readonly database = new DatabaseSync(":memory:");
	private readonly statements = new Map<string, StatementSync>();
	private depth = 0;

	readonly sql = {
		exec: (query: string, ...values: SQLInputValue[]) => {
			// Several statements at once: those that make the tables.
			if (values.length === 0 && !/^\s*(select|update|insert|delete)/i.test(query)) {
				this.database.exec(query);
				return rows([]);
			}
			let statement = this.statements.get(query);
			if (statement === undefined) {
				statement = this.database.prepare(query);
				this.statements.set(query, statement);
			}
			return rows(statement.all(...values));
		},
	};

	transactionSync<T>(work: () => T): T {
		if (this.depth > 0) return work();
		this.depth++;
		this.database.exec("BEGIN");
		try {
			const result = work();
			this.database.exec("COMMIT");
			return result;
		} catch (error) {
			this.database.exec("ROLLBACK");
			throw error;
		} finally {
			this.depth--;
		}
	}
}

function rows(found: readonly unknown[]) {
	return { toArray: () => found, one: () => found[0], [Symbol.iterator]: () => found[Symbol.iterator]() };
}
