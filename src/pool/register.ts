import { type Compared, compared, type Look, NOTHING_KNOWN, type Register } from "../rpc/register.ts";
import { fitting } from "./store.ts";

/** The register in its object's storage: one row, written only where it changes. */
export function compareStored({ sql }: DurableObjectStorage, look: Look): Compared {
	sql.exec("CREATE TABLE IF NOT EXISTS register (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL)");
	const row = sql.exec<{ json: string }>("SELECT json FROM register").toArray()[0];
	const comparison = compared(row === undefined ? NOTHING_KNOWN : (JSON.parse(row.json) as Register), look);
	sql.exec(
		"INSERT INTO register (one, json) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET json = excluded.json WHERE json IS NOT excluded.json",
		fitting("register", JSON.stringify(comparison.register)),
	);
	return comparison;
}
