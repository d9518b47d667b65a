#!/bin/sh
# hcloud-js 1.4.1, the known client for Hetzner Cloud on npm, seen on 2026-11-29.
# Guess: it shows servers as the API has them since July 2026, when `datacenter` went from its answers (`location` stands in its place), and
#        one whose public IPv6 is switched off (`public_net.ipv6` is null, as documented).
# Fact:  every call that shows a server rejects with a TypeError in either case, also `create`, whose server exists by then and is billed.
# Seen:  as answers were: server 7
#        without datacenter: TypeError
#        without IPv6: TypeError
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund hcloud-js@1.4.1 >/dev/null 2>&1
cat >seen.cjs <<'JS'
const { createServer } = require("node:http");
const { Client } = require("hcloud-js");
const location = { id: 2, name: "nbg1", description: "", country: "DE", city: "Nuremberg", latitude: 49, longitude: 11, network_zone: "eu-central" };
const whole = {
	id: 7,
	name: "a",
	status: "running",
	created: "2026-11-29T12:00:00+00:00",
	public_net: {
		ipv4: { id: 1, ip: "192.0.2.7", blocked: false, dns_ptr: "a.example" },
		ipv6: { id: 2, ip: "2001:db8::/64", blocked: false, dns_ptr: [] },
		floating_ips: [],
		firewalls: [],
	},
	private_net: [],
	server_type: { id: 114, name: "cx23", description: "CX23", cores: 2, memory: 4, disk: 40, prices: [], storage_type: "local", cpu_type: "shared" },
	datacenter: { id: 3, name: "nbg1-dc3", description: "", location, server_types: { supported: [], available: [] } },
	location,
	image: null,
	iso: null,
	rescue_enabled: false,
	locked: false,
	backup_window: null,
	outgoing_traffic: 0,
	ingoing_traffic: 0,
	included_traffic: 1,
	protection: { delete: false, rebuild: false },
	labels: {},
	volumes: [],
};
const { datacenter: _, ...without } = whole;
let shown = whole;
const server = createServer((__, answer) => answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ server: shown })));
server.listen(0, "127.0.0.1", async () => {
	const client = new Client({ token: "t", baseURL: `http://127.0.0.1:${server.address().port}/v1` });
	for (const [what, as] of [
		["as answers were", whole],
		["without datacenter", without],
		["without IPv6", { ...whole, public_net: { ...whole.public_net, ipv6: null } }],
	]) {
		shown = as;
		console.log(`${what}: ${await client.servers.get(7).then(({ id }) => `server ${id}`, (error) => error.constructor.name)}`);
	}
	server.closeAllConnections();
	server.close();
});
JS
output=$(node seen.cjs)
echo "$output"
echo "$output" | grep -q '^as answers were: server 7$'
echo "$output" | grep -q '^without datacenter: TypeError$'
echo "$output" | grep -q '^without IPv6: TypeError$'
echo "as stated"
