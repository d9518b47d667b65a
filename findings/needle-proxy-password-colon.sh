#!/bin/sh
# needle 3.5.0 (npm), Node 20 and 24, seen 2026-11-29.
# Guess: a proxy URL with a percent-encoded password, http://user:p%40ss%2Fw%3Ard@host, gives the proxy the password "p@ss/w:rd".
# Happens: needle decodes first and splits at colons then, so the password ends at its own colon: the proxy is sent user:p@ss/w.
# Output seen: sent: user:p@ss/w
set -eu
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
npm install --prefix "$work" --no-audit --no-fund --silent needle@3.5.0
cat >"$work/try.cjs" <<'PROGRAM'
const http = require("node:http");
const proxy = http.createServer((request, response) => {
	const login = (request.headers["proxy-authorization"] ?? "").replace("Basic ", "");
	console.log(`sent: ${Buffer.from(login, "base64")}`);
	response.end("ok");
});
proxy.listen(0, "127.0.0.1", async () => {
	const url = `http://user:p%40ss%2Fw%3Ard@127.0.0.1:${proxy.address().port}`;
	await require("needle")("get", "http://example.test/", { proxy: url });
	proxy.close();
	proxy.closeAllConnections();
});
PROGRAM
seen="$(node "$work/try.cjs")"
echo "$seen"
[ "$seen" = "sent: user:p@ss/w" ]
