/**
 * Clients that rotate, through a whole Muster and its fleet: the Scrapy middleware, the Node client, and each program in docs/clients.md that
 * stands below a line `<!-- runs: … -->`.
 */
import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Dev, freePort, TIMES, temporaryState, within } from "../e2e/harness.ts";
import { CACHE, PYTHON } from "./client.ts";

const PROJECT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(PROJECT, "docs/clients.md"), "utf8");
const COUNT = 3;
const PROGRAM_SECONDS = 120;

const state = temporaryState();
let root = "";
let dev: Dev;
let muster = "";
let fleet: readonly string[] = [];
let username = "";

beforeAll(async () => {
	root = mkdtempSync(join(tmpdir(), "muster-rotating-"));
	dev = await Dev.start(state.directory, { DIGITALOCEAN_MIN_SCALING: String(COUNT), DIGITALOCEAN_MAX_SCALING: String(COUNT + 2) });
	muster = `http://127.0.0.1:${dev.port}`;
	await within(TIMES.bootMs + 15_000, async () => expect(await dev.proxies()).toHaveLength(COUNT));
	fleet = (await dev.proxies()).map(({ ip }) => ip);
	username = new URL((await dev.random()).url).username;
});

afterAll(async () => {
	await dev?.stop();
	state.remove();
	rmSync(root, { recursive: true, force: true });
});

interface Visit {
	readonly from: string;
	readonly path: string;
	readonly credentials: string | undefined;
}

/** A site that says who asks, and serves no address of `banned`. */
async function startSite(banned: ReadonlySet<string> = new Set(), captcha: ReadonlySet<string> = new Set()) {
	const visits: Visit[] = [];
	const server = createServer((request, response) => {
		const [from, path] = [request.socket.remoteAddress ?? "", request.url ?? ""];
		visits.push({ from, path, credentials: request.headers["proxy-authorization"] });
		response.setHeader("content-type", "application/json");
		if (banned.has(from)) response.writeHead(403).end("{}");
		else if (captcha.has(from) && path.startsWith("/captcha")) response.end("are you human?");
		else response.end(JSON.stringify({ from }));
	});
	const port = await freePort();
	await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
	return {
		url: `http://127.0.0.1:${port}`,
		visits,
		close: () => {
			server.close();
			server.closeAllConnections();
		},
	};
}

async function listening(server: Server): Promise<number> {
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	return (server.address() as AddressInfo).port;
}

const environment = (more: Readonly<Record<string, string>> = {}) => ({
	PATH: process.env.PATH ?? "",
	HOME: root,
	LANG: "C.UTF-8",
	MUSTER_URL: muster,
	MUSTER_KEY: "any: development asks for none",
	...more,
});

async function run(program: string, args: readonly string[], env: Readonly<Record<string, string>>, cwd = root): Promise<string> {
	try {
		const { stdout } = await promisify(execFile)(program, args, { env, cwd, timeout: PROGRAM_SECONDS * 1000, maxBuffer: 1e8 });
		return stdout;
	} catch (error) {
		const { stdout, stderr } = error as { stdout?: string; stderr?: string };
		throw new Error(`${program} ${args[0]}: ${stdout}\n${stderr}`);
	}
}

const has = (program: string, ...args: readonly string[]) => {
	try {
		execFileSync(program, args, { stdio: "ignore" });
		return true;
	} catch {
		return false;
	}
};

