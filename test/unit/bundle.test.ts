import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import * as zod from "zod";
import { PROJECT } from "../../scripts/dev-state.ts";
import { CONFIGURATION_FILE, readConfiguration } from "../../scripts/worker-config.ts";

const MOST_BYTES = 400 * 1024;

test("what is uploaded of the Worker is small", async () => {
	const { alias = {}, main } = readConfiguration(CONFIGURATION_FILE);
	const { outputFiles } = await build({
		entryPoints: [main],
		absWorkingDir: PROJECT,
		bundle: true,
		write: false,
		format: "esm",
		target: "es2024",
		conditions: ["workerd", "worker", "browser"],
		external: ["node:*", "cloudflare:*"],
		loader: { ".py": "text", ".service": "text", ".sql": "text" },
		alias: { ...alias },
		logLevel: "error",
	});
	expect(gzipSync(outputFiles[0]?.contents ?? "").length).toBeLessThan(MOST_BYTES);
});

test("of zod it lacks nothing that anything in it asks for", async () => {
	const lean: object = await import("../../scripts/lean/zod.js" as string);
	const lacking = Object.keys(zod).filter((name) => !(name in lean));
	expect(lacking).toContain("locales");
	const own = globSync("src/**/*.ts", { cwd: PROJECT }).filter((file) => !file.startsWith("src/ui/"));
	const others = ["chanfana", "@asteasolutions/zod-to-openapi"].map((name) => `node_modules/${name}/dist/index.mjs`);
	const asked = [...own, ...others].flatMap((file) => [...readFileSync(join(PROJECT, file), "utf8").matchAll(/\bz\d*\.([$\w]+)/g)]);
	expect(asked.length).toBeGreaterThan(500);
	expect(asked.map(([, name]) => name).filter((name = "") => lacking.includes(name))).toEqual([]);
});
