/**
 * Real clients through a real agent: `npm run test:clients`. Each fetches what only the agent can reach by name, with a password that has to
 * be written with care in a URL; the origin must see the agent's address and never the proxy's credentials.
 */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Authority, makeAuthority } from "../agent/authority.ts";
import { type Agent, startAgent, startWorker } from "../agent/harness.ts";
import type { Client, Command, Protocol } from "./client.ts";
import { answerOf, ORIGIN_NAME, type Origin, startOrigin } from "./origin.ts";
import { CLIENTS } from "./table/index.ts";

const USERNAME = "user";
const PASSWORD = "p@ss/w:rd";
const CLIENT_SECONDS = 150;
/** Fewer clients, and the run says too little. */
const FEWEST = 25;
const DOZEN = CLIENTS.filter(({ isOfTheDozen }) => isOfTheDozen);
/** Continuous integration has all of them; elsewhere a few may not be installed. */
const FEWEST_OF_THE_DOZEN = process.env.CI ? DOZEN.length : 12;

let root = "";
let authority: Authority;
const versions = new Map<string, string>();
const missing: Client[] = [];

beforeAll(() => {
	root = mkdtempSync(join(tmpdir(), "muster-clients-"));
	authority = makeAuthority(root, ORIGIN_NAME);
});

afterAll(() => {
	rmSync(root, { recursive: true, force: true });
	for (const [name, version] of versions) console.log(`ran      ${name} ${version}`);
	for (const { name, packages } of missing) console.log(`missing  ${name} (${packages})`);
	if (missing.length > 0) console.log("scripts/test-clients-install.sh installs what continuous integration has; with --all, all of them.");
});

describe("a real client reaches what it asks for through the agent", () => {
	for (const client of CLIENTS) {
		it(`${client.name} by ${client.protocols.join(", ")}`, async ({ skip }) => {
			const version = await versionOf(client);
			if (version === null) {
				missing.push(client);
				return skip(`not installed: ${client.packages}`);
			}
			const origin = await startOrigin(authority);
			const agent = await startAgent(await startWorker(), {
				config: { credentials: { version: 1, username: USERNAME, password: PASSWORD } },
				names: { [ORIGIN_NAME]: ["127.0.0.1"] },
			});
			for (const protocol of client.protocols) await fetches(client, protocol, agent, origin);
			expect(agent.log()).not.toMatch(/p@ss|p%40ss|hello\.txt/i);
			versions.set(client.name, version);
		});
	}
});

it(`runs at least ${FEWEST} clients, and at least ${FEWEST_OF_THE_DOZEN} of the ${DOZEN.length} that differ most`, () => {
	const without = DOZEN.filter(({ name }) => !versions.has(name)).map(({ name, packages }) => `${name} (${packages})`);
	expect(versions.size, "clients that ran and passed").toBeGreaterThanOrEqual(FEWEST);
	expect(DOZEN.length - without.length, `did not run or pass: ${without.join(", ")}`).toBeGreaterThanOrEqual(FEWEST_OF_THE_DOZEN);
});

/** Null where it is not installed. */
async function versionOf({ version: [program = "", ...args] }: Client): Promise<string | null> {
	try {
		const { stdout, stderr } = await promisify(execFile)(program, args, { env: { ...process.env, NO_COLOR: "1" } });
		return /\d+(\.\d+)+[\w.+-]*/.exec(stdout + stderr)?.[0] ?? "of unknown version";
	} catch {
		return null;
	}
}

async function fetches(client: Client, protocol: Protocol, agent: Agent, origin: Origin): Promise<void> {
	const secret = randomBytes(8).toString("hex");
	const directory = join(root, secret);
	mkdirSync(directory);
	const [scheme, port] = protocol === "https" ? ["https", origin.httpsPort] : ["http", origin.httpPort];
	const host = client.resolvesItself ? "127.0.0.1" : ORIGIN_NAME;
	const base = `${scheme}://${host}:${port}/${secret}/`;
	const place = `${encodeURIComponent(USERNAME)}:${encodeURIComponent(PASSWORD)}@${agent.address}:${agent.port}`;
	const [url, socksUrl] = [`http://${place}`, `socks5h://${place}`];
	const command = client.command({
		protocol,
		host,
		port,
		url: `${base}hello.txt`,
		base,
		proxy: {
			host: agent.address,
			port: agent.port,
			username: USERNAME,
			password: PASSWORD,
			url,
			socksUrl,
			either: protocol === "socks5" ? socksUrl : url,
		},
		authority: authority.certificate,
		directory,
	});
	const { status, output, trouble } = await run(command, directory);
	const visits = origin.visits.filter(({ target }) => target.includes(secret));
	const asked = visits.map(({ target }) => target).join(" ") || "nothing";
	const what = `${client.name}, ${protocol}; the origin was asked for ${asked}; the client says: ${trouble.slice(-2000)}`;
	if (client.isSilent) expect(status, what).toBe(0);
	else expect(output, what).toContain(answerOf(secret));
	expect(visits.length, what).toBeGreaterThan(0);
	for (const { from, headers, target } of visits) {
		expect(from, `${what}: it went past the proxy`).toBe(agent.address);
		if (protocol === "http") expect(target, what).toMatch(/^\//);
		// What is inside TLS the agent cannot take out.
		expect("proxy-authorization" in headers, `${what}: the origin sees the credentials`).toBe(
			protocol === "https" && client.tellsOriginPassword === true,
		);
	}
}

interface Outcome {
	readonly status: number | null;
	/** What it brought home. */
	readonly output: string;
	/** All that it said. */
	readonly trouble: string;
}

async function run({ argv: [program = "", ...args], env, files, input, output }: Command, directory: string): Promise<Outcome> {
	for (const [name, text] of Object.entries(files ?? {})) {
		mkdirSync(dirname(join(directory, name)), { recursive: true });
		writeFileSync(join(directory, name), text);
	}
	const child = spawn(program, args, {
		cwd: directory,
		// Nothing of this machine's own settings.
		env: { PATH: process.env.PATH, HOME: directory, LANG: "C.UTF-8", TERM: "dumb", ...toolchains(), ...env },
		stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
		timeout: CLIENT_SECONDS * 1000,
		killSignal: "SIGKILL",
	});
	const told: Buffer[] = [];
	const said: Buffer[] = [];
	child.stdout?.on("data", (data: Buffer) => told.push(data));
	child.stderr?.on("data", (data: Buffer) => said.push(data));
	// Some end before they have read all of it.
	child.stdin?.on("error", () => {});
	child.stdin?.write(input ?? "");
	// Some end with their input, others only after it.
	child.stdout?.once("data", () => child.stdin?.end());
	const status = await new Promise<number | null>((resolve, reject) => {
		child.once("error", reject);
		child.once("close", resolve);
	});
	const text = Buffer.concat(told).toString("latin1");
	return {
		status,
		output: output === undefined ? text : readOrEmpty(join(directory, output)),
		trouble: `(status ${status}) ${text}${Buffer.concat(said).toString()}`,
	};
}

/** Where rustup keeps the compiler that it stands for. */
function toolchains(): Record<string, string> {
	return { RUSTUP_HOME: process.env.RUSTUP_HOME ?? join(homedir(), ".rustup") };
}

function readOrEmpty(path: string): string {
	try {
		return readFileSync(path, "latin1");
	} catch {
		return "";
	}
}
