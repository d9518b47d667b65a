import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import dashboard from "../../docs/monitoring/grafana.json?raw";
import rules from "../../docs/monitoring/muster.rules.yml?raw";
import page from "../../docs/monitoring/README.md?raw";
import { metersOf } from "../../src/core/model/meters.ts";
import { newState } from "../../src/core/model/state.ts";
import { type Records, readRecords } from "../../src/d1/history.ts";
import { collect } from "../../src/fleet/records.ts";
import { familiesOf } from "../../src/http/monitoring/metrics.ts";
import { exposition } from "../../src/values/exposition.ts";
import { ADMIN_KEY, ask, askPlainly, askWith, counted, failing, startAfresh } from "./helpers.ts";

const NOW = 1_764_000_000_000;
const identity = (name: string) => ({ object: name, provider: "digitalocean", name, deployment: "d", incarnation: 0, tag: "t" });
/** Pools that have done everything that is counted. */
async function tell(names: readonly string[], requests = 7, before: Records = {}): Promise<void> {
	const told = new Map(
		names.map((name) => {
			const state = {
				...newState(identity(name), 0),
				providerCalls: { "200": 41, "429": 1, lost: 2 },
				tally: {
					creates: { created: 3, refused: 1 },
					deletes: { scale_in: 2 },
					boots: { counts: [0, 0, 1, 2], sumMs: 131_000 },
					gone: { bytesIn: 10, bytesOut: 2_000, requests, errors: 1, opened: 5 },
					spent: { USD: 1_500_000, EUR: 20_000 },
				},
			};
			const meters = { ...metersOf(state, NOW), cost: { hourly: 0.0119, currency: "USD" }, maxHourlyCost: 0.1 };
			return [name, { pool: `digitalocean/${name}`, currency: "USD", meters, causes: {}, samples: [] }] as const;
		}),
	);
	await collect(
		env.DB,
		before,
		told,
		names.map((object) => ({ object })),
		NOW,
	);
}

beforeEach(startAfresh);

/** Each series of a text, with empty labels left out and the others in order. */
function seriesIn(text: string): readonly string[] {
	const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
	return lines.map((line) => {
		const [, name, labels = ""] = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
		expect(name, line).toBeDefined();
		const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
			.filter(([, , value]) => value !== "")
			.map(([, key, value]) => `${key}=${value}`);
		return `${name} ${pairs.sort().join(" ")}`;
	});
}

