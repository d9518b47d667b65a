import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Held, Reservation, Statement } from "../../src/d1/allotments.ts";
import type { Core } from "./core.ts";

const TABLES = ["0001_start.sql", "0003_leases.sql"].map((file) =>
	readFileSync(join(import.meta.dirname, "../../migrations", file), "utf8"),
);

interface Row {
	readonly object: string;
	readonly version: number;
	readonly currency: string;
	readonly hourly: number;
	readonly until: number | null;
}

/** A deployment's budget as D1 holds it: production's own statements, carried out by SQLite, so that its arithmetic is production's too. */
export class Allotments {
	private readonly core: Pick<Core, "allotments">;
	private readonly refused: (message: string) => void;
	private readonly database = new DatabaseSync(":memory:");
	private readonly prepared = new Map<string, StatementSync>();

	/** `refused` is told of a statement that SQLite does not take: that is no failure of D1. */
	constructor(core: Pick<Core, "allotments">, refused: (message: string) => void) {
		this.core = core;
		this.refused = refused;
		for (const tables of TABLES) this.database.exec(tables);
	}

	/** The directory has a row for this pool: without one nothing is reserved. */
	enter(object: string): void {
		const sql = "INSERT OR REPLACE INTO pools (object, provider, name, incarnation, source) VALUES (?, 'simulated', ?, 0, 'api')";
		this.rows({ sql, values: [object, object] });
	}

	/** The directory has none any more. */
	leave(object: string): void {
		this.rows({ sql: "DELETE FROM pools WHERE object = ?", values: [object] });
	}

	/** One transaction, as D1's batch is. */
	reserve(wanted: Reservation): Held | null {
		const [granted, all] = this.core.allotments
			.reserveStatements(wanted)
			.map((statement) => this.rows(statement)[0]?.hourly as number | undefined);
		return this.core.allotments.heldOf(wanted, granted, all);
	}

	forget(object: string, charges: { readonly hourly: number; readonly until: number } | null, now: number): void {
		for (const statement of this.core.allotments.leaveStatements(object, charges, now)) this.rows(statement);
	}

	/** What all pools hold, by currency. */
	allotted(now: number): Readonly<Record<string, number>> {
		return Object.fromEntries(
			this.rows(this.core.allotments.allottedStatement(now)).map((row) => [row.currency as string, row.hourly as number]),
		);
	}

	/** Everything that is held, as it is now. */
	copy(): readonly Row[] {
		return this.rows({ sql: "SELECT object, version, currency, hourly, until FROM leases", values: [] }) as unknown as readonly Row[];
	}

	/** Holds that and nothing else. */
	restore(rows: readonly Row[]): void {
		this.rows({ sql: "DELETE FROM leases", values: [] });
		const sql = "INSERT INTO leases (object, version, currency, hourly, until) VALUES (?, ?, ?, ?, ?)";
		for (const { object, version, currency, hourly, until } of rows) this.rows({ sql, values: [object, version, currency, hourly, until] });
	}

	private rows({ sql, values }: Statement): readonly Record<string, unknown>[] {
		let statement = this.prepared.get(sql);
		if (statement === undefined) {
			statement = this.database.prepare(sql);
			this.prepared.set(sql, statement);
		}
		try {
			return statement.all(...values);
		} catch (error) {
			this.refused(`${error instanceof Error ? error.message : error}: ${JSON.stringify(values)}`);
			throw error;
		}
	}
}
