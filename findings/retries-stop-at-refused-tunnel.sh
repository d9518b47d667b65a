#!/bin/sh
# curl 7.88.1 and wget 1.21.3 (Debian 12), undici 8.13.1 (npm, Node 24.21.0), seen on 2026-11-29.
# Guess: what a client calls worth another try, a 503, is that from the proxy too, whether the site is http:// or https://.
# Fact:  for https:// the 503 answers CONNECT, and then it is no 503 to them: `curl --retry`, `wget --retry-on-http-error=503` and undici's
#        RetryAgent try again for http:// and give up at once for https://. curl wants `--retry-all-errors`; wget has nothing; undici wants a
#        retry of one's own, around the call. (aria2, requests with urllib3's Retry, got on https-proxy-agent and make-fetch-happen try again in both.)
# Seen (the proxy answers 503 twice, then 200 or a tunnel):
#        curl --retry 5: http:// tried 3 times, https:// tried 1 time
#        curl --retry 5 --retry-all-errors: http:// tried 3 times, https:// tried 3 times
#        wget --retry-on-http-error=503: http:// tried 3 times, https:// tried 1 time
#        undici RetryAgent: http:// tried 3 times, https:// tried 1 time
set -eu
command -v curl >/dev/null || apt-get install -qq -y --no-install-recommends curl
command -v wget >/dev/null || apt-get install -qq -y --no-install-recommends wget
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund undici@8.13.1 node@24.21.0 >/dev/null 2>&1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout key -out cert 2>/dev/null
cat >seen.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { connect } from "node:net";
import { ProxyAgent, RetryAgent, request } from "undici";
const site = https.createServer({ key: readFileSync("key"), cert: readFileSync("cert") }, (_, answer) => answer.end("ok"));
await once(site.listen(0, "127.0.0.1"), "listening");
let tries = 0;
const proxy = http.createServer((_, answer) => {
	answer.writeHead(++tries < 3 ? 503 : 200, { Connection: "close" }).end();
});
proxy.on("connect", (_, client) => {
	client.on("error", () => {});
	if (++tries < 3) return client.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	const tunnel = connect(site.address().port, "127.0.0.1", () => {
		client.write("HTTP/1.1 200 OK\r\n\r\n");
		client.pipe(tunnel).pipe(client);
	});
	tunnel.on("error", () => client.destroy());
});
await once(proxy.listen(0, "127.0.0.1"), "listening");
const uri = `http://127.0.0.1:${proxy.address().port}`;
const run = async (...command) => {
	const env = { PATH: process.env.PATH, http_proxy: uri, https_proxy: uri };
	await once(spawn(command[0], command.slice(1), { env, stdio: "ignore" }), "exit");
};
const curl = (...options) => (url) => run("curl", "-q", "--silent", "--cacert", "cert", "--retry", "5", "--retry-delay", "1", ...options, url);
const clients = [
	["curl --retry 5", "3 1", curl()],
	["curl --retry 5 --retry-all-errors", "3 3", curl("--retry-all-errors")],
	["wget --retry-on-http-error=503", "3 1", (url) =>
		run("wget", "--no-config", "--quiet", "--ca-certificate=cert", "--retry-on-http-error=503", "--tries=5", "--waitretry=1", "-O", "out", url)],
	["undici RetryAgent", "3 1", (url) =>
		request(url, { dispatcher: new RetryAgent(new ProxyAgent(uri), { minTimeout: 50 }) }).then(({ body }) => body.dump(), () => {})],
];
const times = (count) => `tried ${count} time${count === 1 ? "" : "s"}`;
let isSo = true;
for (const [name, stated, ask] of clients) {
	const seen = [];
	for (const url of ["http://site.test/", `https://localhost:${site.address().port}/`]) {
		tries = 0;
		await ask(url);
		seen.push(tries);
	}
	console.log(`${name}: http:// ${times(seen[0])}, https:// ${times(seen[1])}`);
	isSo &&= seen.join(" ") === stated;
}
process.exit(isSo ? 0 : 1);
JS
NODE_EXTRA_CA_CERTS="$folder/cert" node_modules/.bin/node seen.mjs
echo "as stated"
