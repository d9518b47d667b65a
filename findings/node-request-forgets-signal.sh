#!/bin/sh
# Node 24.21.0 (its own undici 7.29.1), undici 8.13.1, openapi-fetch 0.17.0, seen on 2026-11-30.
# Guess: `fetch(new Request(url, { signal }))` ends when the signal aborts, as `fetch(url, { signal })` does, be it a time limit or a controller's.
# Fact:  it does until the garbage collector runs. The Request alone ties its own signal to the one given, and fetch lets go of it: once it is
#        collected, the abort reaches nobody, and a site that stays silent holds the call for as long. To keep the signal does not help, to keep the
#        Request does, as openapi-fetch happens to do. A small test passes; a busy program, which collects all the time, loses its time limits.
# Seen (limit 0.5 s, the site never answers; with the collector run meanwhile, and without):
#        fetch(url, { signal }): collected TimeoutError, else TimeoutError
#        fetch(new Request(url, { signal })): collected still waiting, else TimeoutError
#        the same, signal kept: collected still waiting, else TimeoutError
#        the same, Request kept: collected TimeoutError, else TimeoutError
#        openapi-fetch: collected TimeoutError, else TimeoutError
#        undici 8's Request and fetch: collected TimeoutError, else TimeoutError
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund undici@8.13.1 openapi-fetch@0.17.0 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import createClient from "openapi-fetch";
import * as undici from "undici";
const site = createServer(() => {}); // It takes the request, and never answers.
await once(site.listen(0, "127.0.0.1"), "listening");
const url = `http://127.0.0.1:${site.address().port}`;
const limit = () => AbortSignal.timeout(500);
const kept = [];
const keep = (object) => {
	kept.push(object);
	return object;
};
const seen = [];
for (const [name, ask] of [
	["fetch(url, { signal })", () => fetch(url, { signal: limit() })],
	["fetch(new Request(url, { signal }))", () => fetch(new Request(url, { signal: limit() }))],
	["the same, signal kept", () => fetch(new Request(url, { signal: keep(limit()) }))],
	["the same, Request kept", () => fetch(keep(new Request(url, { signal: limit() })))],
	["openapi-fetch", () => createClient({ baseUrl: url }).GET("/", { signal: limit() })],
	["undici 8's Request and fetch", () => undici.fetch(new undici.Request(url, { signal: limit() }))],
]) {
	const told = [];
	for (const isCollected of [true, false]) {
		const ended = ask().then(
			() => "answered",
			(error) => error.name,
		);
		for (let i = 0; i < 20; i++) {
			await pause(20);
			if (isCollected) globalThis.gc();
		}
		told.push(await Promise.race([ended, pause(3000, "still waiting")]));
	}
	seen.push(`${name}: collected ${told[0]}, else ${told[1]}`);
}
console.log(seen.join("\n"));
const stated = [
	"fetch(url, { signal }): collected TimeoutError, else TimeoutError",
	"fetch(new Request(url, { signal })): collected still waiting, else TimeoutError",
	"the same, signal kept: collected still waiting, else TimeoutError",
	"the same, Request kept: collected TimeoutError, else TimeoutError",
	"openapi-fetch: collected TimeoutError, else TimeoutError",
	"undici 8's Request and fetch: collected TimeoutError, else TimeoutError",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node --expose-gc --no-warnings seen.mjs
echo "as stated"
