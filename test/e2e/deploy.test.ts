import { execFile, execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CloudflareAccount, idOf } from "./cloudflare.ts";
import { NODE } from "./harness.ts";

const PROJECT = join(import.meta.dirname, "../..");
const TRACKED = join(PROJECT, "wrangler.toml");
/** Of this run: a deployment of whoever runs this may have left its file. */
const ENV = `test-${process.pid}`;
const WORKER = `muster-${ENV}`;

const account = new CloudflareAccount();
let api = "";
beforeAll(async () => {
	api = await account.listen();
});
afterAll(async () => {
	await account.close();
	rmSync(join(PROJECT, `wrangler.${WORKER}.json`), { force: true });
});

/** Runs `npm run deploy -- …` with this account; what it printed, and its exit code. */
function deploy(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
	const env = {
		PATH: process.env.PATH,
		HOME: process.env.HOME,
		CLOUDFLARE_API_BASE_URL: api,
		CLOUDFLARE_API_TOKEN: "of-the-test",
		CLOUDFLARE_ACCOUNT_ID: "of-the-test",
		WRANGLER_SEND_METRICS: "false",
		CI: "1",
	};
	return new Promise((done) => {
		execFile(NODE, [join(PROJECT, "scripts/deploy.ts"), ...args], { cwd: PROJECT, env }, (error, out, err) => {
			done({ code: error === null ? 0 : Number(error.code), output: out + err });
		});
	});
}

test("an environment gets a Worker and a database of its own, and production's database is not even looked at", async () => {
	account.create("muster");
	const tracked = readFileSync(TRACKED, "utf8");
	const { code, output } = await deploy("--env", ENV);
	expect([code, output]).toEqual([0, expect.stringContaining(`npx wrangler secret put AUTH_KEY --name ${WORKER}`)]);
	expect([...account.workers.keys()]).toEqual([WORKER]);
	expect(account.workers.get(WORKER)?.bindings).toContainEqual({ name: "DB", type: "d1", id: idOf(WORKER) });
	expect(account.tables(WORKER)).toEqual(expect.arrayContaining(["d1_migrations", "pools", "settings"]));
	expect(account.tables("muster")).toEqual([]);
	expect(account.calls.filter((call) => /\/muster(\/|$)|id-of-muster(\/|$)/.test(call))).toEqual([]);
	// What was set in the dashboard stays, and no file that git knows is changed.
	expect(account.workers.get(WORKER)?.keep_bindings).toContain("plain_text");
	expect(readFileSync(TRACKED, "utf8")).toBe(tracked);
	expect(execFileSync("git", ["check-ignore", `wrangler.${WORKER}.json`], { cwd: PROJECT, encoding: "utf8" })).not.toBe("");
});

test("a deployment's next deploy brings its own database up to date before the new code", async () => {
	account.databases.get(WORKER)?.exec("DROP TABLE leases; DELETE FROM d1_migrations WHERE name LIKE '0003%'");
	account.calls.length = 0;
	expect(await deploy("--env", ENV)).toMatchObject({ code: 0 });
	expect(account.tables(WORKER)).toContain("leases");
	const upload = account.calls.indexOf(`PUT /workers/scripts/${WORKER}`);
	const queries = account.calls.flatMap((call, index) => (call === `POST /d1/database/${idOf(WORKER)}/query` ? [index] : []));
	expect(queries.length).toBeGreaterThan(0);
	expect(Math.max(...queries)).toBeLessThan(upload);
	expect(account.calls.filter((call) => call === "POST /d1/database")).toEqual([]);
});

test("a password that must be percent-encoded in URLs is warned of, without the password", async () => {
	const { code, output } = await deploy("--env", ENV, "--dry-run", "--var", "PROXY_PASSWORD:p@ss/w:rd");
	expect([code, output]).toEqual([0, expect.stringMatching(/^Warning: PROXY_PASSWORD has characters that must be percent-encoded/m)]);
});

test("a dry run says what would be deployed, and asks the account for nothing", async () => {
	account.calls.length = 0;
	const { code, output } = await deploy("--env", ENV, "--dry-run");
	expect([code, output]).toEqual([
		0,
		expect.stringMatching(new RegExp(`^It would be the Worker ${WORKER}, with the database ${WORKER}\\.$`, "m")),
	]);
	expect(account.calls).toEqual([]);
});
