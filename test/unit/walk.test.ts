import { timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { app } from "../../src/http/app.ts";
import { agentOrigin } from "../../src/http/origin.ts";
import { forgetEverything } from "../../src/read-model/ready.ts";

// Who wants to know what a request goes through reads the files that it enters, one after the other: that must be few.

const SOURCES = join(import.meta.dirname, "../../src");
const KEY = "the-admin-key-of-the-tests";

/** Of one pool with one ready proxy, whatever it is asked: what is looked at here is not the answer. */
function database(): unknown {
	const pool = { object: "0", provider: "digitalocean", name: "default", source: "environment", summary: null };
	const row = { ...pool, credentials: '{"1":["user","pass"]}', count: 1, ready: '[["a","192.0.2.1",1]]', entry: '["a","192.0.2.1",1]' };
	const statement = { all: async () => ({ results: [row] }) };
	return { prepare: () => statement, batch: async () => [{ results: [row] }, { results: [] }] };
}

/** The files of the sources of which code ran, as V8 counts it. */
async function filesEntered(work: () => Promise<unknown>): Promise<readonly string[]> {
	const session = new Session();
	session.connect();
	await session.post("Profiler.enable");
	await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
	await session.post("Profiler.takePreciseCoverage");
	await work();
	const { result } = await session.post("Profiler.takePreciseCoverage");
	session.disconnect();
	const entered = result.flatMap(({ url, functions }) => {
		const file = relative(SOURCES, url.startsWith("file:") ? fileURLToPath(url) : url).replaceAll("\\", "/");
		const isOurs = !file.startsWith("..") && file.endsWith(".ts");
		return isOurs && functions.some(({ functionName, ranges }) => functionName !== "" && (ranges[0]?.count ?? 0) > 0) ? [file] : [];
	});
	return [...new Set(entered)].sort();
}

test("GET /random enters eight files, src/worker.ts among them, whether or not the isolate holds the list", async () => {
	Object.assign(crypto.subtle, { timingSafeEqual: (a: ArrayBuffer, b: ArrayBuffer) => timingSafeEqual(Buffer.from(a), Buffer.from(b)) });
	const env = { AUTH_KEY: KEY, DB: database() };
	const ctx = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} } as unknown as ExecutionContext;
	const ask = async () => {
		const request = new Request("https://muster.test/random", { headers: { "X-Auth-Key": KEY } });
		const response = await app.fetch(request, env, ctx);
		expect(await response.json()).toMatchObject({ proxy: { ip: "192.0.2.1" } });
	};
	agentOrigin.isKnown = true;
	// Settings are read once for each isolate, and routes are sorted at its first request.
	await ask();
	const walk = [
		"d1/database.ts",
		"http/app.ts",
		"http/base/auth.ts",
		"http/base/context.ts",
		"http/cloudproxy/proxies.ts",
		"read-model/ready.ts",
		"read-model/snapshot.ts",
	];
	forgetEverything();
	expect(await filesEntered(ask), "one proxy asked for alone").toEqual(walk);
	await ask();
	expect(await filesEntered(ask), "the list is held").toEqual(walk);
});

test("the walks that the documentation tells go through files that there are, as many as it says, each named once", () => {
	const page = readFileSync(join(SOURCES, "../docs/architecture.md"), "utf8");
	const told = page.slice(page.indexOf("## Three walks"));
	const counts = [...told.matchAll(/^\| .* \| \d+(?:, and `agent\.py`)? \| (\d+)\b.*\|$/gm)].map(([, count]) => Number(count));
	const walks = told
		.split(/^### /m)
		.slice(1)
		.filter((walk) => /^1\. `src\//m.test(walk));
	expect(walks.map((walk) => walk.slice(0, walk.indexOf("\n")).split(",")[0])).toEqual([
		"`GET /random`",
		"`PATCH /providers/digitalocean` to a VM created",
		"A heartbeat to a dropped session",
	]);
	for (const [index, walk] of walks.entries()) {
		const files = [...walk.matchAll(/^(\d+)\. `(src\/[^`]+)`/gm)].map(([, number, file]) => ({ number: Number(number), file: file ?? "" }));
		expect(files.map(({ number }) => number)).toEqual(files.map((_, at) => at + 1));
		expect(files).toHaveLength(counts[index] ?? 0);
		expect(new Set(files.map(({ file }) => file)).size).toBe(files.length);
		expect(files.filter(({ file }) => !existsSync(join(SOURCES, "..", file)))).toEqual([]);
	}
});
