#!/bin/sh
# @aws-sdk/client-ec2 3.1169.0 and oci-core 2.139.1 (with oci-common 2.139.1), AWS's and Oracle's own clients for Node, seen on 2026-11-30.
# Guess: a wait for a VM to be terminated ends at once where the cloud knows it no longer: that it is gone was waited for; and a wait that is refused for
#        bad credentials ends with that error.
# Fact:  AWS's takes every error that its model does not name for "not yet": an instance that EC2 has forgotten (an hour after its end), and bad
#        credentials too, hold it for the whole of `maxWaitTime`, then it rejects with a TimeoutError. Oracle's says `null` on 404 in its types and
#        its source, and rejects with the 404: its `catch` stands around a promise that is not awaited.
# Seen:  AWS, terminated: resolves at the first look
#        AWS, InvalidInstanceID.NotFound: rejects with TimeoutError after 4 looks
#        AWS, AuthFailure: rejects with TimeoutError after 4 looks
#        Oracle, TERMINATED: resolves at the first look
#        Oracle, 404: rejects with 404 at the first look
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @aws-sdk/client-ec2@3.1169.0 oci-core@2.139.1 oci-common@2.139.1 node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { EC2Client, waitUntilInstanceTerminated } from "@aws-sdk/client-ec2";
import oci from "oci-common";
import core from "oci-core";
let [looks, answerOf] = [0, null];
const cloud = createServer((request, answer) => {
	looks++;
	const { status, body } = answerOf;
	answer.writeHead(status, { "content-type": body.startsWith("{") ? "application/json" : "text/xml" }).end(body);
	request.resume();
});
await once(cloud.listen(0, "127.0.0.1"), "listening");
const endpoint = `http://127.0.0.1:${cloud.address().port}`;
const aws = () => {
	const client = new EC2Client({ endpoint, region: "us-east-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } });
	return waitUntilInstanceTerminated({ client, maxWaitTime: 4, minDelay: 1, maxDelay: 1 }, { InstanceIds: ["i-0123456789abcdef0"] });
};
const oracle = () => {
	const pem = { privateKeyEncoding: { type: "pkcs1", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } };
	const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048, ...pem });
	const account = ["ocid1.tenancy.oc1..a", "ocid1.user.oc1..a", "aa:bb", privateKey, null, oci.Region.US_ASHBURN_1];
	const client = new core.ComputeClient({ authenticationDetailsProvider: new oci.SimpleAuthenticationDetailsProvider(...account) });
	client.endpoint = endpoint;
	const limits = { terminationStrategy: new oci.MaxAttemptsTerminationStrategy(4), delayStrategy: new oci.FixedTimeDelayStrategy(1) };
	const waiters = client.createWaiters(undefined, limits);
	return waiters.forInstance({ instanceId: "ocid1.instance.oc1..a" }, core.models.Instance.LifecycleState.Terminated);
};
const ec2Error = (code) => `<Response><Errors><Error><Code>${code}</Code><Message>No.</Message></Error></Errors><RequestID>r</RequestID></Response>`;
const ec2State = (state) =>
	'<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet><item>' +
	`<instanceId>i-0123456789abcdef0</instanceId><instanceState><code>48</code><name>${state}</name></instanceState>` +
	"</item></instancesSet></item></reservationSet></DescribeInstancesResponse>";
const seen = [];
for (const [name, wait, status, body] of [
	["AWS, terminated", aws, 200, ec2State("terminated")],
	["AWS, InvalidInstanceID.NotFound", aws, 400, ec2Error("InvalidInstanceID.NotFound")],
	["AWS, AuthFailure", aws, 401, ec2Error("AuthFailure")],
	["Oracle, TERMINATED", oracle, 200, '{"id":"ocid1.instance.oc1..a","lifecycleState":"TERMINATED"}'],
	["Oracle, 404", oracle, 404, '{"code":"NotAuthorizedOrNotFound","message":"No."}'],
]) {
	[looks, answerOf] = [0, { status, body }];
	const told = await wait().then(
		() => "resolves",
		(error) => `rejects with ${error.statusCode ?? error.name}`,
	);
	seen.push(`${name}: ${told} ${looks === 1 ? "at the first look" : `after ${looks} looks`}`);
}
cloud.closeAllConnections();
cloud.close();
console.log(seen.join("\n"));
const stated = [
	"AWS, terminated: resolves at the first look",
	"AWS, InvalidInstanceID.NotFound: rejects with TimeoutError after 4 looks",
	"AWS, AuthFailure: rejects with TimeoutError after 4 looks",
	"Oracle, TERMINATED: resolves at the first look",
	"Oracle, 404: rejects with 404 at the first look",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node --no-warnings seen.mjs 2>/dev/null
echo "as stated"
