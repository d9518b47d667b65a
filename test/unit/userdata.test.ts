import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { packed, shipped } from "../../scripts/shipped.ts";
import { gzipped } from "../../src/agent/gzip.ts";
import { AGENT_VERSION, type AgentConfig } from "../../src/agent/protocol.ts";
import { MAX_USER_DATA_BYTES, renderUserData } from "../../src/agent/userdata.ts";

const source = (name: string) => readFileSync(join(import.meta.dirname, "../../src/agent", name), "utf8");
const agent = shipped(source("agent.py"));
const files = { agent: await packed(source("agent.py")), unit: source("muster-agent.service") };
const digest = (text: string, encoding: "hex" | "base64url") => createHash("sha256").update(text).digest(encoding);
const config: AgentConfig = {
	// As random as a real one: its bytes count.
	token: `${digest("deployment", "hex")}.${digest("proxy", "hex").slice(0, 16)}.${digest("secret", "base64url")}`,
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
		expect(got["/usr/local/lib/muster/agent.py"]).toEqual({ permissions: "0644", text: agent });
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
		const text = agent;
		expect(text).not.toMatch(/"""|^\s*#/m);
		const { status, stdout, stderr } = spawnSync("python3", ["-c", COMPARE], { input: JSON.stringify([source("agent.py"), text]) });
		expect([status, stdout.toString().trim(), stderr.toString()]).toEqual([0, "same", ""]);
	});
});

/**
 * Compares two programs as Python parses them, by the grammar of the oldest version that must run them, doc strings and annotations
 * aside. Names may differ: attributes where each has one other everywhere and is none that Python's own things have; variables where
 * each has one other in its function, in which nothing else is called so; globals as attributes.
 */
const COMPARE = `
import ast, builtins, collections, hashlib, http.client, io, ipaddress, itertools, json, os, queue, random, re, resource, select, signal, socket, ssl, sys, threading, time, urllib.parse
THINGS = [builtins, collections, collections.deque, hashlib, hashlib.sha256(), http.client, http.client.HTTPConnection, http.client.HTTPResponse, io.TextIOWrapper, ipaddress, ipaddress.IPv4Address, ipaddress.IPv4Network, itertools, json, os, queue, queue.SimpleQueue, random, re, re.compile(""), re.match("", ""), resource, select, select.epoll, signal, socket, socket.socket, ssl, ssl.SSLContext, sys, threading, threading.Thread, time, urllib.parse, urllib.parse.urlsplit(""), OSError(), b"", "", [], {}, set(), 1, memoryview(b""), bytearray()]
PYTHONS = {name for thing in THINGS for name in dir(thing)} | {*vars(http.client.HTTPConnection("x")), *vars(http.client.HTTPResponse(socket.socket()))}
class Names(ast.NodeVisitor):
    def __init__(self, text):
        self.attributes, self.globals, self.functions, self.defaults = [], [], [], []
        self.function, self.is_class = None, False
        module = ast.parse(text, feature_version=(3, 8))
        module.body = [part for node in module.body for part in ([ast.Import([name]) for name in node.names] if isinstance(node, ast.Import) else [node]) if getattr(part, "module", "") != "__future__"]
        self.visit(module)
        self.dump = ast.dump(module)
    def generic_visit(self, node):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str):
            del body[0]
        for field in ("annotation", "returns"):
            if hasattr(node, field): setattr(node, field, None)
        is_function = isinstance(node, ast.FunctionDef)
        for field in ("id", "attr", "name", "arg"):
            name = getattr(node, field, None)
            if isinstance(node, (ast.keyword, ast.alias)) or not isinstance(name, str): continue
            is_attribute = field == "attr" or (is_function and self.is_class and self.function is None)
            is_bound = field != "attr" and (field != "id" or not isinstance(node.ctx, ast.Load))
            (self.attributes if is_attribute else self.globals if self.function is None else self.function).append((name, is_bound))
            setattr(node, field, "")
        if is_function and self.is_class: self.defaults += [part.id for value in node.args.defaults for part in ast.walk(value) if isinstance(part, ast.Name)]
        if isinstance(node, (ast.Assign, ast.AugAssign)) and self.is_class and self.function is None:
            for item in node.value.elts:
                self.attributes.append((item.value, False))
                item.value = ""
        is_outer, was_class = is_function and self.function is None, self.is_class
        if is_outer:
            self.function = []
            self.functions.append(self.function)
        self.is_class = isinstance(node, ast.ClassDef) or (was_class and not is_function)
        super().generic_visit(node)
        self.is_class = was_class
        if is_outer: self.function = None
def one_to_one(pairs):
    pairs = {(long, short) for (long, _), (short, _) in pairs}
    assert len(pairs) == len(dict(pairs)) == len({short for _, short in pairs}), sorted(pairs)
    return dict(pairs)
whole, cut = [Names(text) for text in json.load(sys.stdin)]
assert whole.dump == cut.dump
attributes = one_to_one(zip(whole.attributes, cut.attributes))
for long, short in attributes.items(): assert long == short or long not in PYTHONS, long + " is Python's too"
for name in cut.defaults: assert name not in attributes.values(), name + " may be a method"
everywhere = one_to_one(zip(whole.globals, cut.globals))
for long, short in zip(whole.functions, cut.functions):
    variables = {name for name, is_bound in long if is_bound}
    for name, other in one_to_one(zip(long, short)).items():
        assert name in variables or other == everywhere.get(name, name), name
print("same")
`;

it("has an agent of the version that Muster knows", () => {
	expect(/^VERSION = "(.*)"$/m.exec(source("agent.py"))?.[1]).toBe(AGENT_VERSION);
});
