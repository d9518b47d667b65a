#!/bin/sh
# D1 and a Durable Object's SQL in workerd 1.20260426.1 (miniflare 4.20260426.0; with 1.20261117.1 alike), seen on 2026-11-29.
# Guess: 100 rows found by their primary key are 100 rows read, however the keys are given; and since an index makes each insert two rows
#        written, it makes each delete two as well.
# Fact:  the way that the list takes is counted too: IN (?, ?, …) twice, a join with json_each twice, IN (SELECT … FROM json_each(?)), the
#        known way around the limit of 100 parameters, three times, and five times where it is an UPDATE's. Only OR and a join with VALUES
#        read what they find. A delete writes one row, whatever the indexes. The counts are `meta` of D1 and `rowsRead` of the object's cursor,
#        by which both are billed.
# Seen (100 keys, a table of 1,000 rows with one index more; rows read, rows written):
#        SELECT, id IN (?, …)                      200    0
#        SELECT, 50 times OR, twice                100    0
#        SELECT, join with VALUES                  100    0
#        SELECT, join with json_each               200    0
#        SELECT, id IN (SELECT … json_each)        300    0
#        UPDATE, id IN (?, …)                      200  100
#        UPDATE, id IN (SELECT … json_each)        500  100
#        INSERT of 100                             100  200
#        DELETE, id IN (?, …)                      200  100
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund miniflare@4.20260426.0 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { Miniflare } from "miniflare";
const script = `
import { DurableObject } from "cloudflare:workers";
export class Store extends DurableObject {
	run(statements) {
		return statements.map(([text, values]) => {
			const cursor = this.ctx.storage.sql.exec(text, ...values);
			cursor.toArray();
			return [cursor.rowsRead, cursor.rowsWritten];
		});
	}
}
export default {
	async fetch(request, env) {
		const statements = await request.json();
		const inObject = await env.STORE.getByName("a").run(statements);
		const inD1 = [];
		for (const [text, values] of statements) {
			const { meta } = await env.DB.prepare(text).bind(...values).all();
			inD1.push([meta.rows_read, meta.rows_written]);
		}
		return Response.json({ inObject, inD1 });
	},
};`;
const durableObjects = { STORE: { className: "Store", useSQLite: true } };
const miniflare = new Miniflare({ modules: true, script, compatibilityDate: "2026-01-01", durableObjects, d1Databases: { DB: "db" } });
const run = async (statements) => (await miniflare.dispatchFetch("http://lab/", { method: "POST", body: JSON.stringify(statements) })).json();
await run([
	["CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, v)", []],
	["INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, 'n' || i, 1 FROM n", []],
]);
const ids = Array.from({ length: 100 }, (_, index) => index * 7 + 1);
const marks = ids.map(() => "?").join();
const [either, other] = [ids.slice(0, 50), ids.slice(50)].map((half) => [`SELECT v FROM t WHERE ${half.map(() => "id = ?").join(" OR ")}`, half]);
const list = [JSON.stringify(ids)];
const asked = [
	["SELECT, id IN (?, …)", [200, 0], [`SELECT v FROM t WHERE id IN (${marks})`, ids]],
	["SELECT, 50 times OR, twice", [100, 0], either, other],
	["SELECT, join with VALUES", [100, 0], [`SELECT v FROM (VALUES ${ids.map(() => "(?)").join()}) AS k JOIN t ON t.id = k.column1`, ids]],
	["SELECT, join with json_each", [200, 0], ["SELECT v FROM json_each(?) AS k JOIN t ON t.id = k.value", list]],
	["SELECT, id IN (SELECT … json_each)", [300, 0], ["SELECT v FROM t WHERE id IN (SELECT value FROM json_each(?))", list]],
	["UPDATE, id IN (?, …)", [200, 100], [`UPDATE t SET v = 2 WHERE id IN (${marks})`, ids]],
	["UPDATE, id IN (SELECT … json_each)", [500, 100], ["UPDATE t SET v = 3 WHERE id IN (SELECT value FROM json_each(?))", list]],
	["INSERT of 100", [100, 200], [`INSERT INTO t VALUES ${ids.map((id) => `(${id + 5000}, 'm${id}', 1)`).join()}`, []]],
	["DELETE, id IN (?, …)", [200, 100], [`DELETE FROM t WHERE id IN (${marks})`, ids]],
];
let isSo = true;
for (const [name, stated, ...statements] of asked) {
	const { inObject, inD1 } = await run(statements);
	const sum = (counts) => counts.reduce(([read, written], [r, w]) => [read + r, written + w], [0, 0]);
	const [seen, d1] = [sum(inObject), sum(inD1)];
	console.log(`${name.padEnd(40)} ${String(seen[0]).padStart(4)} ${String(seen[1]).padStart(4)}`);
	isSo &&= seen.join() === stated.join() && d1.join() === stated.join();
}
await miniflare.dispose();
process.exit(isSo ? 0 : 1);
JS
node_modules/.bin/node seen.mjs
echo "as stated"
