#!/bin/sh
# Node 24.21.0 with NODE_USE_ENV_PROXY=1, superagent 10.4.2, ws 8.23.0, @aws-sdk/client-ec2 3.1169.0, node-fetch 3.3.2, got 16.1.0, seen on 2026-11-29.
# Guess: with that variable whatever a program asks over node:http, itself or by a library, goes through HTTP_PROXY, and all the more what
#        chooses no agent.
# Fact:  only what uses the global agent does. `agent: false`, an `http.Agent` of one's own, and so superagent, ws and the AWS SDK go to the
#        site directly, without a word: it sees the own address. Such a library needs an agent that is told (`new http.Agent({ proxyEnv })`).
# Seen:  http.get: proxy
#        http.get, agent false: direct
#        http.get, agent of its own: direct
#        http.get, agent with proxyEnv: proxy
#        node-fetch: proxy
#        got: proxy
#        superagent: direct
#        ws: direct
#        AWS SDK: direct
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund superagent@10.4.2 ws@8.23.0 @aws-sdk/client-ec2@3.1169.0 node-fetch@3.3.2 got@16.1.0 \
	node@24.21.0 >/dev/null 2>&1
npm rebuild --silent node >/dev/null 2>&1
cat >ask.mjs <<'JS'
import { once } from "node:events";
import http from "node:http";
const [which, url] = process.argv.slice(2);
const get = (options) => once(http.get(url, options), "response");
const asks = {
	"http.get": () => get({}),
	"http.get, agent false": () => get({ agent: false }),
	"http.get, agent of its own": () => get({ agent: new http.Agent() }),
	"http.get, agent with proxyEnv": () => get({ agent: new http.Agent({ proxyEnv: process.env }) }),
	"node-fetch": async () => (await import("node-fetch")).default(url),
	got: async () => (await import("got")).default(url, { retry: { limit: 0 } }),
	superagent: async () => (await import("superagent")).default.get(url),
	ws: async () => once(new (await import("ws")).WebSocket(url.replace("http", "ws")), "open"),
	"AWS SDK": async () => {
		const { EC2Client, DescribeVpcsCommand } = await import("@aws-sdk/client-ec2");
		const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
		return new EC2Client({ endpoint: url, region: "eu-west-2", credentials, maxAttempts: 1 }).send(new DescribeVpcsCommand({}));
	},
};
await asks[which]().catch(() => {});
process.exit(0);
JS
cat >seen.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
let seen = new Set();
const listening = async (name) => {
	const server = createServer((_, answer) => {
		seen.add(name);
		answer.end();
	});
	for (const event of ["connect", "upgrade"]) server.on(event, (_, socket) => {
		seen.add(name);
		socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
	});
	await once(server.listen(0, "127.0.0.1"), "listening");
	return `http://127.0.0.1:${server.address().port}/`;
};
const [proxy, site] = [await listening("proxy"), await listening("direct")];
const stated = {
	"http.get": "proxy",
	"http.get, agent false": "direct",
	"http.get, agent of its own": "direct",
	"http.get, agent with proxyEnv": "proxy",
	"node-fetch": "proxy",
	got: "proxy",
	superagent: "direct",
	ws: "direct",
	"AWS SDK": "direct",
};
const env = { PATH: process.env.PATH, HOME: process.cwd(), NODE_USE_ENV_PROXY: "1", HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
for (const [which, way] of Object.entries(stated)) {
	seen = new Set();
	await once(spawn(process.execPath, ["--no-warnings", "ask.mjs", which, site], { env, stdio: "ignore" }), "exit");
	console.log(`${which}: ${[...seen].join(" and ") || "nowhere"}`);
	if ([...seen].join() !== way) process.exitCode = 1;
}
process.exit();
JS
node_modules/.bin/node seen.mjs
echo "as stated"
