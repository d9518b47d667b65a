/** Checks the API's description, as the Worker answers it at /openapi.json, with Redocly's rules (redocly.yaml). Part of `npm run check`. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { app } from "../src/http/app.ts";

const PROJECT = join(import.meta.dirname, "..");
const FILE = join(PROJECT, "dist", "openapi.json");

const answer = await app.request("/openapi.json", {}, {} as never);
if (answer.status !== 200) throw new Error(`/openapi.json answered ${answer.status}`);
mkdirSync(dirname(FILE), { recursive: true });
writeFileSync(FILE, `${JSON.stringify(await answer.json(), null, "\t")}\n`);

// It would report its use and ask for newer versions of itself.
const quiet = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
const cli = join(PROJECT, "node_modules/@redocly/cli/bin/cli.js");
const { status, stdout, stderr } = spawnSync(
	process.execPath,
	[cli, "lint", FILE, "--config", join(PROJECT, "redocly.yaml"), "--format", "codeframe"],
	{
		cwd: PROJECT,
		env: { PATH: process.env.PATH, HOME: process.env.HOME, ...quiet },
		encoding: "utf8",
	},
);
if (status !== 0) console.error(`${stdout}${stderr}`);
else console.log("The API's description has no fault.");
process.exitCode = status ?? 1;
