/**
 * Puts together what the Worker serves as static files, in `dist/assets`: the console, for `/ui/`; Swagger UI, from its package, for `/docs`; and the
 * gateway as one file, `/gateway.mjs`. And the agent as it is shipped, packed, in `dist/agent.txt`, for the Worker's bundle.
 * Files that are there and right are left alone, so that several runs at once do no harm. Run by wrangler before each
 * build (wrangler.toml) and by vitest.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { CONSOLE_POLICY, consoleFiles } from "./console.ts";
import { packed, shipped } from "./shipped.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const ASSETS = join(ROOT, "dist", "assets");
export const AGENT = { source: join(ROOT, "src/agent/agent.py"), packed: join(ROOT, "dist/agent.txt") };
const SWAGGER_FILES = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

/** The page's policy admits no inline script, so what starts it is a file as well. No validator: it is a third party's. */
const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
`;

/** https://developers.cloudflare.com/workers/static-assets/headers/ */
const HEADERS = `/*
  X-Content-Type-Options: nosniff
  Cache-Control: public, max-age=3600
/ui/*
  ! Cache-Control
  Cache-Control: no-cache
  Content-Security-Policy: ${CONSOLE_POLICY}
  Referrer-Policy: no-referrer
  X-Frame-Options: DENY
`;

/** Writes the files that are missing or differ. Throws when a file of Swagger UI's package is missing. */
export async function buildAssets(): Promise<void> {
	const swagger = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
	for (const name of SWAGGER_FILES) put(join("docs", "assets", name), readFileSync(join(swagger, name)));
	put(join("docs", "assets", "start.js"), Buffer.from(START));
	putConsole();
	put("gateway.mjs", bundledGateway());
	put("_headers", Buffer.from(HEADERS));
	await putAgent();
}

/** The agent as VMs get it, which the Worker is bundled with. Packing takes a quarter of a second. */
export async function putAgent(): Promise<void> {
	const source = readFileSync(AGENT.source, "utf8");
	if (unpacked(AGENT.packed) !== shipped(source)) putAt(AGENT.packed, Buffer.from(await packed(source)));
}

/** What is in a packed file; null where there is none, or only a part of one. */
function unpacked(path: string): string | null {
	try {
		return gunzipSync(Buffer.from(readFileSync(path, "utf8"), "base64")).toString();
	} catch {
		return null;
	}
}

/** The console alone. Throws where a source of it does not compile. */
export function putConsole(): void {
	for (const [name, content] of consoleFiles()) put(join("ui", name), content);
}

/** The gateway and all that it imports, for the oldest Node that it runs on; readable, since people run it on their machines. */
function bundledGateway(): Buffer {
	const { outputFiles } = buildSync({
		entryPoints: [join(ROOT, "src/gateway/main.ts")],
		bundle: true,
		write: false,
		platform: "node",
		format: "esm",
		target: "node20",
		// No path of this machine in it.
		absWorkingDir: ROOT,
		banner: { js: "#!/usr/bin/env node\n// Muster's gateway: node gateway.mjs --help" },
	});
	return Buffer.from(outputFiles[0]?.contents ?? []);
}

function put(path: string, content: Buffer): void {
	putAt(join(ASSETS, path), content);
}

function putAt(target: string, content: Buffer): void {
	if (existsSync(target) && readFileSync(target).equals(content)) return;
	mkdirSync(dirname(target), { recursive: true });
	const draft = `${target}.${process.pid}`;
	writeFileSync(draft, content);
	renameSync(draft, target);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAssets();
