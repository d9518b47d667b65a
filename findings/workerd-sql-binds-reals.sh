#!/bin/sh
# D1 and a Durable Object's SQL in workerd 1.20260730.1 (miniflare 4.20260730.0), seen on 2026-11-30.
# Guess: a whole number that is bound is an INTEGER of SQLite, as with better-sqlite3's bigints or Python; and `true` is 1 in both, or an error.
# Fact:  every number is bound as a REAL. A column declared INTEGER turns it back; wherever none does, ".0" is in the text: a TEXT column keeps "3.0",
#        'vm-' || ? is "vm-5.0", json_array(?) "[5.0]", '$[' || ? || ']' no path, and ? / 2 is no whole division. CAST(? AS INTEGER) helps.
#        `true` is 1 in D1, and in a Durable Object the text "true": neither equal to 1 nor true in a condition.
# Seen (D1, then the object):
#        TEXT column of 3: 3.0, 3.0
#        INTEGER column of 3: integer, integer
#        'vm-' || 5: vm-5.0, vm-5.0
#        'vm-' || CAST(5 AS INTEGER): vm-5, vm-5
#        json_array(5): [5.0], [5.0]
#        5 / 2: 2.5, 2.5
#        true: 1, true
#        CASE WHEN true: yes, no
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund miniflare@4.20260730.0 node@24.21.0 >/dev/null 2>&1
cat >lab.mjs <<'JS'
import { Miniflare } from "miniflare";
const script = `
import { DurableObject } from "cloudflare:workers";
const prepare = ["CREATE TABLE kept (text TEXT, whole INTEGER)", "INSERT INTO kept VALUES (?1, ?1)"];
const asked = [
	["TEXT column of 3", "SELECT text AS is_so FROM kept"],
	["INTEGER column of 3", "SELECT typeof(whole) AS is_so FROM kept"],
	["'vm-' || 5", "SELECT 'vm-' || ? AS is_so", 5],
	["'vm-' || CAST(5 AS INTEGER)", "SELECT 'vm-' || CAST(? AS INTEGER) AS is_so", 5],
	["json_array(5)", "SELECT json_array(?) AS is_so", 5],
	["5 / 2", "SELECT ? / 2 AS is_so", 5],
	["true", "SELECT ? AS is_so", true],
	["CASE WHEN true", "SELECT CASE WHEN ? THEN 'yes' ELSE 'no' END AS is_so", true],
];
export class Store extends DurableObject {
	seen() {
		const { sql } = this.ctx.storage;
		sql.exec(prepare[0]);
		sql.exec(prepare[1], 3);
		return asked.map(([name, statement, ...bound]) => [name, sql.exec(statement, ...bound).one().is_so]);
	}
}
export default {
	async fetch(_, env) {
		await env.DB.prepare(prepare[0]).run();
		await env.DB.prepare(prepare[1]).bind(3).run();
		const object = await env.STORE.getByName("a").seen();
		const lines = [];
		for (const [i, [name, statement, ...bound]] of asked.entries()) {
			lines.push(name + ": " + (await env.DB.prepare(statement).bind(...bound).first("is_so")) + ", " + object[i][1]);
		}
		return Response.json(lines);
	},
};`;
const durableObjects = { STORE: { className: "Store", useSQLite: true } };
const miniflare = new Miniflare({ modules: true, script, compatibilityDate: "2026-07-01", durableObjects, d1Databases: ["DB"] });
const seen = await (await miniflare.dispatchFetch("http://lab/")).json();
await miniflare.dispose();
console.log(seen.join("\n"));
const stated = [
	"TEXT column of 3: 3.0, 3.0",
	"INTEGER column of 3: integer, integer",
	"'vm-' || 5: vm-5.0, vm-5.0",
	"'vm-' || CAST(5 AS INTEGER): vm-5, vm-5",
	"json_array(5): [5.0], [5.0]",
	"5 / 2: 2.5, 2.5",
	"true: 1, true",
	"CASE WHEN true: yes, no",
];
const isSo = seen.join() === stated.join();
console.log(isSo ? "as stated" : "not as stated");
process.exit(isSo ? 0 : 1);
JS
node_modules/.bin/node lab.mjs
