import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One file of `migrations`, and the statements in it. */
export interface Migration {
	readonly name: string;
	readonly statements: readonly string[];
}

/** The migrations in a directory, in the order in which wrangler applies them. */
export function readMigrations(directory: string): readonly Migration[] {
	return readdirSync(directory)
		.filter((name) => name.endsWith(".sql"))
		.sort()
		.map((name) => ({ name, statements: statementsOf(readFileSync(join(directory, name), "utf8")) }));
}

/** Comments are left out. Knows no triggers, whose bodies have semicolons: a test compares it with wrangler's own. */
function statementsOf(sql: string): readonly string[] {
	const pieces = sql.match(/'(?:[^']|'')*'|--[^\n]*|;|[^'\-;]+|-/g) ?? [];
	const bare = pieces.map((piece) => (piece === ";" ? "\0" : piece.startsWith("--") ? "" : piece)).join("");
	return bare
		.split("\0")
		.map((statement) => statement.trim())
		.filter((statement) => statement !== "");
}

/**
 * Brings a database up to date, and remembers what was applied where wrangler does (`d1_migrations`), so that either goes on where the
 * other stopped. Each file is applied whole or not at all. Runs in the Worker of `npm run dev`; a deploy's are applied by wrangler.
 */
export async function migrate(database: D1Database, migrations: readonly Migration[]): Promise<void> {
	await database
		.prepare(
			"CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
		)
		.run();
	const { results } = await database.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
	const applied = new Set(results.map(({ name }) => name));
	for (const { name, statements } of migrations) {
		if (applied.has(name)) continue;
		await database.batch([
			...statements.map((statement) => database.prepare(statement)),
			database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
		]);
	}
}
