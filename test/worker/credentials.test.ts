import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { readSettings, writeSetting } from "../../src/d1/settings.ts";
import { tellPools } from "../../src/fleet/fleet.ts";
import type { Env } from "../../src/rpc/env.ts";
import type { FleetFacts, PoolNames } from "../../src/rpc/pool.ts";
import { openedOrder } from "../../src/settings/ordered-credentials.ts";
import {
	ADMIN_KEY,
	ask,
	askPlainly,
	askWith,
	bodyOf,
	enter,
	failing,
	poolsAnswering,
	publicationOf,
	show,
	startAfresh,
} from "./helpers.ts";

beforeEach(startAfresh);

const KEYS = ["the-encryption-key-of-the-tests"];
const KEYED = { ENCRYPTION_KEY: KEYS.join(",") };
const NAMES: PoolNames = { provider: "digitalocean" };
const put = (body: unknown) => ({
	method: "PUT",
	body: JSON.stringify(body),
	headers: { "X-Auth-Key": ADMIN_KEY, "Content-Type": "application/json" },
});
const DELETE = { method: "DELETE", headers: { "X-Auth-Key": ADMIN_KEY } };
const GET = { headers: { "X-Auth-Key": ADMIN_KEY } };

async function answered(settings: Readonly<Record<string, unknown>>, init: RequestInit) {
	const response = await askWith({ ...KEYED, ...settings }, "/auth", init);
	return { status: response.status, ...(await bodyOf(response)) };
}
const row = async () => (await readSettings(env.DB, ["credentials"])).get("credentials") ?? null;

