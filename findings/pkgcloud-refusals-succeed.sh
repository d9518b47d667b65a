#!/bin/sh
# pkgcloud 2.2.0 (npm), a client for many clouds, seen on 2026-11-30.
# Guess: `destroyServer` calls back with an error wherever the cloud answers other than 2xx, `createServer` likewise, and `getServers` gives all servers.
# Fact:  it knows errors by a list: what is not on that of the cloud is success. For DigitalOcean 429 (its limit on requests), 422, 502 and 504 are
#        missing: a delete that was refused for haste calls back with `{ ok: id }`, and the droplet is billed on; a create with a server without id. With
#        OpenStack it is 429, 502 and 504. Of droplets it gives the first 200, which is one page.
# Seen:  destroyServer, 204: ok
#        destroyServer, 429: ok
#        destroyServer, 502: ok
#        destroyServer, 503: error
#        createServer, 429: server undefined
#        getServers, 250 droplets: 200
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund pkgcloud@2.2.0 >/dev/null 2>&1
npm install --silent --no-audit --no-fund node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:http";
import pkgcloud from "pkgcloud";
let status = 200;
const refusals = { 429: "too_many_requests", 502: "bad_gateway", 503: "service_unavailable" };
const cloud = createServer((request, answer) => {
	answer.writeHead(status, { "content-type": "application/json" });
	if (status === 204) return answer.end();
	if (status !== 200) return answer.end(JSON.stringify({ id: refusals[status], message: "Please try again later." }));
	const { searchParams } = new URL(request.url, "http://cloud");
	const [page, size] = [Number(searchParams.get("page") ?? 1), Number(searchParams.get("per_page") ?? 20)];
	const ids = Array.from({ length: 250 }, (_, i) => i + 1).slice((page - 1) * size, page * size);
	const about = { name: "a", status: "active", networks: { v4: [] }, size: {}, image: {}, region: {} };
	const next = `http://cloud/v2/droplets?page=${page + 1}&per_page=${size}`;
	const links = page * size < 250 ? { pages: { next, last: next } } : {};
	answer.end(JSON.stringify({ droplets: ids.map((id) => ({ id, ...about })), links, meta: { total: 250 } }));
});
await once(cloud.listen(0, "127.0.0.1"), "listening");
const serversUrl = `127.0.0.1:${cloud.address().port}`;
const client = pkgcloud.compute.createClient({ provider: "digitalocean", token: "t", protocol: "http://", serversUrl });
const seen = [];
for (status of [204, 429, 502, 503]) {
	const told = await new Promise((resolve) => client.destroyServer("5", (error) => resolve(error ? "error" : "ok")));
	seen.push(`destroyServer, ${status}: ${told}`);
}
status = 429;
const wish = { name: "a", region: "nyc3", flavor: "s-1vcpu-512mb-10gb", image: "ubuntu-24-04-x64" };
const made = await new Promise((resolve) => client.createServer(wish, (error, server) => resolve(error ? "error" : `server ${server.id}`)));
seen.push(`createServer, ${status}: ${made}`);
status = 200;
const count = await new Promise((resolve) => client.getServers((error, servers) => resolve(error ? "error" : servers.length)));
seen.push(`getServers, 250 droplets: ${count}`);
console.log(seen.join("\n"));
const stated = [
	"destroyServer, 204: ok",
	"destroyServer, 429: ok",
	"destroyServer, 502: ok",
	"destroyServer, 503: error",
	"createServer, 429: server undefined",
	"getServers, 250 droplets: 200",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node --no-warnings seen.mjs
echo "as stated"
