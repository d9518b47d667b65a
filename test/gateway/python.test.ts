import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bestFor, Exit } from "../../src/gateway/exits.ts";
import { digitsOf, hash64 } from "../../src/values/rendezvous.ts";

const FOLDER = join(import.meta.dirname, "../../clients/python/muster_scrapy");
const PROGRAM = `import json, sys
from rendezvous import best
ids, sessions = json.load(sys.stdin)
print(json.dumps([best(session, ((each, each) for each in ids)) for session in sessions]))
`;

test("the Scrapy middleware has no syntax that Python 3.8 does not know", () => {
	const program = "import ast, sys\nfor name in sys.argv[1:]: ast.parse(open(name).read(), name, feature_version=(3, 8))";
	const files = readdirSync(FOLDER).filter((name) => name.endsWith(".py"));
	execFileSync("python3", ["-c", program, ...files.map((name) => join(FOLDER, name))]);
	expect(files).toContain("middleware.py");
});

test("the Scrapy middleware keeps a session at the proxy at which the gateway and /random keep it", () => {
	const listed = Array.from({ length: 40 }, (_, index) => ({
		...{ id: digitsOf(hash64(`pool/${index}`)), ip: `192.0.2.${index}`, port: 8899, url: `http://u:p@192.0.2.${index}:8899` },
		...{ provider: "digitalocean", instance: "default", region: null, country: null },
	}));
	const exits = listed.map((each) => new Exit(each));
	const sessions = Array.from({ length: 1_000 }, (_, index) => `customer ${index} ü 😀`);
	const input = JSON.stringify([listed.map(({ id }) => id), sessions]);
	const env = { PATH: process.env.PATH, PYTHONPATH: FOLDER, PYTHONDONTWRITEBYTECODE: "1", PYTHONUTF8: "1" };
	const chosen = JSON.parse(execFileSync("python3", ["-c", PROGRAM], { input, env, encoding: "utf8" })) as string[];
	expect(chosen).toEqual(sessions.map((session) => bestFor(session, exits)?.id));
});
