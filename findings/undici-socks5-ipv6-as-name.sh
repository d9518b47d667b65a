#!/bin/sh
# undici 8.13.1 (Node 24.21.0) with microsocks 1.0.3 (Debian 12), seen on 2026-11-29.
# Guess: for http://[::1]:P/ Socks5ProxyAgent asks a SOCKS5 proxy for the IPv6 address, 16 bytes of address type 4 (RFC 1928, 5), as curl and
#        socks-proxy-agent do.
# Fact:  it asks for a host name (type 3) whose text is "[::1]", brackets and all. No resolver knows that: sites named by an IPv6 address are out
#        of reach, with "General SOCKS server failure". IPv4 addresses go as type 1.
# Seen:  curl: type 4, 00000000000000000000000000000001
#        undici, [::1]: type 3, "[::1]"
#        undici, 127.0.0.1: type 1, 7f000001
#        through microsocks: curl ok, undici fails
set -eu
command -v curl >/dev/null || apt-get install -qq -y --no-install-recommends curl
command -v microsocks >/dev/null || apt-get install -qq -y --no-install-recommends microsocks
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund undici@8.13.1 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { connect, createServer } from "node:net";
import { fetch, Socks5ProxyAgent } from "undici";
const site = http.createServer((_, answer) => answer.end("ok"));
await once(site.listen(0, "::1"), "listening");
const { port } = site.address();
let told = "nothing";
const proxy = createServer((client) => {
	client.on("error", () => {}).once("data", () => {
		client.write(Buffer.from([5, 0])); // No credentials.
		client.once("data", (data) => {
			const address = data[3] === 3 ? JSON.stringify(data.toString("latin1", 5, 5 + data[4])) : data.toString("hex", 4, data.length - 2);
			told = `type ${data[3]}, ${address}`;
			client.end(Buffer.from([5, 1, 0, 1, 0, 0, 0, 0, 0, 0])); // It goes nowhere.
		});
	});
});
await once(proxy.listen(0, "127.0.0.1"), "listening");
const byCurl = async (at, url) => {
	const child = spawn("curl", ["-q", "--silent", "--globoff", "--noproxy", "", "--max-time", "20", "-x", `socks5h://127.0.0.1:${at}`, url]);
	let output = "";
	for await (const data of child.stdout) output += data;
	return output || "fails";
};
const byUndici = (at, url) =>
	fetch(url, { dispatcher: new Socks5ProxyAgent(`socks5://127.0.0.1:${at}`) }).then((answer) => answer.text(), () => "fails");
const seen = [];
const own = proxy.address().port;
for (const [name, ask, host] of [["curl", byCurl, "[::1]"], ["undici, [::1]", byUndici, "[::1]"], ["undici, 127.0.0.1", byUndici, "127.0.0.1"]]) {
	told = "nothing";
	await ask(own, `http://${host}:${port}/`);
	seen.push(`${name}: ${told}`);
}
const free = createServer();
await once(free.listen(0, "127.0.0.1"), "listening");
const at = free.address().port;
await new Promise((resolve) => free.close(resolve));
const microsocks = spawn("microsocks", ["-i", "127.0.0.1", "-p", String(at)], { stdio: "ignore" });
try {
	for (let tries = 0; tries < 200; tries++) {
		const isUp = await new Promise((resolve) => {
			const socket = connect(at, "127.0.0.1");
			socket.on("connect", () => resolve(true)).on("error", () => resolve(false)).on("connect", () => socket.destroy());
		});
		if (isUp) break;
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	const url = `http://[::1]:${port}/`;
	seen.push(`through microsocks: curl ${await byCurl(at, url)}, undici ${await byUndici(at, url)}`);
} finally {
	microsocks.kill();
}
console.log(seen.join("\n"));
const stated = [
	"curl: type 4, 00000000000000000000000000000001",
	'undici, [::1]: type 3, "[::1]"',
	"undici, 127.0.0.1: type 1, 7f000001",
	"through microsocks: curl ok, undici fails",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node --no-warnings seen.mjs
echo "as stated"