describe("GET /metrics", () => {
	test("has counters that never fall, though a pool that lost its memory tells of less", async () => {
		const requests = async () => /^muster_agent_requests_total\{.*\} (\d+)$/m.exec(await (await ask("/metrics")).text())?.[1];
		await tell(["default"], 7);
		await tell(["default"], 3, await readRecords(env.DB));
		expect(await requests()).toBe("7");
		await tell(["default"], 9, await readRecords(env.DB));
		expect(await requests()).toBe("9");
	});

	test("has no series twice, whatever the pools are called", async () => {
		await tell(["default", "nyc", 'a"b\\c', ""]);
		for (const accept of ["text/plain", "application/openmetrics-text"]) {
			const series = seriesIn(await (await ask("/metrics", { headers: { Accept: accept } })).text());
			expect(series.length).toBeGreaterThan(150);
			expect(new Set(series).size).toBe(series.length);
		}
	});

	test("takes the newer of two pools of one name: one is being emptied while the other begins", () => {
		const meters = metersOf(newState(identity("default"), 0), NOW);
		const record = { pool: "digitalocean/default", currency: "", samples: [], settledAt: 0 };
		const families = familiesOf({ a: { ...record, at: 1, meters }, b: { ...record, at: 2, meters: { ...meters, wanted: 7 } } }, 0.5);
		expect(exposition(families, "text")).toContain('muster_proxies_desired{provider="digitalocean",pool="default"} 7');
	});

	test("is refused by the renderer where a series would be there twice, an empty label counting as none", () => {
		const samples = [
			{ labels: { a: "1", b: "" }, value: 1 },
			{ labels: { a: "1" }, value: 2 },
		];
		expect(() => exposition([{ name: "x", type: "gauge", help: "X.", samples }], "text")).toThrow("twice");
	});

	test("says what was counted, in either format", async () => {
		await tell(["default"]);
		const text = await ask("/metrics");
		expect(text.headers.get("Content-Type")).toBe("text/plain; version=0.0.4; charset=utf-8");
		const plain = await text.text();
		const of = '{provider="digitalocean",pool="default"';
		for (const line of [
			"# TYPE muster_vm_creates_total counter",
			`muster_vm_creates_total${of},outcome="created"} 3`,
			`muster_vm_creates_total${of},outcome="lost"} 0`,
			`muster_vm_deletes_total${of},reason="scale_in"} 2`,
			`muster_provider_calls_total${of},code="429"} 1`,
			`muster_agent_bytes_total${of},direction="out"} 2000`,
			`muster_cost_per_hour${of},currency="USD"} 0.0119`,
			`muster_cost_total${of},currency="EUR"} 0.02`,
			"# TYPE muster_boot_seconds histogram",
			`muster_boot_seconds_bucket${of},le="30.0"} 1`,
			`muster_boot_seconds_bucket${of},le="45.0"} 3`,
			`muster_boot_seconds_bucket${of},le="+Inf"} 3`,
			`muster_boot_seconds_sum${of}} 131`,
			`muster_boot_seconds_count${of}} 3`,
			`muster_proxies${of},phase="ready"} 0`,
		])
			expect(plain.split("\n")).toContain(line);
		expect(plain).not.toContain("# EOF");
		expect(plain.endsWith("\n")).toBe(true);

		const wanted =
			"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
		const open = await ask("/metrics", { headers: { Accept: wanted } });
		expect(open.headers.get("Content-Type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
		const body = await open.text();
		expect(body.endsWith("\n# EOF\n")).toBe(true);
		expect(body).toContain("# TYPE muster_vm_creates counter");
		expect(body).toContain("# TYPE muster_build info");
		expect(
			(await ask("/metrics", { headers: { Accept: "text/plain, application/openmetrics-text;q=0.2" } })).headers.get("Content-Type"),
		).toContain("0.0.4");
	});

	test("has no address and no secret in it", async () => {
		await tell(["default"]);
		expect(await (await ask("/metrics")).text()).not.toMatch(/\d+\.\d+\.\d+\.\d+|p@ss/);
	});

	test("reads fewer than 30 rows, however many pools there are", async () => {
		await tell(Array.from({ length: 60 }, (_, index) => `pool${index}`));
		const { db, rows } = counted(env.DB);
		const response = await askWith({ DB: db }, "/metrics", { headers: { Authorization: `Bearer ${ADMIN_KEY}` } });
		expect(seriesIn(await response.text()).length).toBeGreaterThan(60 * 30);
		expect(rows.read).toBeLessThan(30);
	});

	test("fails with an error's status, so that Prometheus calls it down: without a key, with a wrong one, without a database", async () => {
		expect((await askPlainly("/metrics")).status).toBe(401);
		expect((await ask("/metrics", { headers: { "X-Auth-Key": "wrong-key-of-the-right-length" } })).status).toBe(401);
		expect((await askWith({ DB: failing() }, "/metrics", { headers: { "X-Auth-Key": ADMIN_KEY } })).status).toBe(503);
	});
});

describe("docs/monitoring", () => {
	/** By the name of a series: its labels, and the values that each of them has. */
	async function given(): Promise<ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>> {
		await tell(["default"]);
		const text = await (await askWith({ MAX_HOURLY_COST: "1" }, "/metrics", { headers: { "X-Auth-Key": ADMIN_KEY } })).text();
		const names = new Map<string, Map<string, Set<string>>>();
		for (const [, name = "", labels = ""] of text.matchAll(/^(muster_\w+)(?:\{(.*)\})? \S+$/gm)) {
			const known = names.get(name) ?? new Map<string, Set<string>>();
			names.set(name, known);
			for (const [, key = "", value = ""] of labels.matchAll(/(\w+)="([^"]*)"/g)) known.set(key, (known.get(key) ?? new Set()).add(value));
		}
		return names;
	}

	const ofRules = [...rules.matchAll(/^\s+expr: (.+)$/gm)].map(([, expression = ""]) => expression);
	const ofDashboard = [...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, text = ""]) => JSON.parse(text) as string);

	test("asks in no rule and no panel for a series, a label or a value that /metrics does not give", async () => {
		const names = await given();
		expect([ofRules.length > 5, ofDashboard.length > 10]).toEqual([true, true]);
		// A code or a currency is whatever a cloud says.
		const isOpen = (label: string) => ["code", "currency", "provider", "pool"].includes(label);
		for (const expression of [...ofRules, ...ofDashboard]) {
			for (const [, name = "", matchers = ""] of expression.matchAll(/(muster_\w+)(?:\{([^}]*)\})?/g)) {
				const labels = names.get(name);
				expect(labels, `${name} in ${expression}`).toBeDefined();
				for (const [, label = "", value = ""] of matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)) {
					expect([...(labels?.keys() ?? [])], `${name} in ${expression}`).toContain(label);
					for (const one of isOpen(label) ? [] : value.split("|"))
						expect([...(labels?.get(label) ?? [])], `${label} in ${expression}`).toContain(one);
				}
			}
			const all = new Set([...names.values()].flatMap((labels) => [...labels.keys()]));
			for (const [, grouped = ""] of expression.matchAll(/\b(?:by|on|without|ignoring) \(([^)]*)\)/g))
				for (const label of grouped.split(/, */)) expect([...all], expression).toContain(label);
		}
	});

	test("lists the very series that there are", async () => {
		const families = new Set([...(await given()).keys()].map((name) => name.replace(/^(muster_boot_seconds)_(bucket|sum|count)$/, "$1")));
		const table = page.split("\n").filter((line) => line.startsWith("| `muster_"));
		const listed = table.flatMap((line) => [...(line.split(" | ")[0] ?? "").matchAll(/`(muster_\w+)/g)].map(([, name = ""]) => name));
		expect(listed.sort()).toEqual([...families].sort());
	});
});
