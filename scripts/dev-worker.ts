/**
 * The Worker half of `npm run dev`, a program of its own: bundles the Worker as wrangler would, runs it in workerd, and again whenever a
 * source file changes. wrangler's own dev server takes three times as long to start. `DEV_PORT` is where it listens, `DEV_DIRECTORY` where
 * the state is; every other setting of Muster in the environment is the Worker's. Ends when its standard input closes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildResult, context } from "esbuild";
import { Miniflare, type MiniflareOptions } from "miniflare";
import type { Door } from "../test/cloud/callers.ts";
import { AGENT, buildAssets, putAgent, putConsole } from "./assets.ts";
import { CONSOLE_BUILD } from "./console.ts";
import { readableLine } from "./dev-lines.ts";
import { readMigrations } from "./dev-migrations.ts";
import { type Settings, settingsAmong } from "./dev-settings.ts";
import { PROJECT } from "./dev-state.ts";
import { CONFIGURATION_FILE, readConfiguration, type WorkerConfiguration } from "./worker-config.ts";

type WorkerOptions = NonNullable<MiniflareOptions["workers"]>[number]["config"];

/** What of the configuration is carried out here, or means nothing on this machine. Anything else must be thought of first. */
const KNOWN = [
	...["$schema", "name", "main", "compatibility_date", "compatibility_flags", "assets", "build", "d1_databases", "durable_objects"],
	...[
		"alias",
		"migrations",
		"rules",
		"triggers",
		"vars",
		"workers_dev",
		"preview_urls",
		"keep_vars",
		"keep_names",
		"observability",
		"env",
		"version_metadata",
	],
];

const port = Number(process.env.DEV_PORT);
const directory = process.env.DEV_DIRECTORY ?? "";
const bundle = join(directory, "bundle");

process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0));
process.stdin.resume();

const configuration = readConfiguration(CONFIGURATION_FILE);
const unknown = Object.keys(configuration).find((name) => !KNOWN.includes(name));
if (unknown !== undefined) throw new Error(`${CONFIGURATION_FILE} has '${unknown}', which scripts/dev-worker.ts does not carry out yet.`);

/** Whom the dev Worker answers: programs here, its own pages, and what PUBLIC_URL and CORS_ORIGINS name. */
function doorOf(settings: Settings): Door {
	const own = URL.parse(settings.PUBLIC_URL ?? "");
	const origins = (settings.CORS_ORIGINS ?? "").split(",").map((origin) => origin.trim().replace(/\/$/, ""));
	return { hosts: own === null ? [] : [own.hostname], origins: own === null ? origins : [...origins, own.origin], admitsLinks: true };
}

