#!/bin/sh
# hono 4.13.19, seen on 2026-11-30.
# Guess: what a middleware sets with `c.header()` is in the answer, whether before or after `await next()`, and whether the handler answers with
#        `c.text()` or with a Response of its own (what fetch gave, or a library).
# Fact:  what is set before is dropped where the handler returns a Response, without a word: a Cache-Control, a cookie, a security header. It stays
#        where something read `c.res` before, as hono/cors does, and in 404s and errors, so that one more middleware changes it.
# Seen (the header is set before `next`):
#        c.text(): kept
#        Response: dropped
#        Response, set after next: kept
#        Response, hono/cors before: kept
#        HTTPException with a Response: kept
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund hono@4.13.19 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
const before = async (c, next) => {
	c.header("cache-control", "no-store");
	await next();
};
const after = async (c, next) => {
	await next();
	c.header("cache-control", "no-store");
};
const raw = () => new Response("ok");
const fail = () => {
	throw new HTTPException(400, { res: new Response("no", { status: 400 }) });
};
const seen = [];
for (const [name, middleware, handler] of [
	["c.text()", [before], (c) => c.text("ok")],
	["Response", [before], raw],
	["Response, set after next", [after], raw],
	["Response, hono/cors before", [cors(), before], raw],
	["HTTPException with a Response", [before], fail],
]) {
	const app = new Hono();
	app.use(...middleware);
	app.get("/", handler);
	const answer = await app.request("/");
	seen.push(`${name}: ${answer.headers.get("cache-control") === "no-store" ? "kept" : "dropped"}`);
}
console.log(seen.join("\n"));
const stated = [
	"c.text(): kept",
	"Response: dropped",
	"Response, set after next: kept",
	"Response, hono/cors before: kept",
	"HTTPException with a Response: kept",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node seen.mjs
echo "as stated"