describe("the Scrapy middleware", () => {
	const pythonPath = join(PROJECT, "clients/python");

	it("gets every page of a site that bans, through proxies that it does not, and tells Muster", async ({ skip }) => {
		if (!has(PYTHON, "-c", "import scrapy")) return skip("not installed: python3-scrapy");
		const [banned = "", captcha = ""] = fleet;
		const site = await startSite(new Set([banned]), new Set([captcha]));
		const { body: before } = await dev.api("GET", "/providers/digitalocean");
		const program = join(import.meta.dirname, "programs/banned_spider.py");
		const args = [program, muster, "key", site.url, "digitalocean", String(COUNT)];
		const env = environment({ PYTHONPATH: pythonPath, PYTHONDONTWRITEBYTECODE: "1" });
		const pages = (await run(PYTHON, args, env))
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line) as { from: string; path: string; proxy: string });
		site.close();
		expect(pages.map(({ path }) => path).sort()).toEqual(
			[
				...Array.from({ length: 24 }, (_, index) => `/page/${index}`),
				...Array.from({ length: 6 }, (_, index) => `/sticky/${index}`),
				"/captcha/1",
			].sort(),
		);
		for (const { from, proxy } of pages) expect(from).toBe(proxy);
		expect(new Set(pages.map(({ from }) => from))).toEqual(new Set(fleet.filter((ip) => ip !== banned)));
		// Once the first answers had come it went there no more.
		expect(site.visits.filter(({ from }) => from === banned).length).toBeLessThan(12);
		expect(site.visits.flatMap(({ credentials }) => credentials ?? [])).toEqual([]);
		const { body } = await dev.api("GET", `/random?session=customer-42&exclude=${banned}`);
		const sticky = pages.filter(({ path }) => path.startsWith("/sticky/"));
		expect(new Set(sticky.map(({ from }) => from))).toEqual(new Set([(body.proxy as { ip: string }).ip]));
		// The fleet is as large as before, and knows who is banned.
		const { body: after } = await dev.api("GET", "/providers/digitalocean");
		expect((after.provider as { scaling: object }).scaling).toEqual((before.provider as { scaling: object }).scaling);
		await within(5_000, async () => {
			for (let i = 0; i < 12; i++) {
				const answer = await dev.api("GET", "/random?host=127.0.0.1");
				expect((answer.body.proxy as { ip: string }).ip).not.toBe(banned);
			}
		});
	});

	it("leaves it to the spider's settings which reactor there is", async ({ skip }) => {
		if (!has(PYTHON, "-c", "import scrapy")) return skip("not installed: python3-scrapy");
		const program = "import sys, muster_scrapy; print('twisted.internet.reactor' in sys.modules)";
		const env = environment({ PYTHONPATH: pythonPath, PYTHONDONTWRITEBYTECODE: "1" });
		expect((await run(PYTHON, ["-c", program], env)).trim()).toBe("False");
	});

	it("is installable by pip from its folder", async ({ skip }) => {
		if (!has(PYTHON, "-m", "pip", "--version")) return skip("not installed: python3-pip");
		const copy = join(root, "package");
		cpSync(pythonPath, copy, { recursive: true });
		const target = join(root, "site-packages");
		// What it needs to be built is there already, as Debian has it.
		await run(PYTHON, ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", target, copy], environment());
		expect(existsSync(join(target, "muster_scrapy/middleware.py"))).toBe(true);
	});
});

describe("the Node client", () => {
	const client = join(PROJECT, "clients/node");

	let copy = "";

	beforeAll(async () => {
		copy = join(root, "client");
		cpSync(client, copy, { recursive: true, filter: (path) => !path.includes("node_modules") });
		// npm knows its registry by the user's own settings and environment.
		const npm = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
		await run("npm", ["install", "--silent", "--no-audit", "--no-fund"], npm, copy);
	}, PROGRAM_SECONDS * 1000);

	it("fetches through the fleet, and has the types of the API as it is", async () => {
		writeFileSync(
			join(copy, "example.ts"),
			`import { createMuster } from "./index.js";
const muster = createMuster({ url: process.env.MUSTER_URL ?? "", key: process.env.MUSTER_KEY ?? "" });
const site = process.argv[2] ?? "";
const exits = new Set<string>();
for (let i = 0; i < 20; i++) exits.add(((await (await muster.fetch(site)).json()) as { from: string }).from);
const kept = new Set<string>();
for (let i = 0; i < 4; i++) kept.add(((await (await muster.fetch(site, {}, { session: "a" })).json()) as { from: string }).from);
const { data } = await muster.api.GET("/providers/{provider}", { params: { path: { provider: "digitalocean" } } });
const least: number | undefined = data?.provider.scaling.min_scaling;
await muster.close();
console.log(JSON.stringify({ exits: [...exits], kept: [...kept], least }));
`,
		);
		writeFileSync(
			join(copy, "wrong.ts"),
			`import { createMuster } from "./index.js";\ncreateMuster({ url: "", key: "" }).api.GET("/nowhere", {});\n`,
		);
		await run(process.execPath, [join(PROJECT, "scripts/api-types.ts"), join(copy, "api.d.ts")], environment());
		const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck", "--types", "node"];
		symlinkSync(join(PROJECT, "node_modules/@types"), join(copy, "node_modules/@types"));
		const tsc = (file: string) => run(join(PROJECT, "node_modules/.bin/tsc"), [...options, file], environment(), copy);
		await tsc("example.ts");
		await expect(tsc("wrong.ts")).rejects.toThrow(/nowhere/);
		const site = await startSite();
		const said = await run(process.execPath, [join(copy, "example.ts"), site.url], environment(), copy);
		site.close();
		const { exits, kept, least } = JSON.parse(said) as { exits: string[]; kept: string[]; least: number };
		expect(exits.sort()).toEqual([...fleet].sort());
		expect(kept).toHaveLength(1);
		expect(least).toBe(COUNT);
		expect(site.visits.flatMap(({ credentials }) => credentials ?? [])).toEqual([]);
	});

	it("goes on to another proxy where one is full, whether the request is a tunnel or not", async () => {
		writeFileSync(
			join(copy, "full.mjs"),
			`import { createMuster } from "./index.js";
for (const proxyTunnel of [true, false]) {
	const muster = createMuster({ url: process.env.MUSTER_URL, key: process.env.MUSTER_KEY, proxyOptions: { proxyTunnel } });
	console.log((await (await muster.fetch(process.argv[2])).json()).from);
	await muster.close();
}
`,
		);
		// What an agent says that has no room: the fleet's own would need thousands of connections for it.
		const refusals: string[] = [];
		const fields = { "Proxy-Status": "muster; error=connection_limit_reached", "Content-Length": "0", Connection: "close" };
		const full = createServer((request, response) => {
			refusals.push(request.method ?? "");
			response.writeHead(503, fields).end();
		});
		full.on("connect", (_, socket) => {
			refusals.push("CONNECT");
			const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
			socket.end(`HTTP/1.1 503 Service Unavailable\r\n${lines.join("")}\r\n`);
		});
		const fullPort = await listening(full);
		// Muster as it is, but that it names the full one first.
		const front = createServer(async (request, response) => {
			const [path, body] = [request.url ?? "", await text(request)];
			const isFirst = path.startsWith("/random") && !path.includes("exclude");
			const proxy = { ip: "127.0.0.250", url: `http://user:password@127.0.0.1:${fullPort}` };
			const answer = isFirst
				? Response.json({ proxy })
				: await fetch(muster + path, {
						method: request.method ?? "GET",
						...(body && { body, headers: { "content-type": "application/json" } }),
					});
			response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
		});
		const url = `http://127.0.0.1:${await listening(front)}`;
		const site = await startSite();
		const said = await run(process.execPath, [join(copy, "full.mjs"), site.url], environment({ MUSTER_URL: url }), copy);
		for (const server of [full, front]) server.close();
		site.close();
		for (const from of said.trim().split("\n")) expect(fleet).toContain(from);
		expect(refusals).toEqual(["CONNECT", "GET"]);
		expect(site.visits).toHaveLength(2);
	});
});

