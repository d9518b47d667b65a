/**
 * What a fleet costs of Cloudflare's plan, counted: the real controller lives through a day, and every request, row and message of it is added
 * up. Limits of the free plan a day: 100,000 requests to Workers, as many to Durable Objects, 100,000 rows written and 5 million read, 13,000 GB-s
 * (https://developers.cloudflare.com/durable-objects/platform/pricing/, https://developers.cloudflare.com/workers/platform/pricing/).
 */
import { expect, test } from "vitest";
import type { RowChanges } from "../../src/controller/codec.ts";
import { Controller, type Facts, type Host } from "../../src/controller/controller.ts";
import { VITALS } from "../../src/core/model/liveness.ts";
import type { Ms, State } from "../../src/core/model/state.ts";
import { Table } from "../../src/core/model/table.ts";
import { NOW, poolOf, succeed } from "./fake-ports.ts";

const SECOND = 1000;
const DAY = 86_400 * SECOND;
const PING_MS = 20 * SECOND;
/** An object sleeps once it was idle for so long; it then reads its rows again. */
const AWAKE_MS = 10 * SECOND;
/** 128 MB for as long as a pass takes, which waits for a probe most of the time. */
const GB_SECONDS_A_PASS = 0.128 * 1;
/** Each deploy cuts all lines, and each comes back: a request to the Worker, and one to the object. */
const DEPLOYS_A_DAY = 4;

interface Count {
	worker: number;
	object: number;
	rowsWritten: number;
	rowsRead: number;
	gbSeconds: number;
	probes: number;
}

/** A day of one idle pool of a deployment. */
async function day(
	proxies: number,
	fleet: number,
	how: { readonly isLined: boolean; readonly reportMs?: Ms },
): Promise<Count & { readonly state: State }> {
	const count: Count = { worker: 0, object: 0, rowsWritten: 0, rowsRead: 0, gbSeconds: 0, probes: 0 };
	let now = NOW;
	let alarmAt: Ms | null = null;
	let lastAt = now;
	const ids = Array.from({ length: proxies }, (_, index) => `proxy${String(index).padStart(11, "0")}`);
	const phaseOf = (index: number) => (index * 7919) % PING_MS;
	const host: Host = {
		now: () => now,
		random: () => 0.5,
		timer: () => () => undefined,
		store: (changes: RowChanges) => {
			count.rowsWritten += (changes.facts === null ? 0 : 1) + changes.proxies.length + (changes.vitals?.().length ?? 0);
		},
		setAlarm: (at) => {
			alarmAt = at;
			count.rowsWritten++;
		},
		wipe: async () => undefined,
		wanted: () => ({ configure: null, isNamed: true }),
		budget: () => null,
		call: async (effect, state) => {
			if (effect.call === "probe") count.probes++;
			const outcome = { ...succeed(effect, state), startedAt: now };
			if (effect.call !== "list") return outcome;
			const vms = [...state.proxies.values()].map((proxy) => ({
				vm: "vm" in proxy.phase ? (proxy.phase.vm ?? "") : "",
				name: proxy.id,
				state: "running" as const,
				address: proxy.address,
				tags: { deployment: "d", pool: "t", intent: proxy.id },
			}));
			return { ...outcome, result: vms } as typeof outcome;
		},
		mintToken: () => "",
		passBegins: () => undefined,
		callsMade: () => 0,
		passFailed: (error) => {
			throw error;
		},
		...(how.isLined
			? { lines: () => ids.map((id, index) => ({ id, at: now - ((now - NOW + phaseOf(index)) % PING_MS) })).filter(({ at }) => at >= NOW) }
			: {}),
	};
	const vitals = Table.of(
		ids.map(
			(id) =>
				[
					id,
					{
						...VITALS.initial,
						heardAt: NOW,
						seenAt: NOW,
						probedAt: NOW,
						reportedAt: NOW,
						metricsAt: NOW,
						isLined: how.isLined,
						report: how.isLined ? 1 : 0,
					},
				] as const,
		),
	);
	const start = poolOf(proxies, (index) => ({ address: `10.0.${index >> 8}.${index & 255}`, credentials: 0 }));
	const controller = new Controller(host, { state: { ...start, vitals }, vitalsWrittenAt: NOW, armedAt: null });
	const facts: Facts = {
		rolling: null,
		agentUrl: "https://muster.test",
		proxies: fleet,
		dailyRequests: 100_000,
		leased: null,
		deployments: [],
	};
	const numbers = new Map<string, number>();
	const report = (id: string) => {
		const told = { id, active: 0, metrics: { requests: 0 }, credentials: 0 };
		if (!how.isLined) {
			count.worker++;
			count.object++;
			controller.heartbeat("k", { ...told, sessions: [] });
			return;
		}
		count.object += 1 / 20;
		const number = (numbers.get(id) ?? 1) + 1;
		numbers.set(id, number);
		expect(controller.lineReport("k", { ...told, number, whole: false, opened: [], closed: [] })).toBe("taken");
	};
	/** Whoever is woken after a sleep reads all rows. */
	const wake = () => {
		if (now - lastAt >= AWAKE_MS) count.rowsRead += proxies + 4;
		lastAt = now;
	};
	const paceMs = () => how.reportMs ?? (how.isLined ? 300 * SECOND : controller.state.heartbeatSeconds * SECOND);
	controller.tick(facts, null);
	const due = ids.map((_, index) => NOW + ((index * 104_729) % paceMs()));
	let cronAt = NOW + 60 * SECOND;
	for (;;) {
		const next = due.reduce((least, at, index) => (at < (due[least] ?? 0) ? index : least), 0);
		const at: Ms = Math.min(due[next] ?? Number.POSITIVE_INFINITY, cronAt, alarmAt ?? Number.POSITIVE_INFINITY);
		if (at >= NOW + DAY) break;
		now = at;
		wake();
		if (at === alarmAt) {
			alarmAt = null;
			count.object++;
			count.gbSeconds += GB_SECONDS_A_PASS;
			await controller.alarm();
		} else if (at === cronAt) {
			cronAt += 60 * SECOND;
			count.object++;
			controller.tick(facts, alarmAt);
		} else {
			report(ids[next] as string);
			due[next] = at + paceMs();
		}
	}
	if (how.isLined) {
		count.worker += DEPLOYS_A_DAY * proxies;
		count.object += DEPLOYS_A_DAY * proxies;
	}
	return { ...count, state: controller.state };
}

