#!/bin/sh
# @digitalocean/dots 1.19.0, DigitalOcean's own client for Node (with @microsoft/kiota-http-fetchlibrary 1.0.0-preview.109), seen on 2026-11-29.
# Guess: `droplets.post`, a create without an idempotency key, is sent once; after a 503 or 504 the caller hears so, and looks.
# Fact:  it is sent up to four times, unasked, after a 503 or 504 (a gateway's time-out, where the create behind it often was carried out).
#        Names need not be unique, so each is another droplet, billed; the caller gets the last one and no error. After a 500, a 502 or a
#        connection that ended it is sent once. A `RetryHandlerOptions` with `maxRetries: 0`, given with the request, switches it off.
# Seen:  500: 1 droplet made, rejected
#        503: 3 droplets made, resolved with droplet 3
#        504: 3 droplets made, resolved with droplet 3
#        504, maxRetries 0: 1 droplet made, rejected
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @digitalocean/dots@1.19.0 @microsoft/kiota-http-fetchlibrary@1.0.0-preview.109 \
	node@24.21.0 >/dev/null 2>&1
npm rebuild --silent node >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { createServer } from "node:http";
import { createDigitalOceanClient, DigitalOceanApiKeyAuthenticationProvider } from "@digitalocean/dots";
import { FetchRequestAdapter, RetryHandlerOptions } from "@microsoft/kiota-http-fetchlibrary";
let [made, status] = [0, 0];
const server = createServer((_, answer) => {
	made++; // It is made, whatever becomes of the answer.
	if (made < 3) answer.writeHead(status, { "content-type": "application/json" }).end('{"id":"error","message":"Please try again later."}');
	else answer.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify({ droplet: { id: made } }));
});
server.listen(0, "127.0.0.1", async () => {
	const adapter = new FetchRequestAdapter(new DigitalOceanApiKeyAuthenticationProvider("t"));
	const client = createDigitalOceanClient(adapter);
	adapter.baseUrl = `http://127.0.0.1:${server.address().port}`;
	const wish = { name: "a", region: "nyc3", size: "s-1vcpu-512mb-10gb", image: "ubuntu-24-04-x64" };
	for (const [refusal, options] of [[500], [503], [504], [504, new RetryHandlerOptions({ maxRetries: 0 })]]) {
		[made, status] = [0, refusal];
		const told = await client.v2.droplets.post(wish, options && { options: [options] }).then(
			(answer) => `resolved with droplet ${answer.droplet.id}`,
			() => "rejected",
		);
		console.log(`${refusal}${options ? ", maxRetries 0" : ""}: ${made} droplet${made === 1 ? "" : "s"} made, ${told}`);
	}
	server.closeAllConnections();
	server.close();
});
JS
output=$(node_modules/.bin/node seen.mjs)
echo "$output"
echo "$output" | grep -q '^500: 1 droplet made, rejected$'
echo "$output" | grep -q '^503: 3 droplets made, resolved with droplet 3$'
echo "$output" | grep -q '^504: 3 droplets made, resolved with droplet 3$'
echo "$output" | grep -q '^504, maxRetries 0: 1 droplet made, rejected$'
echo "as stated"
