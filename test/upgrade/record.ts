/**
 * How the recordings of earlier revisions were made: `node test/upgrade/record.ts [bda7429]`. Checks the revision out into a temporary
 * folder, runs the scenario of `test/upgrade/<revision>/` there with that revision's own code, harness and dependencies, in workerd, and
 * writes what its pools and its D1 hold to `recording.json`, and its agent's bytes to `agent.py`, in the scenario's folder. Not part of the
 * tests: the recording is. Takes a minute or two; needs npm's registry where the present dependencies are not that revision's.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { POOL_NAMESPACE, SETTINGS } from "./settings.ts";

const PROJECT = resolve(import.meta.dirname, "../..");
/** Where the revision keeps its tests of pools. */
const POOL_TESTS = "test/worker/pool";

interface Report {
	readonly testResults: readonly {
		readonly message?: string;
		readonly assertionResults: readonly { readonly meta?: { readonly recording?: string }; readonly failureMessages: readonly string[] }[];
	}[];
}

const { positionals } = parseArgs({ allowPositionals: true });
const revision = positionals[0] ?? "bda7429";
const target = join(import.meta.dirname, revision);
const parent = mkdtempSync(join(tmpdir(), "muster-record-"));
const checkout = join(parent, revision);
const git = (...args: readonly string[]) => execFileSync("git", ["-C", PROJECT, ...args], { encoding: "utf8", maxBuffer: 1 << 26 });

try {
	git("worktree", "add", "--detach", checkout, revision);
	installDependencies();
	copyFileSync(join(target, "scenario.ts"), join(checkout, POOL_TESTS, "scenario.test.ts"));
	for (const name of ["settings.ts", "routes.ts"]) copyFileSync(join(import.meta.dirname, name), join(checkout, POOL_TESTS, name));
	writeFileSync(join(checkout, "vitest.record.ts"), configuration());
	const out = join(parent, "report.json");
	const args = ["run", "--config", "vitest.record.ts", "--reporter=default", "--reporter=json", `--outputFile.json=${out}`];
	spawnSync(process.execPath, [join(checkout, "node_modules/vitest/vitest.mjs"), ...args], { cwd: checkout, stdio: "inherit" });
	const report = JSON.parse(readFileSync(out, "utf8")) as Report;
	const recording = report.testResults.flatMap(({ assertionResults }) => assertionResults.map(({ meta }) => meta?.recording))[0];
	if (recording === undefined) throw new Error("the scenario recorded nothing");
	writeFileSync(join(target, "recording.json"), `${JSON.stringify(JSON.parse(recording), null, "\t")}\n`);
	writeFileSync(join(target, "agent.py"), git("show", `${revision}:src/agent/agent.py`));
} finally {
	git("worktree", "remove", "--force", checkout);
	rmSync(parent, { recursive: true, force: true });
}

/** The present ones where they are the revision's, else those that its lock file names. */
function installDependencies(): void {
	if (readFileSync(join(checkout, "package-lock.json"), "utf8") === readFileSync(join(PROJECT, "package-lock.json"), "utf8")) {
		symlinkSync(join(PROJECT, "node_modules"), join(checkout, "node_modules"));
	} else execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: checkout, stdio: "inherit" });
}

/** As the revision's own tests of pools run, but with the settings and the namespace of the recording. */
function configuration(): string {
	return `
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { buildAssets } from "./scripts/assets.ts";
import { world } from "./${POOL_TESTS}/world.ts";
await buildAssets();
export default defineConfig({
	plugins: [
		cloudflareTest(async () => ({
			wrangler: { configPath: "./wrangler.toml" },
			miniflare: {
				outboundService: world,
				...${JSON.stringify(POOL_NAMESPACE)},
				bindings: { TEST_MIGRATIONS: await readD1Migrations("./migrations"), ...${JSON.stringify(SETTINGS)} },
			},
		})),
	],
	test: { name: "record", include: ["${POOL_TESTS}/scenario.test.ts"], setupFiles: ["test/worker/setup.ts"] },
});
`;
}
