#!/bin/sh
# Node 24.21.0's own proxy support, axios 1.21.1, got 16.1.0 with hpagent 1.2.0, https-proxy-agent 9.1.0, seen on 2026-11-29.
# Guess: a limit on a request's time (`signal`, axios' `timeout`, got's `timeout.request`) counts from its start: when a proxy takes the
#        connection and is slow to answer CONNECT, the call rejects on time.
# Fact:  until the tunnel is there a request has no socket, and what waits for one is deaf. Aborted by its signal, `https.get` tells so only
#        when the proxy answers; so does got, whose timer ran out long before. axios' `timeout` does not begin before the tunnel, with its
#        own `proxy` option too: the call succeeds far too late. A proxy that stays silent holds each of them for as long.
#        On time are: `timeout` of Node's own agent, `signal` given to axios or to fetch, and anything for http:// sites.
# Seen (limit 0.5 s, the proxy answers after 4 s):
#        https.get, timeout: rejects in time
#        https.get, signal: rejects when the proxy answers
#        https.get with https-proxy-agent, signal: rejects when the proxy answers
#        got, timeout.request: rejects when the proxy answers
#        axios, timeout and proxy: 200 when the proxy answers
#        axios, timeout and proxy, http:// site: rejects in time
#        axios, signal: rejects in time
#        fetch, signal: rejects in time
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund axios@1.21.1 got@16.1.0 hpagent@1.2.0 https-proxy-agent@9.1.0 undici@7.30.1 node@24.21.0 >/dev/null 2>&1
npm rebuild --silent node >/dev/null 2>&1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout key -out cert 2>/dev/null
cat >seen.mjs <<'JS'
import { once } from "node:events";
import { readFileSync } from "node:fs";
import https from "node:https";
import { connect, createServer } from "node:net";
import axios from "axios";
import got from "got";
import { HttpsProxyAgent as Hpagent } from "hpagent";
import { HttpsProxyAgent } from "https-proxy-agent";
import { fetch, ProxyAgent } from "undici";
const [LIMIT_MS, SLOW_MS] = [500, 4000];
const site = https.createServer({ key: readFileSync("key"), cert: readFileSync("cert") }, (_, answer) => answer.end("ok"));
await once(site.listen(0, "127.0.0.1"), "listening");
const proxy = createServer((client) => {
	client.on("error", () => {}).once("data", (data) => {
		setTimeout(() => {
			if (client.destroyed) return;
			if (!String(data).startsWith("CONNECT ")) return client.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
			const tunnel = connect(site.address().port, "127.0.0.1", () => {
				client.write("HTTP/1.1 200 OK\r\n\r\n");
				client.pipe(tunnel).pipe(client);
			});
			tunnel.on("error", () => client.destroy());
		}, SLOW_MS);
	});
});
await once(proxy.listen(0, "127.0.0.1"), "listening");
const { port } = proxy.address();
const [uri, url] = [`http://127.0.0.1:${port}`, `https://localhost:${site.address().port}/`];
const signal = () => AbortSignal.timeout(LIMIT_MS);
const get = (options) =>
	new Promise((resolve, reject) => {
		const request = https.get(url, options, (answer) => resolve(answer.resume().statusCode));
		request.on("error", reject).on("timeout", () => request.destroy(new Error("time-out")));
	});
const own = () => new https.Agent({ proxyEnv: { HTTPS_PROXY: uri } });
const option = { protocol: "http", host: "127.0.0.1", port };
const [inTime, late] = ["in time", "when the proxy answers"];
const calls = [
	["https.get, timeout", `rejects ${inTime}`, () => get({ agent: own(), timeout: LIMIT_MS })],
	["https.get, signal", `rejects ${late}`, () => get({ agent: own(), signal: signal() })],
	["https.get with https-proxy-agent, signal", `rejects ${late}`, () => get({ agent: new HttpsProxyAgent(uri), signal: signal() })],
	["got, timeout.request", `rejects ${late}`, () => got(url, { agent: { https: new Hpagent({ proxy: uri }) }, timeout: { request: LIMIT_MS }, retry: { limit: 0 } })],
	["axios, timeout and proxy", `200 ${late}`, () => axios.get(url, { proxy: option, timeout: LIMIT_MS })],
	["axios, timeout and proxy, http:// site", `rejects ${inTime}`, () => axios.get("http://site.test/", { proxy: option, timeout: LIMIT_MS })],
	["axios, signal", `rejects ${inTime}`, () => axios.get(url, { proxy: option, signal: signal() })],
	["fetch, signal", `rejects ${inTime}`, () => fetch(url, { dispatcher: new ProxyAgent(uri), signal: signal() })],
];
const seen = await Promise.all(
	calls.map(async ([name, stated, call]) => {
		const began = performance.now();
		const told = await call().then((answer) => answer.status ?? answer.statusCode ?? answer, () => "rejects");
		return [name, stated, `${told} ${performance.now() - began < SLOW_MS - 1000 ? inTime : late}`];
	}),
);
for (const [name, , told] of seen) console.log(`${name}: ${told}`);
process.exit(seen.every(([, stated, told]) => told === stated) ? 0 : 1);
JS
NODE_EXTRA_CA_CERTS="$folder/cert" node_modules/.bin/node seen.mjs
echo "as stated"
