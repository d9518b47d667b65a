import { join } from "node:path";
import { readD1Migrations } from "@cloudflare/vitest-plugin";
import { expect, test } from "vitest";
import { LOCAL_CLOUDS } from "../../scripts/dev-clouds.ts";
import { readableLine } from "../../scripts/dev-lines.ts";
import { readMigrations } from "../../scripts/dev-migrations.ts";
import { devSettings } from "../../scripts/dev-settings.ts";
import { PROVIDERS } from "../../src/providers/index.ts";
import { dialects } from "../cloud/dialects.ts";

const MIGRATIONS = join(import.meta.dirname, "../../migrations");
const LOCAL = { port: 8000, cloudPort: 8001, encryptionKey: "k", clouds: ["digitalocean"] } as const;

test("development applies the very statements that wrangler applies to a deployment", async () => {
	const words = (sql: string) =>
		sql
			.replaceAll(/--[^\n]*/g, "")
			.replace(/;\s*$/, "")
			.split(/\s+/)
			.filter(Boolean)
			.join(" ");
	const byWrangler = (await readD1Migrations(MIGRATIONS)).map(({ name, queries }) => ({ name, statements: queries.map(words) }));
	const ours = readMigrations(MIGRATIONS).map(({ name, statements }) => ({ name, statements: statements.map(words) }));
	expect(ours).toEqual(byWrangler);
	expect(ours.length).toBeGreaterThan(0);
});

test("development has an account at each cloud that Muster drives, and the local cloud speaks for each", () => {
	expect([...LOCAL_CLOUDS].sort()).toEqual(Object.keys(PROVIDERS).sort());
	expect(
		dialects({ requestsPerHour: null })
			.map(({ provider }) => provider)
			.sort(),
	).toEqual([...LOCAL_CLOUDS].sort());
});

test("pages of the dev Worker's own origin may call it, and others once they are named", async () => {
	expect((await devSettings({}, LOCAL)).CORS_ORIGINS).toBe("http://localhost:8000,http://127.0.0.1:8000");
	expect((await devSettings({ CORS_ORIGINS: "http://app.test" }, LOCAL)).CORS_ORIGINS).toBe("http://app.test");
});

test("an event of the Worker's log is shown in words, and anything else as it is", () => {
	const event = { level: "info", pool: "digitalocean/default", proxy: "127.77.0.1:8899", event: "replaced", why: "it answers no probe" };
	expect(readableLine(JSON.stringify(event))).toBe("digitalocean/default 127.77.0.1:8899 replaced: it answers no probe");
	expect(readableLine(JSON.stringify({ level: "error", event: "a pass failed" }))).toBe("! a pass failed");
	for (const text of ["plain", "{broken", '{"other":1}', "null"]) expect(readableLine(text)).toBe(text);
});