/** What the programs of the page need, by the word after `runs:`. */
const NEEDS: Readonly<Record<string, () => boolean>> = {
	requests: () => has(PYTHON, "-c", "import requests"),
	httpx: () => has(PYTHON, "-c", "import httpx"),
	undici: () => existsSync(join(CACHE, "node_modules/undici")),
	playwright: () => existsSync(join(CACHE, "node_modules/playwright-core")) && has("chromium", "--version"),
	crawlee: () => existsSync(join(CACHE, "node_modules/@crawlee/cheerio")),
};

const programs = [...PAGE.matchAll(/<!-- runs: ([a-z]+) -->\n+```(\w+)\n([\s\S]*?)```/g)].map(
	([, name = "", language = "", text = ""]) => ({
		name,
		language,
		text,
	}),
);

describe("a program in docs/clients.md", () => {
	it("is there for each that is known here", () => {
		expect(programs.map(({ name }) => name).sort()).toEqual(Object.keys(NEEDS).sort());
	});

	for (const { name, language, text } of programs) {
		it(`goes through the fleet: ${name}`, async ({ skip }) => {
			if (!NEEDS[name]?.()) return skip("not installed: scripts/test-clients-install.sh");
			const site = await startSite();
			const directory = join(root, name);
			mkdirSync(directory);
			const file = join(directory, language === "python" ? "program.py" : "program.mjs");
			// What differs here: the site, and a browser that is root's and shall talk to nobody.
			const flags = [
				"no-sandbox",
				"disable-gpu",
				"disable-quic",
				"no-first-run",
				"disable-background-networking",
				"disable-component-update",
			];
			const args = JSON.stringify([...flags, "disable-sync"].map((flag) => `--${flag}`));
			const local = text
				.replaceAll("https://example.com/", `${site.url}/`)
				.replace("chromium.launch({", `chromium.launch({ executablePath: "/usr/bin/chromium", args: ${args},`);
			writeFileSync(file, local);
			if (language !== "python") symlinkSync(join(CACHE, "node_modules"), join(directory, "node_modules"));
			const said = await run(language === "python" ? PYTHON : process.execPath, [file], environment(), directory);
			site.close();
			expect(site.visits.length).toBeGreaterThan(0);
			for (const { from, credentials } of site.visits) {
				expect(fleet).toContain(from);
				expect(credentials).toBeUndefined();
			}
			expect(
				fleet.some((ip) => said.includes(ip)),
				said,
			).toBe(true);
		});
	}
});

it("a URL of a proxy with a session in its user name works at the proxy itself", async () => {
	const site = await startSite();
	const { url } = await dev.random();
	const out = await run(
		"curl",
		["-sS", "--noproxy", "", "-x", url.replace(`//${username}:`, `//${username}-session-a:`), `${site.url}/`],
		environment(),
	);
	site.close();
	expect(fleet).toContain((JSON.parse(out) as { from: string }).from);
});
