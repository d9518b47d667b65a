#!/bin/sh
# A Durable Object's SQL in workerd 1.20260730.1 (miniflare 4.20260730.0), seen on 2026-11-30.
# Guess: what an INSERT, UPDATE or DELETE does is done when `sql.exec` returns; with RETURNING one reads as many of its rows as one wants:
#        `const [first] = sql.exec("UPDATE … RETURNING …")`.
# Fact:  as long as rows are left unread, the statement is not over, and nothing of this turn can be committed. The call rejects with "internal
#        error", long after the line at fault; the object begins anew, and all that was written in the turn, by other statements too, is gone.
#        Each row has to be read (`toArray()`), also of a statement that is to write one row and wrote two. A SELECT may be left unread.
# Seen:  UPDATE … RETURNING, both rows read: resolves, 3 rows kept
#        SELECT, one row of two read: resolves, 3 rows kept
#        UPDATE … RETURNING, one row of two read: rejects, 2 rows kept
#        DELETE … RETURNING, one row of two read: rejects, 2 rows kept
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
export class Store extends DurableObject {
	prepare() {
		this.ctx.storage.sql.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, is_paid INTEGER)");
		this.ctx.storage.sql.exec("INSERT INTO orders VALUES (1, 0), (2, 0)");
	}
	run(statement, isAll) {
		this.ctx.storage.sql.exec("INSERT INTO orders VALUES (3, 1)");
		const rows = this.ctx.storage.sql.exec(statement);
		return isAll ? rows.toArray().length : rows.next().value.id;
	}
	count() {
		return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM orders").one().n;
	}
}
export default {
	async fetch(request, env) {
		const { name, statement, isAll } = await request.json();
		await env.STORE.getByName(name).prepare();
		const told = await env.STORE.getByName(name).run(statement, isAll).then(() => "resolves", () => "rejects");
		return new Response(told + ", " + (await env.STORE.getByName(name).count()) + " rows kept");
	},
};`;
const durableObjects = { STORE: { className: "Store", useSQLite: true } };
const handleRuntimeStdio = (...streams) => streams.forEach((stream) => stream.resume()); // It logs the failed commit.
const miniflare = new Miniflare({ modules: true, script, compatibilityDate: "2026-07-01", durableObjects, handleRuntimeStdio });
const seen = [];
for (const [name, statement, isAll] of [
	["UPDATE … RETURNING, both rows read", "UPDATE orders SET is_paid = 1 WHERE is_paid = 0 RETURNING id", true],
	["SELECT, one row of two read", "SELECT id FROM orders WHERE is_paid = 0", false],
	["UPDATE … RETURNING, one row of two read", "UPDATE orders SET is_paid = 1 WHERE is_paid = 0 RETURNING id", false],
	["DELETE … RETURNING, one row of two read", "DELETE FROM orders WHERE is_paid = 0 RETURNING id", false],
]) {
	const answer = await miniflare.dispatchFetch("http://lab/", { method: "POST", body: JSON.stringify({ name, statement, isAll }) });
	seen.push(`${name}: ${await answer.text()}`);
}
await miniflare.dispose();
console.log(seen.join("\n"));
const stated = [
	"UPDATE … RETURNING, both rows read: resolves, 3 rows kept",
	"SELECT, one row of two read: resolves, 3 rows kept",
	"UPDATE … RETURNING, one row of two read: rejects, 2 rows kept",
	"DELETE … RETURNING, one row of two read: rejects, 2 rows kept",
];
const isSo = seen.join() === stated.join();
console.log(isSo ? "as stated" : "not as stated");
process.exit(isSo ? 0 : 1);
JS
node_modules/.bin/node lab.mjs
