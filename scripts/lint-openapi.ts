/**
 * Checks the API's descriptions, as the Worker answers them, by the recommended rules of Redocly (redocly.yaml) and of Spectral. Part of
 * `npm run check`.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { app } from "../src/http/app.ts";

const PROJECT = join(import.meta.dirname, "..");
const PATHS = ["/openapi.json", "/openapi-duplicates.json"];

interface Fault {
	readonly code: string | number;
	readonly message: string;
	readonly path: readonly (string | number)[];
}
interface Problem {
	readonly ruleId: string;
	readonly message: string;
	readonly location: readonly { readonly pointer: string }[];
}
const EXCUSED = [
	["operation-2xx-response", "~1v1.1~1agent/get"],
	["operation-4xx-response", "~1v1.1~1logout/get"],
	["operation-4xx-response", "~1docs/get"],
	["operation-4xx-response", "~1openapi.json/get"],
	["operation-4xx-response", "~1openapi-duplicates.json/get"],
] as const;
// Both are CommonJS, and what they say of their types does not fit a project that is none.
const require = createRequire(import.meta.url);
const { Spectral } = require("@stoplight/spectral-core") as {
	Spectral: new () => { setRuleset(rules: object): void; run(document: unknown): Promise<readonly Fault[]> };
};
const { oas } = require("@stoplight/spectral-rulesets") as { oas: object };

/** Writes a description to `dist`, and says what is wrong with it; null: nothing. */
async function faultsOf(path: string): Promise<string | null> {
	const answer = await app.request(path, {}, {} as never);
	if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
	const document = await answer.json();
	const file = join(PROJECT, "dist", path);
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, `${JSON.stringify(document, null, "\t")}\n`);
	return redocly(file) ?? (await spectral(document));
}

function redocly(file: string): string | null {
	// It would report its use and ask for newer versions of itself.
	const quiet = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
	const cli = join(PROJECT, "node_modules/@redocly/cli/bin/cli.js");
	const options = ["lint", file, "--config", join(PROJECT, "redocly.yaml"), "--format", "json"];
	const { stdout, stderr } = spawnSync(process.execPath, [cli, ...options], {
		cwd: PROJECT,
		env: { PATH: process.env.PATH, HOME: process.env.HOME, ...quiet },
		encoding: "utf8",
	});
	if (!stdout.startsWith("{")) return `${stdout}${stderr}`;
	const { problems } = JSON.parse(stdout) as { problems: readonly Problem[] };
	// What it warns of is a fault too.
	const faults = problems.filter((problem) => !isExcused(problem));
	return faults.length === 0
		? null
		: faults.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`).join("\n");
}

/** It does not know that 101 is a WebSocket's success. And pages, and a GET that only forgets a cookie, take nothing that could be wrong. */
function isExcused({ ruleId, location }: Problem): boolean {
	const [of] = location;
	return EXCUSED.some(([rule, operation]) => rule === ruleId && of?.pointer === `#/paths/${operation}/responses`);
}

async function spectral(document: unknown): Promise<string | null> {
	const linter = new Spectral();
	linter.setRuleset({ extends: [[oas, "recommended"]] });
	const faults = (await linter.run(document)).filter((fault) => !isOfUpgrade(document, fault));
	return faults.length === 0 ? null : faults.map(({ code, message, path }) => `${code} ${path.join(".")}: ${message}`).join("\n");
}

/** Spectral does not know that 101 is a WebSocket's success. */
function isOfUpgrade(document: unknown, { code, path }: Fault): boolean {
	const [, route = "", method = ""] = path;
	const { paths } = document as { paths: Record<string, Record<string, { responses: object }>> };
	return code === "operation-success-response" && Object.hasOwn(paths[route]?.[method]?.responses ?? {}, "101");
}

for (const path of PATHS) {
	const faults = await faultsOf(path);
	if (faults !== null) console.error(`${path}\n${faults}`);
	if (faults !== null) process.exitCode = 1;
}
if (process.exitCode === undefined) console.log("The API's descriptions have no fault.");
