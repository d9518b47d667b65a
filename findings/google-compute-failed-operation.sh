#!/bin/sh
# @google-cloud/compute 7.8.0, Google's own client for Node (with google-auth-library 11.3.4), seen on 2026-11-30.
# Guess: a create that fails (no quota, sold out) rejects: at `insert`, or at the latest at `wait` of its operation, which ends with the error; and
#        `insert` gives an operation with `promise()`, as the long calls of Google's other clients do.
# Fact:  both resolve. The error stands in the operation, `error` and `httpErrorStatusCode`, and has to be looked for; a loop "until status is DONE"
#        goes on with a VM that does not exist. `wait` resolves as well when its two minutes are over, with RUNNING. There is no `promise()`.
# Seen:  insert, ended with QUOTA_EXCEEDED: resolves, status DONE, error QUOTA_EXCEEDED
#        its promise(): undefined
#        wait, ended with QUOTA_EXCEEDED: resolves, status DONE, error QUOTA_EXCEEDED
#        wait, still running: resolves, status RUNNING, error none
#        insert, refused with 403: rejects
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @google-cloud/compute@7.8.0 google-auth-library@11.3.4 >/dev/null 2>&1
npm install --silent --no-audit --no-fund node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:http";
import compute from "@google-cloud/compute";
import { OAuth2Client } from "google-auth-library";
let [status, body] = [200, {}];
const cloud = createServer((request, answer) => {
	request.resume();
	answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
});
await once(cloud.listen(0, "127.0.0.1"), "listening");
const authClient = new OAuth2Client();
authClient.setCredentials({ access_token: "t", expiry_date: Date.now() + 3_600_000 });
const options = { apiEndpoint: "127.0.0.1", port: cloud.address().port, protocol: "http", authClient, projectId: "p" };
const instances = new compute.InstancesClient(options);
const operations = new compute.ZoneOperationsClient(options);
const running = { kind: "compute#operation", id: "1", name: "operation-1", operationType: "insert", status: "RUNNING", zone: "z" };
const error = { errors: [{ code: "QUOTA_EXCEEDED", message: "Quota 'CPUS' exceeded." }] };
const ended = { ...running, status: "DONE", httpErrorStatusCode: 403, httpErrorMessage: "FORBIDDEN", error };
const seen = [];
const see = async (name, ask) => {
	const told = await ask().then(
		([{ status, error }]) => `resolves, status ${status}, error ${error?.errors?.[0]?.code ?? "none"}`,
		() => "rejects",
	);
	seen.push(`${name}: ${told}`);
};
let operation;
const insert = async () => {
	[operation] = await instances.insert({ project: "p", zone: "z", instanceResource: { name: "a" } });
	return [operation.latestResponse];
};
const wait = () => operations.wait({ project: "p", zone: "z", operation: "operation-1" });
body = ended;
await see("insert, ended with QUOTA_EXCEEDED", insert);
seen.push(`its promise(): ${operation.promise}`);
await see("wait, ended with QUOTA_EXCEEDED", wait);
body = running;
await see("wait, still running", wait);
[status, body] = [403, { error: { code: 403, message: "No.", errors: [{ reason: "forbidden" }] } }];
await see("insert, refused with 403", insert);
cloud.closeAllConnections();
cloud.close();
console.log(seen.join("\n"));
const stated = [
	"insert, ended with QUOTA_EXCEEDED: resolves, status DONE, error QUOTA_EXCEEDED",
	"its promise(): undefined",
	"wait, ended with QUOTA_EXCEEDED: resolves, status DONE, error QUOTA_EXCEEDED",
	"wait, still running: resolves, status RUNNING, error none",
	"insert, refused with 403: rejects",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node --no-warnings seen.mjs
echo "as stated"
