import { expect, test } from "vitest";
import { configurationFor, readArguments } from "../../scripts/deployment.ts";
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

test("what an environment says is taken: its variables, its name, its database", () => {
	expect(of("staging").vars).toEqual({ PLAN: "paid" });
	expect(of("named")).toMatchObject({ name: "muster-eu", d1_databases: [{ database_name: "europe" }] });
});

test("an environment on production's database, or under production's name, is refused", () => {
	expect(() => of("careless")).toThrow("careless would work on the database of muster: give it a name of its own.");
	expect(() => of("staging", "muster")).toThrow("staging would work on the database of muster");
});

test("options are taken in each of wrangler's spellings, and the rest is left to wrangler", () => {
	const args = ["--dry-run", "-e", "a", "--name=b", "--config", "/x/c.jsonc", "--outdir", "out"];
	expect(readArguments(args)).toEqual({ config: "/x/c.jsonc", env: "a", name: "b", rest: ["--dry-run", "--outdir", "out"] });
	expect(readArguments([])).toEqual({ config: CONFIGURATION_FILE, env: null, name: null, rest: [] });
	for (const bad of [["--env"], ["--env="], ["--name", "--dry-run"]]) expect(() => readArguments(bad)).toThrow("needs a value");
});

test("the project's own configuration names no database by its id, and keeps what was set in the dashboard", () => {
	const { d1_databases, keep_vars } = readConfiguration(CONFIGURATION_FILE);
	expect([d1_databases, keep_vars]).toEqual([[{ binding: "DB", database_name: "muster", migrations_dir: "migrations" }], true]);
});