/** The configuration in the runtime's words, with the bundle as it is now. */
function optionsOf(worker: WorkerConfiguration): MiniflareOptions {
	const settings = settingsAmong(process.env);
	const [database] = worker.d1_databases ?? [];
	const text = (value: string) => ({ type: "text", value }) as const;
	const json = (value: unknown) => ({ type: "json", value: value as never }) as const;
	const env: WorkerOptions["env"] = {
		...Object.fromEntries(Object.entries(worker.vars ?? {}).map(([name, value]) => [name, json(value)])),
		...Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, text(value)])),
		DEV_DOOR: json(doorOf(settings)),
		DEV_MIGRATIONS: json(readMigrations(join(PROJECT, database?.migrations_dir ?? "migrations"))),
		// The ids are those of wrangler, whose commands with --local find the same data.
		...Object.fromEntries(
			(worker.d1_databases ?? []).map(({ binding, database_id: id = binding }) => [binding, { type: "d1", id, dev: { remote: false } }]),
		),
		...Object.fromEntries(
			(worker.durable_objects?.bindings ?? []).map(({ name, class_name: exportName }) => [
				name,
				{ type: "durable-object", worker: worker.name, exportName },
			]),
		),
		...(worker.assets?.binding === undefined ? {} : { [worker.assets.binding]: { type: "assets" } }),
	};
	const objects = (worker.migrations ?? []).flatMap(({ new_sqlite_classes: classes = [] }) => classes);
	const config: WorkerOptions = {
		name: worker.name,
		compatibilityDate: worker.compatibility_date,
		compatibilityFlags: [...(worker.compatibility_flags ?? [])],
		manifest: {
			mainModule: "worker.js",
			modulesRoot: bundle,
			modules: { "worker.js": { type: "esm", contents: readFileSync(join(bundle, "worker.js"), "utf8") } },
		},
		env,
		exports: Object.fromEntries(objects.map((name) => [name, { type: "durable-object", storage: "sqlite" }])),
		...(worker.assets?.directory === undefined
			? {}
			: { assets: { directory: join(PROJECT, worker.assets.directory), hasUserWorker: true } }),
	};
	return {
		host: "127.0.0.1",
		port,
		// Neither asks Cloudflare where this machine is nor tells it anything.
		cf: false,
		telemetry: { enabled: false },
		logRequests: false,
		enableDevRegistry: false,
		unsafeTriggerHandlers: true,
		resourcePersistencePath: join(directory, "state", "v3"),
		handleStructuredLogs: ({ level, message }) => (level === "error" ? console.error : console.log)(readableLine(message)),
		workers: [{ config, dev: { rootPath: PROJECT, stripCfConnectingIp: true } }],
	};
}

let running: Miniflare | null = null;
/** One after the other: the newest bundle wins. */
let work: Promise<void> = Promise.resolve();

async function run(): Promise<void> {
	if (running === null) {
		running = new Miniflare(optionsOf(configuration));
		await running.ready;
		return;
	}
	await running.setOptions(optionsOf(configuration));
	console.log("The Worker was bundled anew, and runs.");
}

function onBuilt(result: BuildResult): void {
	// esbuild has printed what is wrong; what runs goes on.
	if (result.errors.length > 0) return;
	work = work.then(run).catch((error: unknown) => {
		console.error(error);
		if (running === null) process.exit(1);
	});
}

const texts = (configuration.rules ?? []).filter(({ type }) => type === "Text").flatMap(({ globs }) => globs);
const build = await context({
	// As wrangler bundles what is deployed.
	entryPoints: { worker: join(PROJECT, "scripts/dev-entry.ts") },
	outdir: bundle,
	bundle: true,
	format: "esm",
	platform: "browser",
	target: "es2024",
	supported: { using: true },
	conditions: ["workerd", "worker", "browser"],
	external: ["node:*", "cloudflare:*"],
	alias: Object.fromEntries(Object.entries(configuration.alias ?? {}).map(([name, path]) => [name, join(PROJECT, path)])),
	keepNames: configuration.keep_names ?? true,
	sourcemap: true,
	loader: Object.fromEntries(texts.map((glob) => [glob.replace(/^.*\*/, ""), "text"])),
	define: { "navigator.userAgent": '"Cloudflare-Workers"', "process.env.NODE_ENV": '"development"' },
	logLevel: "warning",
	plugins: [
		{ name: "run", setup: ({ onEnd }) => onEnd(onBuilt) },
		{
			name: "agent",
			setup: ({ onLoad }) =>
				onLoad({ filter: /[\\/]dist[\\/]agent\.txt$/ }, async () => {
					await putAgent();
					return { contents: readFileSync(AGENT.packed), loader: "text", watchFiles: [AGENT.source] };
				}),
		},
	],
});
// A page's source changes: its files are written anew, and the runtime learns of them.
const page = await context({
	...CONSOLE_BUILD,
	write: false,
	plugins: [
		{
			name: "put",
			setup: ({ onEnd }) =>
				onEnd((result) => {
					if (result.errors.length > 0) return;
					putConsole();
					if (running !== null) onBuilt(result);
				}),
		},
	],
});
await buildAssets();
await Promise.all([build.watch(), page.watch()]);
