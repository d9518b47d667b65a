#!/bin/sh
# @scaleway/sdk-client 1.3.3 with @scaleway/sdk-instance 1.4.0, parts of Scaleway's own @scaleway/sdk 2.78.0, seen on 2026-11-29.
# Guess: an answer of type `application/json; charset=utf-8` is JSON, as for every other client.
# Fact:  only exactly `application/json` is. Anything else is read as text, and the call rejects though it was carried out and answered
#        with 2xx: behind a proxy or at a test server that adds a charset a create looks failed, and its server exists.
# Seen:  application/json: 1 server
#        application/json; charset=utf-8: ScalewayError: http error 200: could not parse 'application/json; charset=utf-8' response: …
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @scaleway/sdk-client@1.3.3 @scaleway/sdk-instance@1.4.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { createServer } from "node:http";
import { createClient } from "@scaleway/sdk-client";
import { Instancev1 } from "@scaleway/sdk-instance";
const ids = { id: "11111111-1111-4111-8111-111111111111", project: "11111111-2222-4333-8444-555555555555" };
let type = "";
const server = createServer((_, answer) => answer.writeHead(200, { "content-type": type, "x-total-count": "1" }).end(JSON.stringify({ servers: [{ ...ids, name: "a" }] })));
server.listen(0, "127.0.0.1", async () => {
	const client = createClient({
		accessKey: "SCW12345678901234567",
		secretKey: ids.id,
		defaultProjectId: ids.project,
		defaultZone: "fr-par-1",
		apiURL: `http://127.0.0.1:${server.address().port}`,
	});
	for (type of ["application/json", "application/json; charset=utf-8"]) {
		const seen = await new Instancev1.API(client).listServers().then(
			({ servers }) => `${servers?.length} server`,
			(error) => `${error.constructor.name}: ${error.message}`,
		);
		console.log(`${type}: ${seen}`);
	}
	server.closeAllConnections();
	server.close();
});
JS
output=$(node seen.mjs)
echo "$output"
echo "$output" | grep -q '^application/json: 1 server$'
echo "$output" | grep -q "^application/json; charset=utf-8: ScalewayError: http error 200: could not parse"
echo "as stated"
