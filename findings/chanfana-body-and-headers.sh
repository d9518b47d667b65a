#!/bin/sh
# chanfana 3.4.0 with hono 4.13.19 and zod 4.6.7, seen on 2026-11-30.
# Guess: a route whose schema has a JSON body answers 400 to text that is not JSON; a header that the schema calls optional may be left out; a
#        list of numbers in the query is read as a number in the query is.
# Fact:  what cannot be parsed is an empty object: where each field has a default or is optional, it is carried out as if nothing had been asked for.
#        An optional header that is left out is 400 (it is null, and has to be `.nullish()`), and a list of numbers is always 400.
# Seen:  body {"count":3}: 200 {"count":3}
#        body {"count":3: 200 {"count":1}
#        optional header sent: 200 {"x-trace":"a"}
#        optional header left out: 400
#        query number=3: 200 {"number":3}
#        query numbers=3&numbers=4: 400
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund chanfana@3.4.0 hono@4.13.19 zod@4.6.7 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { contentJson, fromHono, OpenAPIRoute } from "chanfana";
import { Hono } from "hono";
import { z } from "zod";
const app = fromHono(new Hono());
const route = (part, request) =>
	class extends OpenAPIRoute {
		schema = { request };
		async handle() {
			return (await this.getValidatedData())[part];
		}
	};
app.post("/body", route("body", { body: contentJson(z.object({ count: z.number().default(1) })) }));
app.get("/headers", route("headers", { headers: z.object({ "x-trace": z.string().optional() }) }));
app.get("/query", route("query", { query: z.object({ number: z.number().optional(), numbers: z.array(z.number()).optional() }) }));
const seen = [];
const ask = async (name, path, init = {}) => {
	const answer = await app.fetch(new Request(`http://a.test${path}`, init));
	seen.push(`${name}: ${answer.status}${answer.ok ? ` ${await answer.text()}` : ""}`);
};
const send = (body) => ask(`body ${body}`, "/body", { method: "POST", headers: { "content-type": "application/json" }, body });
await send('{"count":3}');
await send('{"count":3');
await ask("optional header sent", "/headers", { headers: { "x-trace": "a" } });
await ask("optional header left out", "/headers");
await ask("query number=3", "/query?number=3");
await ask("query numbers=3&numbers=4", "/query?numbers=3&numbers=4");
console.log(seen.join("\n"));
const stated = [
	'body {"count":3}: 200 {"count":3}',
	'body {"count":3: 200 {"count":1}',
	'optional header sent: 200 {"x-trace":"a"}',
	"optional header left out: 400",
	'query number=3: 200 {"number":3}',
	"query numbers=3&numbers=4: 400",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node seen.mjs
echo "as stated"
