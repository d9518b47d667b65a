/**
 * `npm run deploy`: the Worker and its database's schema, to the account that wrangler is logged in to. `--env NAME`, `--name NAME` and
 * `--config FILE` choose the deployment, each with a database of its own (docs/deploy.md); what else is given after `--` goes to
 * `wrangler deploy`. With `--dry-run` nothing leaves this machine.
 *
 * The schema goes first, so that new code never meets an old one: a migration must leave the code that still runs able to work
 * (add, and take away in a later release). Only at the first deploy there is no database yet: `wrangler deploy` makes it.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { encodingWarnings } from "../src/values/encoding.ts";
import { configurationFor, readArguments, settingsGiven, type Wanted, writeConfiguration } from "./deployment.ts";
import { PROJECT } from "./dev-state.ts";
import { CONFIGURATION_FILE, readConfiguration, type WorkerConfiguration } from "./worker-config.ts";
import { projectPath, wrangler } from "./wrangler.ts";

const env = { ...process.env, PATH: projectPath() };

function fail(sentence: string, details: string): never {
	console.error(`${details.trim()}\n\n${sentence}`);
	process.exit(1);
}

/** Reads what was asked for, and the configuration of that deployment. */
function chosen(): { readonly wanted: Wanted; readonly configuration: WorkerConfiguration } {
	try {
		const wanted = readArguments(process.argv.slice(2));
		const file = readConfiguration(wanted.config);
		return { wanted, configuration: configurationFor(file, wanted) };
	} catch (error) {
		return fail((error as Error).message, "");
	}
}

const { wanted, configuration } = chosen();
const config = ["--config", writeConfiguration(configuration, wanted.config)];
const [database] = configuration.d1_databases ?? [];
const migrate = () => wrangler(["d1", "migrations", "apply", database?.binding ?? "DB", "--remote", ...config], env);

/** With the terminal, since wrangler may have to ask something (a login, an account). */
function deploy(): void {
	const { status } = spawnSync(
		process.execPath,
		[join(PROJECT, "node_modules/wrangler/bin/wrangler.js"), "deploy", ...config, ...wanted.rest],
		{
			cwd: PROJECT,
			env,
			stdio: "inherit",
		},
	);
	if (status !== 0) process.exit(status ?? 1);
}

for (const warning of encodingWarnings(settingsGiven(configuration, wanted.rest))) console.warn(`Warning: ${warning}.`);
if (wanted.rest.includes("--dry-run")) {
	deploy();
	console.log(`It would be the Worker ${configuration.name}, with the database ${database?.database_name ?? database?.database_id}.`);
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

// A Worker of another name than the file that wrangler reads by itself has.
const named = configuration.name === readConfiguration(CONFIGURATION_FILE).name ? "" : ` --name ${configuration.name}`;
console.log(`
${configuration.name} is deployed, with the database ${database?.database_name ?? database?.database_id}. Until a key is set it answers next to nothing.
What it needs is set once, as secrets: one by one, or all in one file (npx wrangler secret bulk FILE${named}; docs/deploy.md).

  npx wrangler secret put AUTH_KEY${named}                    # opens the API; 22 characters or more (openssl rand -base64 32)
  npx wrangler secret put PROXY_USERNAME${named}              # what clients of the proxies present
  npx wrangler secret put PROXY_PASSWORD${named}              # best of letters, digits and -._~ alone (openssl rand -hex 16)
  npx wrangler secret put DIGITALOCEAN_ACCESS_TOKEN${named}   # may read and write droplets, firewalls and tags
  npx wrangler secret put DIGITALOCEAN_ENABLED${named}        # True: from here on VMs are launched, and cost money

PUBLIC_URL is the address that the VMs call; without it, it is the origin of the first request that has the key.`);
