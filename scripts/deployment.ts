import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseEnv } from "node:util";
import { PROJECT } from "./dev-state.ts";
import { CONFIGURATION_FILE, type Database, type WorkerConfiguration } from "./worker-config.ts";

/** What `npm run deploy` was asked for. */
export interface Wanted {
	/** The configuration to start from. */
	readonly config: string;
	readonly env: string | null;
	readonly name: string | null;
	/** What is wrangler's alone. */
	readonly rest: readonly string[];
}

/** Takes `--config`, `--env` and `--name` out, in any spelling of wrangler's. Throws where one has no value. */
export function readArguments(args: readonly string[]): Wanted {
	const taken: Record<string, string> = {};
	const rest: string[] = [];
	for (let index = 0; index < args.length; index++) {
		const word = args[index] ?? "";
		const [, dashed, value] = /^(--config|--env|--name|-c|-e)(?:=(.*))?$/s.exec(word) ?? [];
		if (dashed === undefined) {
			rest.push(word);
			continue;
		}
		const name = dashed === "-c" ? "config" : dashed === "-e" ? "env" : dashed.slice(2);
		const given = value ?? args[++index];
		if (given === undefined || given === "" || given.startsWith("-")) throw new Error(`${dashed} needs a value.`);
		taken[name] = given;
	}
	return {
		config: taken.config === undefined ? CONFIGURATION_FILE : resolve(taken.config),
		env: taken.env ?? null,
		name: taken.name ?? null,
		rest,
	};
}

/**
 * The settings that a deploy can see: the configuration's variables, wrangler's `--var NAME:VALUE`, and its `--secrets-file`, which is JSON
 * or lines as in `.env`. Secrets that the Worker has already cannot be read.
 */
export function settingsGiven({ vars }: WorkerConfiguration, rest: readonly string[]): Readonly<Record<string, unknown>> {
	const settings: Record<string, unknown> = { ...vars };
	for (const [index, word] of rest.entries()) {
		const [, option, same] = /^(--var|--secrets-file)(?:=(.*))?$/s.exec(word) ?? [];
		const value = same ?? rest[index + 1] ?? "";
		if (option === "--secrets-file") Object.assign(settings, secretsIn(value));
		// One `--var` may have several.
		const pairs = same !== undefined ? [same] : rest.slice(index + 1);
		for (const pair of option === "--var" ? pairs : []) {
			const [, name, text] = /^(\w+):(.*)$/s.exec(pair) ?? [];
			if (name === undefined) break;
			settings[name] = text;
		}
	}
	return settings;
}

/** Nothing where the file cannot be read: wrangler says why. */
function secretsIn(file: string): Readonly<Record<string, unknown>> {
	try {
		const text = readFileSync(file, "utf8");
		return text.trimStart().startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : parseEnv(text);
	} catch {
		return {};
	}
}

/** These are one deployment's own: another one in the account must not take them over. */
const ITS_OWN = ["name", "env", "vars", "route", "routes", "d1_databases"];

/**
 * The whole configuration of one deployment: the file's own, or of `--env NAME`, or of another Worker (`--name`). wrangler's rule that an
 * environment names each of its bindings anew would leave it to everybody to write them down twice, and an environment that the file does
 * not have would get the database of the file's own Worker (findings/wrangler-unknown-environment.sh). Here another Worker has another
 * database, of its own name, unless its environment names one; the rest is as in the file, but for what is one deployment's own.
 * Throws where an environment names the database of the file's own Worker.
 */
export function configurationFor(file: WorkerConfiguration, { env, name }: Pick<Wanted, "env" | "name">): WorkerConfiguration {
	const section = env === null ? {} : (file.env?.[env] ?? {});
	const worker = name ?? section.name ?? (env === null ? file.name : `${file.name}-${env}`);
	if (worker === file.name && env === null) {
		const { env: _, ...own } = file;
		return own;
	}
	const main = file.d1_databases ?? [];
	const databases = section.d1_databases ?? main.map((database) => ownDatabase(database, worker));
	const shared = databases.find((database) => main.some((other) => isSame(database, other)));
	if (worker === file.name || shared !== undefined)
		throw new Error(`${env ?? worker} would work on the database of ${file.name}: give it a name of its own.`);
	const common = Object.fromEntries(Object.entries(file).filter(([key]) => !ITS_OWN.includes(key)));
	return { ...common, ...section, name: worker, d1_databases: databases } as WorkerConfiguration;
}

function ownDatabase({ binding, migrations_dir }: Database, worker: string): Database {
	return { binding, database_name: worker, ...(migrations_dir === undefined ? {} : { migrations_dir }) };
}

function isSame(one: Database, other: Database): boolean {
	const isSameId = one.database_id !== undefined && one.database_id === other.database_id;
	return isSameId || (one.database_name !== undefined && one.database_name === other.database_name);
}

/**
 * Writes it beside the file that it comes from, whose paths it has, under a name that git ignores: wrangler adds the database's id to what it
 * deploys. Returns its path.
 */
export function writeConfiguration(configuration: WorkerConfiguration, beside: string): string {
	const file = join(dirname(beside), `wrangler.${configuration.name}.json`);
	writeFileSync(file, `${JSON.stringify(configuration, null, "\t")}\n`);
	return relative(PROJECT, file);
}
