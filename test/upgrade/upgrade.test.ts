import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { sealedOrder } from "../../src/settings/ordered-credentials.ts";
import { fault, type PoolUnderTest } from "../worker/pool/harness.ts";
import text from "./bda7429/recording.json?raw";
import { losses, type Recording, restore, restorePool, revived, stateOf } from "./recording.ts";
import { ADMIN_KEY, CHANGED_SETTINGS, ENDPOINT_KEY, SETTINGS } from "./settings.ts";

const recording = JSON.parse(text) as Recording;
const names = Object.keys(recording.pools);
let pools: ReadonlyMap<string, PoolUnderTest> = new Map();

/** What this version keeps elsewhere: the field of the recorded state, and how to read it now. */
const MOVED: Readonly<Record<string, (state: Readonly<Record<string, unknown>>) => unknown>> = {
	gates: (state) => state.breakers,
	strays: (state) => state.orphans,
	leased: (state) => state.allotted,
	money: ({ money }) => {
		const { allotment, ...others } = money as { readonly allotment: unknown };
		return { ...others, lease: allotment };
	},
};
/** What this version has no use for, and why nothing is lost with it. */
const NOT_KEPT: Readonly<Record<string, string>> = {
	showsSessions: "sessions are asked of the pool, and D1 shows none",
	sessionsShown: "sessions are asked of the pool, and D1 shows none",
};
/** Answers that have another form now: what the earlier one is in it. */
const CHANGED_ANSWERS: Readonly<Record<string, (body: unknown) => unknown>> = {
	// Whose account it is stays with the settings: the answer named it to whoever held a key. The sums have pools that are being removed in them.
	"/providers": (body) => {
		interface Cost {
			readonly hourly: number;
			readonly currency: string;
		}
		const { providers, cost, removing, ...others } = body as {
			readonly providers: { readonly azure: { readonly instances: { readonly default: object } } };
			readonly cost: readonly Cost[];
			readonly removing: readonly { readonly cost?: Cost | null }[];
		};
		const removed = (currency: string) => removing.reduce((sum, one) => sum + (one.cost?.currency === currency ? one.cost.hourly : 0), 0);
		const before = cost.map((sum) => ({ ...sum, hourly: Math.round((sum.hourly - removed(sum.currency)) * 1e6) / 1e6 }));
		const rest = { ...others, cost: before };
		const account = { subscription_id: null, tenant_id: null, client_id: null };
		const instances = { ...providers.azure.instances, default: { ...providers.azure.instances.default, ...account } };
		return { ...rest, providers: { ...providers, azure: { ...providers.azure, ...account, instances } } };
	},
	// Each pool has its state and more beside what is wrong with it.
	"/health": (body) => {
		const { checks, ...rest } = body as { checks: { pools: Record<string, { problems: readonly string[] }> } };
		const troubled = Object.entries(checks.pools).filter(([, { problems }]) => problems.length > 0);
		return { ...rest, checks: { ...checks, pools: Object.fromEntries(troubled.map(([name, { problems }]) => [name, problems])) } };
	},
};
/** Tables of D1 that this version does without, and why nothing is lost with them. */
const NO_TABLES: Readonly<Record<string, string>> = { sessions: "sessions are asked of the pool" };

async function ask(path: string, { method = "GET", key = ADMIN_KEY }: { readonly method?: string; readonly key?: string } = {}) {
	const headers = { "X-Auth-Key": key, Accept: "application/json" };
	const response = await exports.default.fetch(new Request(`https://muster.test${path}`, { method, headers, redirect: "manual" }));
	return answerOf(response);
}

async function answerOf(response: Response): Promise<{ readonly status: number; readonly body: unknown }> {
	const said = await response.text();
	const isJson = response.headers.get("Content-Type")?.startsWith("application/json") === true && said !== "";
	return { status: response.status, body: isJson ? JSON.parse(said) : said };
}

/** Without what no two answers have in common. */
function comparable(answer: unknown): unknown {
	return JSON.parse(JSON.stringify(answer, (key, value: unknown) => (key === "request_id" ? undefined : value)));
}

const poolAt = (name: string): PoolUnderTest => {
	const pool = pools.get(name);
	if (pool === undefined) throw new Error(`there is no pool ${name} in the recording`);
	return pool;
};

const phasesOf = (name: string) => {
	const proxies = revived(recording.pools[name]?.state.proxies) as ReadonlyMap<string, { readonly phase: { readonly at: string } }>;
	return [...proxies.values()].map(({ phase }) => phase.at);
};

beforeAll(async () => {
	// The upgrade happens at the instant of the recording: to a later one everything in it would be long silent.
	vi.useFakeTimers({ toFake: ["Date"], now: recording.at });
	pools = await restore(recording);
});

