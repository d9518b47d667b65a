import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { PROJECT } from "./dev-state.ts";

/** The Worker's configuration, as wrangler reads it by itself. */
export const CONFIGURATION_FILE = join(PROJECT, "wrangler.toml");

export interface Database {
	readonly binding: string;
	readonly database_name?: string;
	readonly database_id?: string;
	readonly migrations_dir?: string;
}

/** The parts of a wrangler configuration that our scripts look at (developers.cloudflare.com/workers/wrangler/configuration). */
export interface WorkerConfiguration {
	readonly name: string;
	readonly main: string;
	readonly compatibility_date: string;
	readonly compatibility_flags?: readonly string[];
	readonly vars?: Readonly<Record<string, unknown>>;
	readonly assets?: { readonly directory?: string; readonly binding?: string };
	readonly d1_databases?: readonly Database[];
	readonly durable_objects?: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
	readonly migrations?: readonly { readonly tag: string; readonly new_sqlite_classes?: readonly string[] }[];
	readonly keep_names?: boolean;
	readonly alias?: Readonly<Record<string, string>>;
	readonly rules?: readonly { readonly type: string; readonly globs: readonly string[] }[];
	readonly env?: Readonly<Record<string, Partial<WorkerConfiguration>>>;
	readonly [other: string]: unknown;
}

/** Reads a configuration in TOML, or in JSON without comments. Throws an Error that names the file. */
export function readConfiguration(file: string): WorkerConfiguration {
	let content: unknown;
	try {
		const text = readFileSync(file, "utf8");
		content = file.endsWith(".toml") ? parse(text) : JSON.parse(text);
	} catch (error) {
		throw new Error(`${file} cannot be read: ${(error as Error).message}`);
	}
	if (typeof content !== "object" || content === null || !("name" in content) || typeof content.name !== "string")
		throw new Error(`${file} is no configuration of a Worker: it has no 'name'.`);
	// wrangler checks the rest, at each deploy.
	return content as WorkerConfiguration;
}
