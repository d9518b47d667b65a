#!/bin/sh
# Node 24.21.0 (its own undici 7.29.1) with squid 5.7 (Debian 12), seen on 2026-11-29.
# Guess: with NODE_USE_ENV_PROXY=1, `fetch("http://…")` asks the proxy for the URL, as `http.get` does in the same process (RFC 9112, 3.2.2).
# Fact:  it asks for a tunnel (CONNECT) to the site's port 80. A proxy that lets CONNECT through to port 443 only, as Debian's squid does
#        unless told otherwise, refuses it, and `fetch` fails where http.get and every other client work. undici 8, installed, asks for the URL.
# Seen:  http.get: GET http://site.test/
#        fetch: CONNECT site.test:80
#        through Debian's squid: http.get 200, fetch fails
set -eu
[ -x /usr/sbin/squid ] || apt-get install -qq -y --no-install-recommends squid
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 >/dev/null 2>&1
cat >ask.cjs <<'JS'
const [url] = process.argv.slice(2);
const get = () => new Promise((resolve) => require("node:http").get(url, (answer) => resolve(String(answer.resume().statusCode))).on("error", () => resolve("fails")));
(async () => {
	console.log(await get());
	console.log(await fetch(url).then(({ status }) => String(status), () => "fails"));
})();
JS
cat >seen.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
const ask = async (url, proxy) => {
	const env = { NODE_USE_ENV_PROXY: "1", HTTP_PROXY: `http://127.0.0.1:${proxy}` };
	const child = spawn(process.execPath, ["ask.cjs", url], { env, stdio: ["ignore", "pipe", "inherit"] });
	let output = "";
	for await (const data of child.stdout) output += data;
	return output.trim().split("\n");
};
const asked = [];
const own = createServer(({ method, url }, answer) => {
	asked.push(`${method} ${url}`);
	answer.end();
});
own.on("connect", ({ url }, socket) => {
	asked.push(`CONNECT ${url}`);
	socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
});
await once(own.listen(0, "127.0.0.1"), "listening");
await ask("http://site.test/", own.address().port);
own.close();
console.log(`http.get: ${asked[0]}\nfetch: ${asked[1]}`);

// squid with the rules of Debian's package, on a port of its own.
const site = createServer((_, answer) => answer.end("ok"));
await once(site.listen(0, "127.0.0.1"), "listening");
const free = createServer();
await once(free.listen(0, "127.0.0.1"), "listening");
const { port } = free.address();
await new Promise((resolve) => free.close(resolve));
const rules = readFileSync("/etc/squid/squid.conf", "utf8").split("\n").filter((line) => /^(acl|http_access) /.test(line));
const settings = [`http_port 127.0.0.1:${port}`, "pid_filename none", "access_log none", "cache_log /dev/null", "shutdown_lifetime 0 seconds"];
writeFileSync("squid.conf", `${[...settings, ...rules].join("\n")}\n`);
const squid = spawn("/usr/sbin/squid", ["-N", "-f", "squid.conf"], { stdio: "ignore" });
let answers = [];
try {
	for (let tries = 0; tries < 200; tries++) {
		const socket = connect(port, "127.0.0.1");
		const isUp = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false, () => false)]).catch(() => false);
		socket.destroy();
		if (isUp) break;
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	answers = await ask(`http://127.0.0.1:${site.address().port}/`, port);
} finally {
	squid.kill();
	site.close();
}
console.log(`through Debian's squid: http.get ${answers[0]}, fetch ${answers[1]}`);
const isSo = asked.join() === "GET http://site.test/,CONNECT site.test:80" && answers.join() === "200,fails";
process.exit(isSo ? 0 : 1);
JS
node_modules/.bin/node seen.mjs
echo "as stated"
