import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { configurationFor, readArguments, settingsGiven } from "../../scripts/deployment.ts";
import { CONFIGURATION_FILE, readConfiguration, type WorkerConfiguration } from "../../scripts/worker-config.ts";

const FILE: WorkerConfiguration = {
	name: "muster",
	main: "src/worker.ts",
	compatibility_date: "2026-10-01",
	vars: { PUBLIC_URL: "https://muster.example.org" },
	routes: [{ pattern: "muster.example.org", custom_domain: true }],
	d1_databases: [{ binding: "DB", database_name: "muster", database_id: "1", migrations_dir: "migrations" }],
	env: {
		staging: { vars: { PLAN: "paid" } },
		named: { name: "muster-eu", d1_databases: [{ binding: "DB", database_name: "europe", migrations_dir: "migrations" }] },
		careless: { d1_databases: [{ binding: "DB", database_name: "other", database_id: "1" }] },
	},
};
const of = (env: string | null, name: string | null = null) => configurationFor(FILE, { env, name });

test("the file's own Worker is deployed as the file says", () => {
	const { env: _, ...own } = FILE;
	expect(of(null)).toEqual(own);
});

test.each([
	["an environment that the file has", of("staging"), "muster-staging"],
	["one that it does not have", of("nowhere"), "muster-nowhere"],
	["another name", of(null, "second"), "second"],
	["another name of an environment", of("staging", "third"), "third"],
])("%s has a Worker and a database of that name, and nothing that is production's own", (_, configuration, name) => {
	expect(configuration).toMatchObject({ name, main: "src/worker.ts", compatibility_date: "2026-10-01" });
	expect(configuration.d1_databases).toEqual([{ binding: "DB", database_name: name, migrations_dir: "migrations" }]);
	expect([configuration.routes, configuration.env]).toEqual([undefined, undefined]);
	expect(configuration.vars?.PUBLIC_URL).toBeUndefined();
});

test("the settings that a deploy sees are the file's variables, those given by --var, and those of a file of secrets", () => {
	const directory = mkdtempSync(join(tmpdir(), "muster-deployment-"));
	try {
		const [json, lines] = [join(directory, "secrets.json"), join(directory, "secrets.env")];
		writeFileSync(json, '{"PROXY_PASSWORD": "p/w"}');
		writeFileSync(lines, 'PROXY_PASSWORD="p w"\n');
		expect(settingsGiven(FILE, ["--secrets-file", json])).toEqual({ ...FILE.vars, PROXY_PASSWORD: "p/w" });
		expect(settingsGiven(FILE, [`--secrets-file=${lines}`])).toEqual({ ...FILE.vars, PROXY_PASSWORD: "p w" });
	} finally {
		rmSync(directory, { recursive: true });
	}
	expect(settingsGiven(FILE, ["--var", "A:b:c", "D:e", "--minify", "F:g", "--var=H:i"])).toEqual({
		...FILE.vars,
		A: "b:c",
		D: "e",
		H: "i",
	});
	expect(settingsGiven(FILE, ["--secrets-file", "/no/such/file"])).toEqual(FILE.vars);
});

test("what an environment says is taken: its variables, its name, its database", () => {
	expect(of("staging").vars).toEqual({ PLAN: "paid" });
	expect(of("named")).toMatchObject({ name: "muster-eu", d1_databases: [{ database_name: "europe" }] });
});

test("an environment on production's database, or under production's name, is refused", () => {
	expect(() => of("careless")).toThrow("careless would work on the database of muster: give it a name of its own.");
	expect(() => of("staging", "muster")).toThrow("staging would work on the database of muster");
});

test("options are taken in each of wrangler's spellings, and the rest is left to wrangler", () => {
	const args = ["--dry-run", "-e", "a", "--name=b", "--config", "/x/c.toml", "--outdir", "out"];
	expect(readArguments(args)).toEqual({ config: "/x/c.toml", env: "a", name: "b", rest: ["--dry-run", "--outdir", "out"] });
	expect(readArguments([])).toEqual({ config: CONFIGURATION_FILE, env: null, name: null, rest: [] });
	for (const bad of [["--env"], ["--env="], ["--name", "--dry-run"]]) expect(() => readArguments(bad)).toThrow("needs a value");
});

test("the project's own configuration names no database by its id, and keeps what was set in the dashboard", () => {
	const { d1_databases, keep_vars } = readConfiguration(CONFIGURATION_FILE);
	expect([d1_databases, keep_vars]).toEqual([[{ binding: "DB", database_name: "muster", migrations_dir: "migrations" }], true]);
});

const read = (name: string) => readFileSync(join(import.meta.dirname, "../..", name), "utf8");
const manifest = JSON.parse(read("package.json")) as {
	readonly engines: { readonly node: string };
	readonly cloudflare: { readonly bindings: Readonly<Record<string, { readonly description: string }>> };
};

test("what the deploy button asks for is what .dev.vars.example names, and each is explained", () => {
	expect(Object.keys(manifest.cloudflare.bindings).sort()).toEqual(Object.keys(parseEnv(read(".dev.vars.example"))).sort());
});

/** Whether a version is in a range of npm's, as far as ours are written: `||` between comparisons that all must hold. */
function isIn(version: readonly number[], range: string): boolean {
	const compare = (text: string) => {
		const parts = text.split(".").map(Number);
		return [0, 1, 2].map((index) => (version[index] ?? 0) - (parts[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
	};
	return range.split("||").some((every) =>
		[...every.matchAll(/(\^|>=|<)\s*([\d.]+)/g)].every(([, sign, text = ""]) => {
			if (sign === "<") return compare(text) < 0;
			return compare(text) >= 0 && (sign === ">=" || version[0] === Number(text.split(".")[0]));
		}),
	);
}

test("npm has nothing to warn of on the oldest node that is asked for, by package.json and the README alike", () => {
	const [, oldest = ""] = /^\^([\d.]+)/.exec(manifest.engines.node) ?? [];
	expect(read("README.md")).toContain(`node ≥ ${oldest.replace(/\.0$/, "")}`);
	const { packages } = JSON.parse(read("package-lock.json")) as {
		packages: Record<string, { engines?: { node?: string }; deprecated?: string; optional?: boolean }>;
	};
	const version = oldest.split(".").map(Number);
	// npm leaves an optional one out without a word.
	const needed = Object.entries(packages).filter(([, { optional }]) => !optional);
	const refused = needed.filter(([, { engines }]) => engines?.node !== undefined && !isIn(version, engines.node));
	expect(refused.map(([name, { engines }]) => `${name} ${engines?.node}`)).toEqual([]);
	expect(Object.keys(packages).filter((name) => packages[name]?.deprecated !== undefined)).toEqual([]);
});
