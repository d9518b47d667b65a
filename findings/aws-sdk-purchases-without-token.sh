#!/bin/sh
# @aws-sdk/client-ec2 3.1169.0, AWS's own client for Node, seen on 2026-11-30.
# Guess: since it gives RunInstances a ClientToken unasked, so that its own tries make one, it does the same for whatever else costs money and is
#        tried again; or it tries only what has a token.
# Fact:  it tries everything up to three times, and a token has only what the service's model marks. RequestSpotInstances and AllocateHosts have
#        none although EC2 knows a ClientToken of both, AllocateAddress, PurchaseReservedInstancesOffering and PurchaseCapacityBlock know none: each lost
#        answer buys once more, and the caller hears of the last alone. One's own ClientToken helps the first two; the others want `maxAttempts: 1`.
# Seen (the answer is lost twice):
#        RunInstances: 3 sent with 1 token
#        CreateFleet: 3 sent with 1 token
#        RequestSpotInstances: 3 sent without a token
#        AllocateHosts: 3 sent without a token
#        AllocateAddress: 3 sent without a token
#        PurchaseReservedInstancesOffering: 3 sent without a token
#        PurchaseCapacityBlock: 3 sent without a token
#        PurchaseCapacityBlock, maxAttempts 1: 1 sent without a token
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @aws-sdk/client-ec2@3.1169.0 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:http";
import * as ec2 from "@aws-sdk/client-ec2";
let tokens = [];
const cloud = createServer(async (request, answer) => {
	let body = "";
	for await (const chunk of request) body += chunk;
	tokens.push(new URLSearchParams(body).get("ClientToken"));
	if (tokens.length < 3) request.socket.destroy(); // It is made, and nobody hears so.
	else answer.end("<Response/>");
});
await once(cloud.listen(0, "127.0.0.1"), "listening");
const account = { region: "us-east-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } };
const seen = [];
for (const [name, wish, options] of [
	["RunInstances", { MinCount: 1, MaxCount: 1 }],
	["CreateFleet", {}],
	["RequestSpotInstances", { InstanceCount: 1 }],
	["AllocateHosts", { InstanceType: "m5.large", Quantity: 1 }],
	["AllocateAddress", {}],
	["PurchaseReservedInstancesOffering", { InstanceCount: 1, ReservedInstancesOfferingId: "offering" }],
	["PurchaseCapacityBlock", { CapacityBlockOfferingId: "offering", InstancePlatform: "Linux/UNIX" }],
	["PurchaseCapacityBlock", { CapacityBlockOfferingId: "offering", InstancePlatform: "Linux/UNIX" }, { maxAttempts: 1 }],
]) {
	tokens = [];
	const client = new ec2.EC2Client({ ...account, endpoint: `http://127.0.0.1:${cloud.address().port}`, ...options });
	await client.send(new ec2[`${name}Command`](wish)).catch(() => {}); // What it makes of the last answer is not the point.
	client.destroy();
	const told = tokens.every((token) => token === null) ? "without a token" : `with ${new Set(tokens).size} token`;
	seen.push(`${name}${options ? ", maxAttempts 1" : ""}: ${tokens.length} sent ${told}`);
}
cloud.close();
console.log(seen.join("\n"));
const stated = [
	"RunInstances: 3 sent with 1 token",
	"CreateFleet: 3 sent with 1 token",
	"RequestSpotInstances: 3 sent without a token",
	"AllocateHosts: 3 sent without a token",
	"AllocateAddress: 3 sent without a token",
	"PurchaseReservedInstancesOffering: 3 sent without a token",
	"PurchaseCapacityBlock: 3 sent without a token",
	"PurchaseCapacityBlock, maxAttempts 1: 1 sent without a token",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node seen.mjs
echo "as stated"
