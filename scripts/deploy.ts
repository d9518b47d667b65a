/**
 * `npm run deploy`: the Worker and its database's schema, to the account that wrangler is logged in to. What is given after `--`
 * goes to `wrangler deploy`; with `--dry-run` nothing leaves this machine.
 *
 * The schema goes first, so that new code never meets an old one: a migration must leave the code that still runs able to work
 * (add, and take away in a later release). Only at the first deploy there is no database yet: `wrangler deploy` makes it.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { PROJECT } from "./dev-state.ts";
import { projectPath, wrangler } from "./wrangler.ts";

const env = { ...process.env, PATH: projectPath() };
const args = process.argv.slice(2);
const migrate = () => wrangler(["d1", "migrations", "apply", "DB", "--remote"], env);

function fail(sentence: string, details: string): never {
	console.error(`${details.trim()}\n\n${sentence}`);
	process.exit(1);
}

/** With the terminal, since wrangler may have to ask something (a login, an account). */
function deploy(): void {
	const { status } = spawnSync(process.execPath, [join(PROJECT, "node_modules/wrangler/bin/wrangler.js"), "deploy", ...args], {
		cwd: PROJECT,
		env,
		stdio: "inherit",
	});
	if (status !== 0) process.exit(status ?? 1);
}

if (args.includes("--dry-run")) {
	deploy();
	process.exit(0);
}

const problem = await migrate();
// wrangler's own sentence for a database that its configuration names and the account does not have.
const isFirst = problem?.includes("Couldn't find a D1 DB named") ?? false;
if (problem !== null && !isFirst)
	fail("The database's schema could not be brought up to date; nothing was deployed. (Not logged in? npx wrangler login)", problem);
deploy();
if (isFirst) {
	const still = await migrate();
	if (still !== null) fail("The Worker is deployed and its database has no tables yet; run 'npm run deploy' again.", still);
}

console.log(`
Deployed. Until a key is set the Worker answers next to nothing. What it needs is set once, as secrets:

  npx wrangler secret put AUTH_KEY                    # opens the API; 22 characters or more (openssl rand -base64 32)
  npx wrangler secret put PROXY_USERNAME              # what clients of the proxies present
  npx wrangler secret put PROXY_PASSWORD
  npx wrangler secret put DIGITALOCEAN_ACCESS_TOKEN   # may read and write droplets, firewalls and tags
  npx wrangler secret put DIGITALOCEAN_ENABLED        # True: from here on VMs are launched, and cost money

PUBLIC_URL is the address that the VMs call; without it, it is the origin of the first request that has the key.`);