describe("PUT /auth", () => {
	test("sets what it names, keeps the user name that it does not name, and generates a password", async () => {
		expect(await answered({}, put({ username: "you", password: "a b:c" }))).toMatchObject({
			status: 200,
			auth_enabled: true,
			username: "you",
			password: "a b:c",
			source: "api",
			since: expect.stringMatching(/^\d{4}-/),
			notice: expect.stringContaining("DELETE /auth"),
			pools: { told: 0, of: 0 },
		});
		const first = await answered({}, put({}));
		expect(first.username).toBe("you");
		expect(first.password).toMatch(/^[A-Za-z0-9_-]{32}$/);
		expect((await answered({}, put({}))).password).not.toBe(first.password);
		const none = { PROXY_USERNAME: undefined, PROXY_PASSWORD: undefined, ONLY_HOST_IP: "True", HOST_IP: "192.0.2.9" };
		await startAfresh();
		expect(await answered(none, put({}))).toMatchObject({ username: "muster", source: "api", notice: null });
		await startAfresh();
		expect((await answered({}, put({}))).username, "the secret's").toBe("user");
	});

	test("keeps them encrypted, for that order alone", async () => {
		await answered({}, put({ username: "the-user", password: "the-password" }));
		const text = (await row()) ?? "";
		expect(text).not.toMatch(/the-user|the-password/);
		const stored = JSON.parse(text);
		expect(openedOrder(KEYS, stored)).toMatchObject({ is: "set", username: "the-user", password: "the-password", formerSeconds: 600 });
		expect(openedOrder(KEYS, { ...stored, revision: stored.revision + 1 }).is).toBe("unread");
	});

	test("writes nothing of them to the log, nor to the events", async () => {
		const logs = (["log", "info", "warn", "error"] as const).map((level) => vi.spyOn(console, level));
		await answered({}, put({ username: "the-user", password: "the-password" }));
		await answered({ DB: failing() }, put({ username: "the-user", password: "the-password" }));
		await answered({}, put({ username: "the-user", password: "the-password\n" }));
		const said = JSON.stringify(logs.flatMap((log) => log.mock.calls));
		const events = JSON.stringify((await env.DB.prepare("SELECT * FROM events").all()).results);
		for (const text of [said, events]) expect(text).not.toMatch(/the-user|the-password/);
		expect(events).toContain("PUT /auth by admin");
		vi.restoreAllMocks();
	});

	test("refuses who has no key, and what is no credential", async () => {
		expect((await askPlainly("/auth", { ...put({}), headers: { "Content-Type": "application/json" } })).status).toBe(401);
		expect((await askPlainly("/auth", { method: "DELETE" })).status).toBe(401);
		const refused = async (body: unknown) => {
			const { status, detail } = await answered({}, put(body));
			return [status, detail];
		};
		const rule = "must be 1 to 255 bytes of printable characters";
		expect(await refused({ password: "" })).toEqual([422, `password ${rule}.`]);
		expect(await refused({ username: "ü".repeat(128) })).toEqual([422, `username ${rule}.`]);
		expect(await refused({ username: "a\nb", password: 7 })).toEqual([422, `username ${rule}. password ${rule}.`]);
		expect(await refused({ pasword: "x" })).toEqual([422, expect.stringContaining('must not have the field "pasword"')]);
		expect((await refused([]))[0]).toBe(422);
		expect(await refused({ former_seconds: 601 })).toEqual([422, "former_seconds must be a whole number from 0 to 600."]);
		expect(await row()).toBe(null);
	});

	test("is refused without a key to encrypt with, and changes nothing while D1 does not answer", async () => {
		const { status, detail } = await answered({ ENCRYPTION_KEY: undefined }, put({}));
		expect([status, detail]).toEqual([409, expect.stringContaining("npx wrangler secret put ENCRYPTION_KEY")]);
		expect((await answered({ DB: failing() }, put({}))).status).toBe(503);
		expect(await row()).toBe(null);
	});

	test("a later order has a higher revision, whatever the clock says", async () => {
		const far = Date.now() + 3_600_000;
		await writeSetting(env.DB, "credentials", JSON.stringify({ revision: far, sealed: null }));
		await answered({}, put({}));
		expect(JSON.parse((await row()) ?? "").revision).toBe(far + 1);
	});

	test.each([
		{ times: 2, status: 200 },
		{ times: Number.POSITIVE_INFINITY, status: 409 },
	])("claims nothing that is not stored: $status where later orders came in between $times times", async ({ times, status }) => {
		let left = times;
		let overtaken = 0;
		const tick = vi.fn(async () => NAMES);
		await enter("default");
		// The real database, in which somebody else's later order is stored right before ours.
		const DB = new Proxy(env.DB, {
			get: (target, name) => {
				if (name !== "prepare") return Reflect.get(target, name).bind(target);
				return (sql: string) => {
					const statement = target.prepare(sql);
					if (!sql.startsWith("INSERT INTO settings (key, value) VALUES ('credentials'") || left === 0) return statement;
					left--;
					const later = JSON.stringify({ revision: Date.now() + ++overtaken * 3_600_000, sealed: null });
					const bind = (...values: unknown[]) => ({
						run: async () => {
							await writeSetting(env.DB, "credentials", later);
							return statement.bind(...values).run();
						},
					});
					return { bind };
				};
			},
		});
		const answer = await answered({ ...poolsAnswering({ tick }), DB }, put({ password: "mine" }));
		const { sealed } = JSON.parse((await row()) ?? "");
		if (status === 200) {
			expect([answer.status, answer.password]).toEqual([200, "mine"]);
			expect(sealed).not.toBeNull();
			return;
		}
		expect([answer.status, answer.detail]).toEqual([409, "Another change came in between: ask again."]);
		expect(sealed).toBeNull();
		expect(tick).not.toHaveBeenCalled();
	});

	test("tells every pool at once, and says how many it did not reach", async () => {
		await enter("default");
		await enter("nyc");
		const facts: FleetFacts[] = [];
		const tick = async (told: FleetFacts) => {
			facts.push(told);
			return NAMES;
		};
		const all = poolsAnswering({ tick });
		expect((await answered(all, put({ password: "new" }))).pools).toEqual({ told: 2, of: 2 });
		expect(facts.map(({ credentials }) => credentials && openedOrder(KEYS, credentials).password)).toEqual(["new", "new"]);
		let asked = 0;
		const one = poolsAnswering({ tick: (told) => (asked++ === 0 ? Promise.reject(new Error("it is down")) : tick(told)) });
		const answer = await answered(one, put({}));
		expect([answer.status, answer.pools]).toEqual([200, { told: 1, of: 2 }]);
	});
});

test("a pool that does not answer holds nobody up for longer than it may", async () => {
	await enter("default");
	await enter("nyc");
	let isFirst = true;
	let answer = (_: PoolNames) => {};
	const hanging = new Promise<PoolNames>((resolve) => {
		answer = resolve;
	});
	const tick = async () => {
		if (!isFirst) return NAMES;
		isFirst = false;
		return hanging;
	};
	const rest: Promise<unknown>[] = [];
	const told = await tellPools({ ...env, ...poolsAnswering({ tick }) } as unknown as Env, 200, (work) => rest.push(work));
	expect(told).toEqual({ told: 1, pools: 2 });
	answer(NAMES);
	await Promise.all(rest);
});

