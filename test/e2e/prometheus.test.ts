import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Dev, freePort, SOON_MS, temporaryState, within } from "./harness.ts";

const MONITORING = resolve(import.meta.dirname, "../../docs/monitoring");
const isInstalled = spawnSync("promtool", ["--version"]).error === undefined && spawnSync("prometheus", ["--version"]).error === undefined;
/** Debian's `prometheus` brings both programs. CI installs it; elsewhere these tests say that they did not run. */
const needsPrometheus = describe.skipIf(!isInstalled);
if (!isInstalled) console.warn("NOT RUN: prometheus and promtool are not installed (apt-get install prometheus)");

needsPrometheus("the real Prometheus", () => {
	const state = temporaryState();
	const data = mkdtempSync(join(tmpdir(), "muster-prometheus-"));
	let dev: Dev;
	beforeAll(async () => {
		dev = await Dev.start(state.directory, { DIGITALOCEAN_MAX_HOURLY_COST: "0.5", MAX_HOURLY_COST: "1" });
		await within(SOON_MS + 20_000, async () => expect(await dev.proxies()).toHaveLength(2));
		// What cron does once a minute.
		await fetch(`http://127.0.0.1:${dev.port}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`);
	});
	afterAll(async () => {
		await dev?.stop();
		state.remove();
		rmSync(data, { recursive: true, force: true });
	});

	test("finds nothing to lint in what the fleet says", async () => {
		const text = await (await fetch(`http://127.0.0.1:${dev.port}/metrics`)).text();
		const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
		expect([status, stdout + stderr]).toEqual([0, ""]);
		expect(text).toMatch(/muster_proxies\{provider="digitalocean",pool="default",phase="ready"\} 2/);
		expect(text).toMatch(/muster_provider_calls_total\{provider="digitalocean",pool="default",code="20\d"\} \d+/);
	});

	test("scrapes the fleet as OpenMetrics, evaluates the alert rules, and answers queries", async () => {
		const port = await freePort();
		const rules = readdirSync(MONITORING)
			.filter((name) => name.endsWith(".rules.yml"))
			.map((name) => join(MONITORING, name));
		writeFileSync(
			join(data, "prometheus.yml"),
			`global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ${JSON.stringify(rules)}
scrape_configs:
  - job_name: muster
    authorization: { credentials: any-key-since-the-deployment-is-open }
    static_configs: [{ targets: ["127.0.0.1:${dev.port}"] }]
`,
		);
		const prometheus = spawn(
			"prometheus",
			[
				`--config.file=${join(data, "prometheus.yml")}`,
				`--storage.tsdb.path=${join(data, "tsdb")}`,
				`--web.listen-address=127.0.0.1:${port}`,
			],
			{ stdio: "ignore" },
		);
		try {
			const query = async (expression: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> => {
				const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`);
				return ((await response.json()) as { data: { result: { metric: Record<string, string>; value: [number, string] }[] } }).data.result;
			};
			await within(60_000, async () => {
				const [up] = await query('up{job="muster"}');
				expect(up?.value[1]).toBe("1");
			});
			expect((await query('muster_proxies{phase="ready"}'))[0]?.value[1]).toBe("2");
			expect((await query("muster_boot_seconds_count"))[0]?.value[1]).toBe("2");
			expect((await query('muster_budget_per_hour{currency="USD"}'))[0]?.value[1]).toBe("1");
			// As many samples as are in the text: none was dropped for being there twice.
			const text = await (
				await fetch(`http://127.0.0.1:${dev.port}/metrics`, { headers: { Accept: "application/openmetrics-text" } })
			).text();
			const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
			expect(Number((await query("scrape_samples_post_metric_relabeling"))[0]?.value[1])).toBe(lines);
			const loaded = (await (await fetch(`http://127.0.0.1:${port}/api/v1/rules`)).json()) as {
				data: { groups: { rules: { health: string }[] }[] };
			};
			await within(40_000, async () => expect(loaded.data.groups.flatMap((group) => group.rules).length).toBeGreaterThan(5));
		} finally {
			prometheus.kill("SIGKILL");
		}
	});
});

needsPrometheus("docs/monitoring", () => {
	test("has alert rules that promtool takes", () => {
		const files = readdirSync(MONITORING).filter((name) => name.endsWith(".rules.yml"));
		expect(files).not.toEqual([]);
		for (const file of files)
			expect(execFileSync("promtool", ["check", "rules", join(MONITORING, file)], { encoding: "utf8" })).toContain("SUCCESS");
	});

	test("has rules that fire when they should, and only then", () => {
		const tests = join(MONITORING, "muster.rules.test.yml");
		expect(existsSync(tests)).toBe(true);
		expect(execFileSync("promtool", ["test", "rules", tests], { encoding: "utf8", cwd: MONITORING })).toContain("SUCCESS");
	});
});
