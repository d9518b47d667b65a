#!/bin/sh
# axios 1.21.1, superagent 10.4.2, got 16.1.0 with hpagent 1.2.0, undici 8.13.1 (npm), Node 24.21.0, seen on 2026-11-30.
# Guess: a client that takes its proxy from `https_proxy`, or from an agent, goes on to do so when it is told to speak HTTP/2; where it cannot do
#        both, it says so, as axios does of its option `proxy`.
# Fact:  with `httpVersion: 2` axios reads neither the variable nor `httpsAgent`, and superagent's `.http2()` reads no `.agent()`: they go to the site
#        directly, without a word, which sees the own address. got falls back to HTTP/1.1 through the proxy; undici speaks HTTP/2 in the tunnel.
# Seen:  axios, https_proxy: HTTP/1.1 by proxy
#        axios, https_proxy, httpVersion 2: HTTP/2.0 direct
#        axios, httpsAgent, httpVersion 2: HTTP/2.0 direct
#        axios, proxy, httpVersion 2: rejects
#        superagent, agent: HTTP/1.1 by proxy
#        superagent, agent, http2(): HTTP/2.0 direct
#        got, agent, http2: HTTP/1.1 by proxy
#        undici, ProxyAgent: HTTP/2.0 by proxy
set -eu
command -v openssl >/dev/null || apt-get install -qq -y --no-install-recommends openssl
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund axios@1.21.1 superagent@10.4.2 got@16.1.0 hpagent@1.2.0 undici@8.13.1 node@24.21.0 >/dev/null 2>&1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost 2>/dev/null
cat >seen.mjs <<'JS'
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import { connect } from "node:net";
import axios from "axios";
import got from "got";
import { HttpsProxyAgent } from "hpagent";
import superagent from "superagent";
import { fetch, ProxyAgent } from "undici";
const identity = { key: readFileSync("key.pem"), cert: readFileSync("certificate.pem") };
const site = createSecureServer({ ...identity, allowHTTP1: true }, (request, answer) => {
	answer.writeHead(200, { "content-type": "text/plain" }).end(`HTTP/${request.httpVersion}`);
});
await once(site.listen(0, "localhost"), "listening");
const { port } = site.address();
let way = "direct";
const proxy = createServer().on("connect", (_, client) => {
	way = "by proxy";
	const out = connect(port, "localhost", () => {
		client.write("HTTP/1.1 200 OK\r\n\r\n");
		out.pipe(client).pipe(out);
	});
	out.on("error", () => client.destroy());
	client.on("error", () => out.destroy());
});
await once(proxy.listen(0, "127.0.0.1"), "listening");
const host = "127.0.0.1";
const proxyUrl = `http://${host}:${proxy.address().port}`;
const url = `https://localhost:${port}/`;
const text = async (promise) => (await promise).data ?? (await promise).text ?? (await promise).body;
const agent = () => new HttpsProxyAgent({ proxy: proxyUrl });
process.env.https_proxy = proxyUrl;
const seen = [];
for (const [name, ask] of [
	["axios, https_proxy", () => text(axios.get(url))],
	["axios, https_proxy, httpVersion 2", () => text(axios.get(url, { httpVersion: 2 }))],
	["axios, httpsAgent, httpVersion 2", () => text(axios.get(url, { proxy: false, httpsAgent: agent(), httpVersion: 2 }))],
	[
		"axios, proxy, httpVersion 2",
		() => text(axios.get(url, { proxy: { protocol: "http", host, port: proxy.address().port }, httpVersion: 2 })),
	],
	["superagent, agent", () => text(superagent.get(url).agent(agent()))],
	["superagent, agent, http2()", () => text(superagent.get(url).http2().agent(agent()))],
	["got, agent, http2", () => text(got(url, { http2: true, agent: { https: agent() }, retry: { limit: 0 } }))],
	["undici, ProxyAgent", async () => (await fetch(url, { dispatcher: new ProxyAgent(proxyUrl) })).text()],
]) {
	way = "direct";
	const spoken = await ask().catch(() => "rejects");
	seen.push(`${name}: ${spoken === "rejects" ? spoken : `${spoken} ${way}`}`);
}
console.log(seen.join("\n"));
const stated = [
	"axios, https_proxy: HTTP/1.1 by proxy",
	"axios, https_proxy, httpVersion 2: HTTP/2.0 direct",
	"axios, httpsAgent, httpVersion 2: HTTP/2.0 direct",
	"axios, proxy, httpVersion 2: rejects",
	"superagent, agent: HTTP/1.1 by proxy",
	"superagent, agent, http2(): HTTP/2.0 direct",
	"got, agent, http2: HTTP/1.1 by proxy",
	"undici, ProxyAgent: HTTP/2.0 by proxy",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
NODE_EXTRA_CA_CERTS=certificate.pem node_modules/.bin/node --no-warnings seen.mjs
echo "as stated"
