#!/bin/sh
# google-auth-library 11.3.4, Google's own for Node, seen on 2026-11-29.
# Guess: the `token_uri` of a service account's key file says where tokens are had, as in Google's library for Python.
# Fact:  it is not read. The claim goes to https://oauth2.googleapis.com/token with that audience, both built in; another token server
#        (a test's, a private one) is reached only by changing the requests of `client.transporter`.
# Seen:  token_uri: http://127.0.0.1:9/token
#        asked:     https://oauth2.googleapis.com/token
#        audience:  https://oauth2.googleapis.com/token
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund google-auth-library@11.3.4 node@24.21.0 >/dev/null 2>&1
npm rebuild --silent node >/dev/null 2>&1
cat >seen.cjs <<'JS'
const { generateKeyPairSync } = require("node:crypto");
const { JWT } = require("google-auth-library");
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const file = {
	type: "service_account",
	client_email: "someone@project.iam.gserviceaccount.com",
	private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
	token_uri: "http://127.0.0.1:9/token",
};
const client = new JWT({ scopes: ["https://www.googleapis.com/auth/compute"] });
client.fromJSON(file);
console.log(`token_uri: ${file.token_uri}`);
// Nothing leaves this machine: the request is looked at and not sent.
client.transporter.interceptors.request.add({
	async resolved(config) {
		console.log(`asked:     ${config.url}`);
		const { assertion } = config.data instanceof URLSearchParams ? Object.fromEntries(config.data) : config.data;
		console.log(`audience:  ${JSON.parse(Buffer.from(assertion.split(".")[1], "base64url")).aud}`);
		throw new Error("not sent");
	},
});
client.authorize().catch(() => {});
JS
export PATH="$folder/node_modules/.bin:$PATH"
output=$(node seen.cjs)
echo "$output"
echo "$output" | grep -q 'asked:     https://oauth2.googleapis.com/token'
echo "$output" | grep -q 'audience:  https://oauth2.googleapis.com/token'
echo "as stated"
