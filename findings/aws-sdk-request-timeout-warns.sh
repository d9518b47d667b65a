#!/bin/sh
# @aws-sdk/client-ec2 3.1169.0 (with @smithy/node-http-handler as it brings it), Node 24.21.0, seen on 2026-11-30.
# Guess: `requestHandler: { requestTimeout: 500 }` ends a request that takes longer than 500 ms, with a TimeoutError.
# Fact:  it writes a line to the console and goes on waiting, for as long as the answer takes; with none, and by default, without any end. It ends
#        the request only with `throwOnRequestTimeout: true`. `socketTimeout` (no bytes for so long) ends it, and so does an `abortSignal`.
# Seen (limit 0.5 s, the answer comes after 2 s):
#        requestTimeout: 200 after the answer
#        requestTimeout, throwOnRequestTimeout: TimeoutError in time
#        socketTimeout: TimeoutError in time
#        abortSignal: AbortError in time
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @aws-sdk/client-ec2@3.1169.0 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:http";
import { DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
const server = createServer((_, answer) => {
	const body = '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet/></DescribeInstancesResponse>';
	setTimeout(() => answer.end(body), 2000);
});
await once(server.listen(0, "127.0.0.1"), "listening");
const account = { region: "us-east-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } };
const seen = [];
for (const [name, requestHandler, options] of [
	["requestTimeout", { requestTimeout: 500 }],
	["requestTimeout, throwOnRequestTimeout", { requestTimeout: 500, throwOnRequestTimeout: true }],
	["socketTimeout", { socketTimeout: 500 }],
	["abortSignal", {}, () => ({ abortSignal: AbortSignal.timeout(500) })],
]) {
	const client = new EC2Client({ ...account, endpoint: `http://127.0.0.1:${server.address().port}`, maxAttempts: 1, requestHandler });
	const begun = Date.now();
	const told = await client.send(new DescribeInstancesCommand({}), options?.()).then(
		({ $metadata }) => $metadata.httpStatusCode,
		({ name }) => name,
	);
	seen.push(`${name}: ${told} ${Date.now() - begun < 1500 ? "in time" : "after the answer"}`);
	client.destroy();
}
console.log(seen.join("\n"));
const stated = [
	"requestTimeout: 200 after the answer",
	"requestTimeout, throwOnRequestTimeout: TimeoutError in time",
	"socketTimeout: TimeoutError in time",
	"abortSignal: AbortError in time",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node seen.mjs
echo "as stated"
