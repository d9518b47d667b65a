#!/bin/sh
# D1 in workerd 1.20260730.1 (miniflare 4.20260730.0), seen on 2026-11-30.
# Guess: `meta.changes` of an UPDATE is the count of rows that it updated, as SQLite's changes() is, which leaves out what triggers do.
# Fact:  what triggers write counts too. With a trigger that notes each change, or that sets a time, "one row was changed, so the lease is mine" as
#        `meta.changes === 1` is never true again, and a row that was changed looks like two. changes(), asked in the same batch, tells the count.
# Seen:  UPDATE of 1 row: meta.changes 1, changes() 1
#        with a trigger that notes it: meta.changes 2, changes() 1
#        with that, INSERT … ON CONFLICT DO UPDATE: meta.changes 2, changes() 1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund miniflare@4.20260730.0 node@24.21.0 >/dev/null 2>&1
cat >lab.mjs <<'JS'
import { Miniflare } from "miniflare";
const script = "export default { fetch: () => new Response() };";
const miniflare = new Miniflare({ modules: true, script, compatibilityDate: "2026-07-01", d1Databases: ["DB"] });
const db = await miniflare.getD1Database("DB");
await db.batch([
	db.prepare("CREATE TABLE leases (id INTEGER PRIMARY KEY, owner TEXT)"),
	db.prepare("CREATE TABLE notes (id INTEGER, owner TEXT)"),
	db.prepare("INSERT INTO leases VALUES (1, NULL), (2, NULL)"),
]);
const seen = [];
const see = async (name, statement) => {
	const [{ meta }, { results }] = await db.batch([db.prepare(statement), db.prepare("SELECT changes() AS count")]);
	seen.push(`${name}: meta.changes ${meta.changes}, changes() ${results[0].count}`);
};
await see("UPDATE of 1 row", "UPDATE leases SET owner = 'a' WHERE id = 1");
await db
	.prepare("CREATE TRIGGER note AFTER UPDATE ON leases BEGIN INSERT INTO notes VALUES (new.id, new.owner); END")
	.run();
await see("with a trigger that notes it", "UPDATE leases SET owner = 'b' WHERE id = 1");
await see("with that, INSERT … ON CONFLICT DO UPDATE", "INSERT INTO leases VALUES (1, 'c') ON CONFLICT DO UPDATE SET owner = 'c'");
await miniflare.dispose();
console.log(seen.join("\n"));
const stated = [
	"UPDATE of 1 row: meta.changes 1, changes() 1",
	"with a trigger that notes it: meta.changes 2, changes() 1",
	"with that, INSERT … ON CONFLICT DO UPDATE: meta.changes 2, changes() 1",
];
const isSo = seen.join() === stated.join();
console.log(isSo ? "as stated" : "not as stated");
process.exit(isSo ? 0 : 1);
JS
node_modules/.bin/node lab.mjs