describe("DELETE /auth", () => {
	test("goes back to the deployment's secrets, once", async () => {
		await answered({}, put({}));
		const before = JSON.parse((await row()) ?? "").revision;
		expect(await answered({}, DELETE)).toMatchObject({
			status: 200,
			username: "user",
			password: "p@ss/w:rd",
			source: "environment",
			since: null,
		});
		const after = JSON.parse((await row()) ?? "");
		expect(after.sealed).toBe(null);
		expect(after.revision, "what was deleted is earlier than its deletion").toBeGreaterThan(before);
		await answered({}, DELETE);
		expect(JSON.parse((await row()) ?? "")).toEqual(after);
	});

	test("changes nothing where nothing was set", async () => {
		expect((await answered({}, DELETE)).status).toBe(200);
		expect(await row()).toBe(null);
	});

	test("is refused where anyone could use the proxies then", async () => {
		const bare = { PROXY_USERNAME: undefined, PROXY_PASSWORD: undefined };
		await answered({}, put({}));
		const before = await row();
		for (const settings of [bare, { ...bare, ONLY_HOST_IP: "True" }, { ...bare, ONLY_HOST_IP: "True", HOST_IP: "0.0.0.0/0" }]) {
			const { status, detail } = await answered(settings, DELETE);
			expect([status, detail]).toEqual([409, expect.stringContaining("Anyone could use the proxies then")]);
		}
		expect(await row()).toBe(before);
		const restricted = { ...bare, ONLY_HOST_IP: "True", HOST_IP: "192.0.2.9" };
		expect(await answered(restricted, DELETE)).toMatchObject({ status: 200, auth_enabled: false, source: null });
	});
});

describe("what is set over the API", () => {
	test("is in GET /auth with how far it has come, as pools publish it", async () => {
		await answered({}, put({ username: "you", password: "new" }));
		const credentials = { "1": ["user", "p@ss/w:rd"], "2": ["you", "new"] } as const;
		const proxies = [
			["a", "192.0.2.1", 1],
			["b", "192.0.2.2", 2],
			["c", "192.0.2.3", 2],
			["192.0.2.4:3128", "192.0.2.4", 2, 3128],
		] as const;
		await show(publicationOf(await enter(), { credentials, parts: [{ part: 0, proxies }], partCount: 1 }));
		expect(await answered({}, GET)).toMatchObject({ username: "you", in_force: { proxies: 2, of: 3 } });
	});

	test("is told in /health where it stands over secrets, and where it cannot be decrypted", async () => {
		await answered({}, put({ password: "the-password" }));
		const health = async (settings = {}) => (await bodyOf(await askWith({ ...KEYED, ...settings }, "/health", GET))).checks;
		expect((await health()).warnings).toContainEqual(expect.stringContaining("stand over PROXY_USERNAME and PROXY_PASSWORD"));
		const lost = { ENCRYPTION_KEY: "another-encryption-key-of-the-tests" };
		expect((await health(lost)).configuration).toContainEqual(expect.stringContaining("cannot be decrypted"));
		const answer = await answered(lost, GET);
		expect(answer).toMatchObject({ auth_enabled: true, username: null, password: null, source: "api" });
		expect(answer.notice).toContain("ENCRYPTION_KEY");
		expect(JSON.stringify(answer), "not what it stands over either").not.toContain("p@ss");
	});

	test("has PAC files refused as secrets have", async () => {
		const bare = { PROXY_USERNAME: undefined, PROXY_PASSWORD: undefined, ONLY_HOST_IP: "True", HOST_IP: "192.0.2.9" };
		const pac = async () => (await askWith({ ...KEYED, ...bare }, "/proxy.pac", GET)).status;
		expect(await pac()).toBe(200);
		await answered(bare, put({}));
		expect(await pac()).toBe(409);
	});

	test("is unknown while D1 does not answer: nothing else is shown in its place", async () => {
		expect((await answered({ DB: failing() }, GET)).status).toBe(503);
		expect((await ask("/auth")).status).toBe(200);
	});
});
