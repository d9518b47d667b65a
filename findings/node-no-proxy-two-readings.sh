#!/bin/sh
# Node 24.21.0 (its own undici 7), with NODE_USE_ENV_PROXY=1, seen on 2026-11-29.
# Guess: one process reads one NO_PROXY in one way: what `http.get` takes past the proxy, `fetch` does too.
# Fact:  they are two readers. Of the eight below they agree on two. `::1` counts for http.get only and `[::1]` for fetch only; ranges of
#        addresses and a `*` in a list for http.get only; names apart by a space, and subdomains of a bare name, for fetch only. Depending on
#        which of the two a library uses, the proxy is passed by (the own address leaks) or asked for what it cannot reach.
# Seen:  localhost              for localhost       http.get direct  fetch direct
#        localhost:80           for localhost       http.get proxy   fetch proxy
#        ::1                    for [::1]           http.get direct  fetch proxy
#        [::1]                  for [::1]           http.get proxy   fetch direct
#        127.0.0.1-127.0.0.9    for 127.0.0.1       http.get direct  fetch proxy
#        a,*                    for localhost       http.get direct  fetch proxy
#        a localhost            for localhost       http.get proxy   fetch direct
#        localhost              for sub.localhost   http.get proxy   fetch direct
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 >/dev/null 2>&1
cat >ask.cjs <<'JS'
// Whether the proxy, or the site itself, is spoken to. Every name means this machine.
require("node:dns").lookup = (name, options, done) => {
	const answer = { address: "127.0.0.1", family: 4 };
	const call = typeof options === "function" ? options : done;
	if (options?.all) call(null, [answer]);
	else call(null, answer.address, answer.family);
};
const [url] = process.argv.slice(2);
require("node:http").get(url, (answer) => {
	answer.on("data", (data) => console.log(`http.get ${data}`)).on("end", () =>
		fetch(url)
			.then((response) => response.text(), () => "proxy")
			.then((text) => console.log(`fetch ${text}`)),
	);
});
JS
cat >seen.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
const proxy = createServer((_, answer) => answer.end("proxy"));
proxy.on("connect", (_, socket) => socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
const site = createServer((_, answer) => answer.end("direct"));
await once(proxy.listen(0, "127.0.0.1"), "listening");
await once(site.listen(0, "::"), "listening");
const asked = [
	["localhost", "localhost", "direct direct"],
	["localhost:80", "localhost", "proxy proxy"],
	["::1", "[::1]", "direct proxy"],
	["[::1]", "[::1]", "proxy direct"],
	["127.0.0.1-127.0.0.9", "127.0.0.1", "direct proxy"],
	["a,*", "localhost", "direct proxy"],
	["a localhost", "localhost", "proxy direct"],
	["localhost", "sub.localhost", "proxy direct"],
];
for (const [list, host, stated] of asked) {
	const env = { NODE_USE_ENV_PROXY: "1", HTTP_PROXY: `http://127.0.0.1:${proxy.address().port}`, NO_PROXY: list };
	const child = spawn(process.execPath, ["ask.cjs", `http://${host}:${site.address().port}/`], { env, stdio: ["ignore", "pipe", "inherit"] });
	let output = "";
	for await (const data of child.stdout) output += data;
	const [, byGet, byFetch] = /http\.get (\w+)\nfetch (\w+)/.exec(output) ?? [];
	console.log(`${list.padEnd(22)} for ${host.padEnd(15)} http.get ${String(byGet).padEnd(7)} fetch ${byFetch}`);
	if (`${byGet} ${byFetch}` !== stated) process.exitCode = 1;
}
proxy.close();
site.close();
JS
node_modules/.bin/node seen.mjs
echo "as stated"
