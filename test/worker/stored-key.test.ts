import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { writeSetting } from "../../src/d1/settings.ts";
import { forgetStoredKey, readStoredKey } from "../../src/http/base/stored-key.ts";
import { failing, startAfresh } from "./helpers.ts";

const later: Promise<unknown>[] = [];
const read = (now: number, db: D1Database = env.DB) => readStoredKey(db, now, (work) => later.push(work));
const set = (sha256: string) => writeSetting(env.DB, "auth_key_sha256", sha256);

beforeEach(async () => {
	await startAfresh();
	forgetStoredKey();
	later.length = 0;
});

describe("the stored key", () => {
	test("that is set elsewhere holds here after a second", async () => {
		expect(await read(0)).toBe(null);
		await set("new");
		expect([await read(699), later.length]).toEqual([null, 0]);
		expect(await read(1_000)).toBe("new");
	});

	test("is read anew by one request of a busy isolate, and none waits for it", async () => {
		await set("old");
		await read(0);
		await set("new");
		expect([await read(700), await read(710), later.length]).toEqual(["old", "old", 1]);
		await Promise.all(later);
		expect([await read(1_100), later.length]).toEqual(["new", 1]);
	});

	test("that was read before one was set here is not kept", async () => {
		await set("old");
		await read(0);
		await read(900);
		await set("new");
		forgetStoredKey();
		await Promise.all(later);
		expect(await read(901)).toBe("new");
	});

	test("stays valid while D1 fails, and nobody's is while nothing was ever read", async () => {
		await set("old");
		await read(0);
		expect(await read(60_000, failing())).toBe("old");
		forgetStoredKey();
		await expect(async () => await read(60_000, failing())).rejects.toThrow();
	});
});