const CRON_REQUESTS = 1_440;

test("a thousand idle VMs in pools of 250 take less than half of what the free plan allows a day, and none is ever late", async () => {
	const pool = await day(250, 1000, { isLined: true });
	const all = { worker: CRON_REQUESTS + 4 * pool.worker, object: 4 * pool.object, written: 4 * pool.rowsWritten, read: 4 * pool.rowsRead };
	expect(all.worker).toBeLessThanOrEqual(50_000);
	expect(all.object).toBeLessThanOrEqual(50_000);
	expect(all.written).toBeLessThanOrEqual(50_000);
	expect(all.read).toBeLessThanOrEqual(2_500_000);
	expect(4 * pool.gbSeconds).toBeLessThanOrEqual(6_500);
	// Samples alone, which are a fiftieth of the fleet each interval.
	expect(pool.probes).toBeLessThan(2_880 * 6);
	expect([...pool.state.proxies.values()].every(({ phase }) => phase.at === "ready")).toBe(true);
	console.info(`1,000 VMs, a day of the free plan: ${JSON.stringify({ ...all, gbSeconds: Math.round(4 * pool.gbSeconds) })}`);
});

test("a VM's own share is at most 60 requests a day while idle, and 400 while its connections change all the time", async () => {
	const [without, idle] = [await day(0, 1, { isLined: true }), await day(20, 20, { isLined: true })];
	const ownOf = (pool: Count) => (pool.worker + pool.object - without.worker - without.object) / 20;
	expect(ownOf(idle)).toBeLessThanOrEqual(60);
	// Changes that go on are told each 15 s (`CHANGES_SECONDS` of agent.py).
	const busy = await day(20, 20, { isLined: true, reportMs: 15 * SECOND });
	expect(ownOf(busy)).toBeLessThanOrEqual(400);
	const called = await day(20, 20, { isLined: false, reportMs: 30 * SECOND });
	expect(ownOf(called)).toBeGreaterThanOrEqual(5_760);
	console.info(
		`a VM's requests a day: idle ${ownOf(idle).toFixed(1)}, changing ${ownOf(busy).toFixed(1)}, by calls ${ownOf(called).toFixed(0)}`,
	);
});
