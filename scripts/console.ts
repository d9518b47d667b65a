/**
 * The console as static files, in `dist/assets/ui`: bundled from `src/ui`, with what it tells of each cloud taken from the cloud's own page and table of
 * settings. Called by assets.ts, and by dev-worker.ts whenever a source changes.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, buildSync } from "esbuild";
import type { AccountTable } from "../src/providers/base/account.ts";
import { CLOUD_NAMES, PROVIDERS } from "../src/providers/index.ts";
import { readSetting } from "../src/values/setting.ts";

const ROOT = join(import.meta.dirname, "..");
const SOURCES = join(ROOT, "src/ui");
/** Copied as they are. */
const PLAIN = ["index.html", "icon.svg"];

/** Nothing but our own files: no inline script or style, no other origin, no framing. */
export const CONSOLE_POLICY = [
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self' data:",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join("; ");

export const CONSOLE_BUILD: BuildOptions = {
	entryPoints: { app: join(SOURCES, "main.tsx") },
	outdir: join(ROOT, "dist/assets/ui"),
	bundle: true,
	minify: true,
	format: "esm",
	platform: "browser",
	target: "es2022",
	jsx: "automatic",
	jsxImportSource: "preact",
	charset: "utf8",
	logLevel: "warning",
};

/** All files of the console, by their names. Throws where a source does not compile. */
export function consoleFiles(): ReadonlyMap<string, Buffer> {
	const { outputFiles = [] } = buildSync({ ...CONSOLE_BUILD, write: false });
	return new Map([
		...outputFiles.map(({ path, contents }) => [path.slice(path.lastIndexOf("/") + 1), Buffer.from(contents)] as const),
		...PLAIN.map((name) => [name, readFileSync(join(SOURCES, name))] as const),
		["clouds.json", Buffer.from(JSON.stringify(clouds()))] as const,
	]);
}

/** What the view of the clouds shows of one that has no pool yet as well. */
interface CloudGuide {
	readonly title: string;
	/** How to come by its credentials, and which permissions they need: Markdown. */
	readonly credentials: string;
	readonly settings: readonly {
		readonly field: string;
		readonly variable: string;
		readonly usual: string | null;
		readonly is: string;
		readonly secret: boolean;
	}[];
}

function clouds(): Readonly<Record<string, CloudGuide>> {
	return Object.fromEntries(
		Object.entries(CLOUD_NAMES).map(([cloud, title]) => {
			// A cloud that is just being added has no page yet: `npm run check` asks for it, and nothing else is to wait for it.
			const file = join(ROOT, "docs/providers", `${cloud}.md`);
			const page = existsSync(file) ? readFileSync(file, "utf8") : "";
			const credentials = /^## Credentials\n([\s\S]*?)^## /m.exec(page)?.[1]?.trim() ?? "";
			const table: AccountTable = PROVIDERS[cloud]?.settings ?? {};
			const settings = Object.entries(table).map(([field, setting]) => ({
				field,
				variable: `${cloud}_${field}`.toUpperCase(),
				usual: setting.usually ?? textOf(readSetting(setting, undefined).value),
				is: setting.is,
				secret: setting.isSecret ?? false,
			}));
			return [cloud, { title, credentials, settings }];
		}),
	);
}

function textOf(value: unknown): string | null {
	return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}