describe("what bda7429 has stored", () => {
	test("is a rich deployment", () => {
		const phases = new Set(names.flatMap(phasesOf));
		expect([...phases].sort()).toEqual(
			["adopting", "booting", "deleting", "draining", "launching", "ready", "releasing", "restarting", "unready"].sort(),
		);
	});

	test("is in D1, row by row", async () => {
		for (const [table, rows] of Object.entries(recording.d1.tables)) {
			if (table === "d1_migrations" || Object.hasOwn(NO_TABLES, table)) continue;
			const columns = Object.keys(rows[0] ?? { object: null }).join(", ");
			const { results } = await env.DB.prepare(`SELECT ${columns} FROM ${table}`).all();
			expect(losses(rows, results, table)).toEqual([]);
		}
	});

	test.each(names)("is the state of %s, field by field", async (name) => {
		const state = await stateOf(poolAt(name));
		const before = Object.entries(recording.pools[name]?.state ?? {}).filter(([field]) => !Object.hasOwn(NOT_KEPT, field));
		expect(before.length).toBeGreaterThan(50);
		const lost = before.flatMap(([field, value]) => losses(revived(value), MOVED[field]?.(state) ?? state[field], field));
		expect(lost).toEqual([]);
	});

	test("is put together where a row had no room for it", async () => {
		const { ruled } = recording.pools;
		const [vitals, more] = [ruled?.tables.vitals, ruled?.tables.more_vitals];
		if (ruled === undefined || vitals === undefined || more === undefined) throw new Error("the recording has no vitals");
		const whole = String(vitals.rows[0]?.json);
		// That revision cut the text after 1,900,000 characters, wherever that was.
		const cut = whole.indexOf("198.51.100.7") + 5;
		const parts = [whole.slice(cut, cut + 40), whole.slice(cut + 40)].map((json, index) => ({ part: index + 1, json }));
		const pool = await restorePool({
			...ruled.tables,
			vitals: { ...vitals, rows: [{ ...vitals.rows[0], json: whole.slice(0, cut) }] },
			more_vitals: { ...more, rows: parts },
		});
		const { sessions } = await stateOf(pool);
		expect(losses(revived(ruled.state.sessions), sessions, "sessions")).toEqual([]);
	});

	test.each(names)("is what the object of %s answers", async (name) => {
		const { stub } = poolAt(name);
		const now: Record<string, unknown> = {
			status: await stub.status(),
			instances: await stub.instances(),
			metrics: await stub.metrics(),
			sessions: await stub.sessions(),
			configuration: await stub.configuration(),
			metadataKeys: await stub.metadataKeys(),
		};
		expect(losses(recording.pools[name]?.rpc, now)).toEqual([]);
	});

	test("is what the Worker answers", async () => {
		const lost: string[] = [];
		for (const [path, before] of Object.entries(recording.answers)) {
			const { status, body } = before;
			const now = await ask(path);
			const read = Object.hasOwn(CHANGED_ANSWERS, path) ? CHANGED_ANSWERS[path] : undefined;
			lost.push(...losses(comparable({ status, body }), comparable(read === undefined ? now : { ...now, body: read(now.body) }), path));
		}
		expect(Object.keys(recording.answers).length).toBeGreaterThan(100);
		expect(lost).toEqual([]);
	});

	test("opens to the keys that were set, and to no others", async () => {
		const metrics = "/v1.1/endpoints/ruled/metrics";
		expect((await ask("/providers")).status).toBe(200);
		expect((await ask(metrics, { key: ENDPOINT_KEY })).status).toBe(200);
		expect((await ask("/providers", { key: ENDPOINT_KEY })).status).toBe(403);
		expect((await ask("/v1.1/endpoints/sleeper/metrics", { key: ENDPOINT_KEY })).status).toBe(403);
	});
});

describe("with this version in its place", () => {
	test("an agent's next heartbeat is answered as it would have been", async () => {
		// What the reports wake must not change what is compared: the clouds do not answer, and the settings are what they were.
		await fault({ provider: "*", operation: "*", times: 1_000_000, status: 503 });
		await poolAt("hetzner-default").inside((inside) => {
			inside.env = { ...inside.env, ...CHANGED_SETTINGS };
		});
		const lost: string[] = [];
		for (const { key, address, answer } of recording.agents) {
			const response = await exports.default.fetch(
				new Request("https://muster.test/v1.1/heartbeat", {
					method: "POST",
					headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", "CF-Connecting-IP": address },
					body: JSON.stringify({ active: 1, metrics: { requests: 1 }, sessions: ["203.0.113.5:61000"], credentials: 1 }),
				}),
			);
			lost.push(...losses(comparable(answer), comparable(await answerOf(response)), address));
		}
		expect(recording.agents.length).toBeGreaterThan(5);
		expect(lost).toEqual([]);
	});

	test("pools go on with the settings, secrets and accounts that they had", async () => {
		for (const name of names) {
			const { account, run, suspended } = recording.pools[name]?.state ?? {};
			await poolAt(name).stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: 0 });
			const state = await stateOf(poolAt(name));
			expect([name, state.run, state.account], name).toEqual([name, run, account]);
			// Where the key was away it is there again.
			expect([name, state.suspended]).toEqual([name, name === "locked" ? null : suspended]);
		}
	});

	test("a pool knows of no order of credentials, and takes the first one", async () => {
		const pool = poolAt("hetzner-default");
		const before = await pool.state();
		expect(before.orderedCredentials).toEqual({ revision: 0, is: "none", username: "", password: "", formerSeconds: 600 });
		const login = { username: "you", password: "new" };
		const credentials = sealedOrder([SETTINGS.ENCRYPTION_KEY], recording.at, { ...login, formerSeconds: 600 });
		await pool.stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: 0, credentials });
		const after = (await pool.state()).credentials;
		expect(after.at(-1)).toEqual({ version: (before.credentials.at(-1)?.version ?? 0) + 1, ...login, formerSeconds: 600 });
		expect(after.slice(0, -1)).toEqual(before.credentials);
	});
});
