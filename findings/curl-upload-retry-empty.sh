#!/bin/sh
# curl 7.88.1 (Debian 12: curl 7.88.1-10+deb12u14), seen on 2026-11-30.
# Guess: `dump | curl --fail --retry 3 -T - URL`, where the site answers 503 at first, sends the same again, or ends with an error because what came
#        from the pipe is gone.
# Fact:  it sends an empty body again, and when that is taken, with 200, ends with 0: the file at the site is empty, and nobody hears so. From a
#        file, and as `--data-binary @-` or `-F file=@-`, which read the pipe into memory first, it sends all of it.
# Seen (200,000 bytes; the server answers 503 twice, then 200):
#        -T -: 200000, 0, 0 bytes taken, exit 0
#        -T file: 200000, 200000, 200000 bytes taken, exit 0
#        --data-binary @-: 200000, 200000, 200000 bytes taken, exit 0
set -eu
command -v curl >/dev/null || apt-get install -qq -y --no-install-recommends curl
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 >/dev/null 2>&1
cat >seen.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
const content = "x".repeat(200_000);
writeFileSync("content", content);
let taken = [];
const server = createServer(async (request, answer) => {
	let bytes = 0;
	for await (const chunk of request) bytes += chunk.length;
	taken.push(bytes);
	answer.writeHead(taken.length < 3 ? 503 : 200, { "content-length": 0 }).end();
});
await once(server.listen(0, "127.0.0.1"), "listening");
const seen = [];
for (const how of [["-T", "-"], ["-T", "content"], ["--data-binary", "@-"]]) {
	taken = [];
	const options = ["-q", "--silent", "--fail", "--noproxy", "*", "--retry", "3", "--retry-delay", "1", "--max-time", "60"];
	const child = spawn("curl", [...options, ...how, `http://127.0.0.1:${server.address().port}/dump`], { stdio: ["pipe", "ignore", "ignore"] });
	child.stdin.on("error", () => {}).end(content);
	const [code] = await once(child, "exit");
	seen.push(`${how.join(" ").replace("content", "file")}: ${taken.join(", ")} bytes taken, exit ${code}`);
}
console.log(seen.join("\n"));
const stated = [
	"-T -: 200000, 0, 0 bytes taken, exit 0",
	"-T file: 200000, 200000, 200000 bytes taken, exit 0",
	"--data-binary @-: 200000, 200000, 200000 bytes taken, exit 0",
];
process.exit(seen.join() === stated.join() ? 0 : 1);
JS
node_modules/.bin/node seen.mjs
echo "as stated"
