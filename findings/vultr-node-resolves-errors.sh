#!/bin/sh
# @vultr/vultr-node 2.8.0, Vultr's own client for Node, seen on 2026-11-29.
# Guess: a call that the API refuses, or that cannot be sent at all, rejects its promise, as everywhere.
# Fact:  the promise is resolved with an Error object: try/catch and .catch() never see a failure, and code that goes on reads
#        fields of an Error. Every answer has to be tested with `instanceof Error`.
# Seen:  refused with 401: resolved with Error "Unauthorized: Invalid API token."
#        nothing listens: resolved with FetchError
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @vultr/vultr-node@2.8.0 >/dev/null 2>&1
cat >seen.cjs <<'JS'
const { createServer } = require("node:http");
const VultrNode = require("@vultr/vultr-node");
const server = createServer((_, answer) =>
	answer.writeHead(401, { "content-type": "application/json" }).end('{"error":"Invalid API token.","status":401}'),
);
const told = (promise) => promise.then((value) => `resolved with ${value?.constructor?.name} "${value?.message}"`, (error) => `rejected with ${error.name}`);
server.listen(0, "127.0.0.1", async () => {
	const client = VultrNode.initialize({ apiKey: "k", baseUrl: `http://127.0.0.1:${server.address().port}/v2` });
	console.log(`refused with 401: ${await told(client.instances.listInstances())}`);
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
	console.log(`nothing listens: ${(await told(client.instances.listInstances())).replace(/ ".*/, "")}`);
});
JS
output=$(node seen.cjs)
echo "$output"
echo "$output" | grep -q 'refused with 401: resolved with Error "Unauthorized: Invalid API token."'
echo "$output" | grep -q 'nothing listens: resolved with FetchError'
echo "as stated"
