import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { AgentConfig } from "../../src/agent/protocol.ts";
import { MAX_USER_DATA_BYTES, renderUserData, shipped } from "../../src/pool/userdata.ts";
import { gzipped } from "../../src/providers/base64.ts";

const source = (name: string) => readFileSync(join(import.meta.dirname, "../../src/agent", name), "utf8");
const files = { agent: source("agent.py"), unit: source("muster-agent.service") };
const config: AgentConfig = {
	token: `${"a".repeat(64)}.${"b".repeat(16)}.${"c".repeat(43)}`,
	port: 8899,
	url: "https://muster.a-quite-long-account-name.workers.dev",
	interval: 30,
	credentials: { version: 1, username: "changeme", password: "\"'$(reboot)`\\: {x} # ü€" },
	allow: [],
};

/** The files that cloud-init would write, by their paths. */
async function written(userData: string): Promise<Record<string, { permissions: string; text: string }>> {
	const { write_files } = parse(userData) as { write_files: { path: string; permissions: string; encoding: string; content: string }[] };
	return Object.fromEntries(
		write_files.map(({ path, permissions, encoding, content }) => {
			const bytes = Buffer.from(content, "base64");
			return [path, { permissions, text: (encoding === "gz+b64" ? gunzipSync(bytes) : bytes).toString() }];
		}),
	);
}

describe("user data", () => {
	it("is a cloud-config that writes agent, configuration and unit, and starts the unit without waiting for it", async () => {
		const userData = await renderUserData(config, files);
		expect(userData).toMatch(/^#cloud-config\n/);
		const got = await written(userData);
		expect(got["/usr/local/lib/muster/agent.py"]).toEqual({ permissions: "0644", text: shipped(files.agent) });
		expect(got["/etc/systemd/system/muster-agent.service"]).toEqual({ permissions: "0644", text: files.unit });
		expect(parse(userData).runcmd).toEqual([
			["systemctl", "daemon-reload"],
			["systemctl", "enable", "--now", "--no-block", "muster-agent"],
		]);
	});

	it("carries the configuration unchanged, for root's eyes only, and in no shell's or YAML's words", async () => {
		const userData = await renderUserData(config, files);
		const file = (await written(userData))["/etc/muster/agent.json"];
		expect([file?.permissions, JSON.parse(file?.text ?? "")]).toEqual(["0600", config]);
		expect(userData).not.toContain("reboot");
	});

	it("leaves room for forty allowed networks below the smallest limit of our clouds", async () => {
		const allow = Array.from({ length: 40 }, (_, index) => `203.0.${index + 100}.0/24`);
		expect((await gzipped(await renderUserData({ ...config, allow }, files))).length).toBeLessThan(MAX_USER_DATA_BYTES);
	});

	it("is refused when it is over that limit, with the reason", async () => {
		const allow = Array.from({ length: 2000 }, (_, index) => `${index % 223}.${index % 251}.${index % 83}.0/24`);
		await expect(renderUserData({ ...config, allow }, files)).rejects.toThrow(/16384.*2000/);
	});

	it("is the same each time", async () => {
		expect(await renderUserData(config, files)).toBe(await renderUserData(config, files));
	});

	it("ships the agent as it is but for what only readers need: comments, annotations and names", () => {
		const text = shipped(files.agent);
		expect(text).not.toMatch(/"""|^\s*#/m);
		// As Python sees both, doc strings and annotations aside, and by the grammar of the oldest version that must run it: names may differ
		// where each has one other everywhere, and none of those that are Python's is changed.
		const script = `
import ast, builtins, collections, hashlib, http.client, io, ipaddress, itertools, json, os, queue, random, re, resource, select, signal, socket, ssl, sys, threading, time, urllib.parse
THINGS = [ast.Module, builtins, collections, collections.deque, hashlib, hashlib.sha256(), http.client, http.client.HTTPConnection, http.client.HTTPResponse, io.TextIOWrapper, ipaddress, ipaddress.IPv4Address, ipaddress.IPv4Network, itertools, json, os, queue, queue.SimpleQueue, random, re, re.compile(""), re.match("", ""), resource, select, select.epoll, signal, socket, socket.socket, ssl, ssl.SSLContext, sys, threading, threading.Thread, time, urllib.parse, urllib.parse.urlsplit(""), OSError(), b"", "", [], {}, set(), 1, memoryview(b""), bytearray()]
pythons = {name for thing in THINGS for name in dir(thing)} | {"daemon", "file", "flags", *vars(http.client.HTTPConnection("x")), *vars(http.client.HTTPResponse(socket.socket())), "flush", "maxsplit", "server_hostname", "strict", "target", "validate"}
def walk(text):
    module, names, slots = ast.parse(text, feature_version=(3, 8)), [], {}
    module.body = [node for node in module.body if getattr(node, "module", "") != "__future__"]
    for node in ast.walk(module):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str):
            del body[0]
        for field in ("annotation", "returns"):
            if hasattr(node, field): setattr(node, field, None)
    for node in ast.walk(module):
        if isinstance(node, (ast.Assign, ast.AugAssign)) and ast.dump(node).startswith(("Assign(targets=[Name(id='__slots__'", "AugAssign(target=Name(id='__slots__'")):
            for item in node.value.elts: item.id, item.value = item.value, 0
        for field in ("id", "attr", "name", "arg"):
            if isinstance(getattr(node, field, None), str):
                names.append(getattr(node, field))
                setattr(node, field, "")
    return names, ast.dump(module)
whole, cut = json.load(sys.stdin)
(long, a), (short, b) = walk(whole), walk(cut)
assert a == b
assert len(set(zip(long, short))) == len(set(long)) == len(set(short)), "a name has two"
print(*sorted({name for name, other in zip(long, short) if name != other and name in pythons}))
`;
		const { status, stdout, stderr } = spawnSync("python3", ["-c", script], { input: JSON.stringify([files.agent, text]) });
		expect([status, stdout.toString().trim(), stderr.toString()]).toEqual([0, "", ""]);
	});
});
