/**
 * What a fleet costs of Cloudflare's plan, counted: the real controller lives through a day, and every request, row and message of it is added
 * up. Limits of the free plan a day: 100,000 requests to Workers, as many to Durable Objects, 100,000 rows written and 5 million read, 13,000 GB-s
 * (https://developers.cloudflare.com/durable-objects/platform/pricing/, https://developers.cloudflare.com/workers/platform/pricing/).
 */
import type { RowChanges } from "../../src/controller/codec.ts";
import { Controller, type Facts, type Host } from "../../src/controller/controller.ts";
import { VITALS } from "../../src/core/model/liveness.ts";
import type { Ms, State } from "../../src/core/model/state.ts";
import { Table } from "../../src/core/model/table.ts";
import { NOW, poolOf, succeed } from "./fake-ports.ts";

const SECOND = 1000;
const DAY = 86_400 * SECOND;
const PING_MS = 20 * SECOND;
/** One of so many parts of a day is lived through: they are all alike. */
const DAY_PARTS = 4;
/** An object sleeps once it was idle for so long; it then reads its rows again. */
const AWAKE_MS = 10 * SECOND;
/** 128 MB for as long as a pass takes, which waits for a probe most of the time. */
const GB_SECONDS_A_PASS = 0.128 * 1;
/** Each deploy cuts all lines, and each comes back: a request to the Worker, and one to the object. */
const DEPLOYS_A_DAY = 4;

export interface Count {
	worker: number;
	object: number;
	rowsWritten: number;
	rowsRead: number;
	gbSeconds: number;
	probes: number;
	publications: number;
	creates: number;
}

/** A day of one pool of a deployment, by a quarter of it. */
export async function day(
	proxies: number,
	fleet: number,
	how: {
		readonly isLined: boolean;
		readonly reportMs?: Ms;
		/** A rule, and connections that come and go: some of these each. */
		readonly demand?: { readonly rule: string; readonly connections: readonly number[] };
		/** So many proxies are missing, and the cloud has room for none. */
		readonly soldOut?: number;
	},
): Promise<Count & { readonly state: State }> {
	const count: Count = { worker: 0, object: 0, rowsWritten: 0, rowsRead: 0, gbSeconds: 0, probes: 0, publications: 0, creates: 0 };
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
			if (effect.call === "publish") count.publications++;
			if (effect.call === "create") {
				count.creates++;
				return { on: "failed", effect, failure: { kind: "capacity", message: "sold out" }, startedAt: now };
			}
			const outcome = { ...succeed(effect, state), startedAt: now };
			if (effect.call !== "list") return outcome;
			const made = [...state.proxies.values()].filter(({ phase }) => "vm" in phase);
			const vms = made.map((proxy) => ({
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
	const { demand, soldOut = 0 } = how;
	const target = proxies + soldOut;
	const spec = { ...start.spec, rules: demand === undefined ? [] : [demand.rule], min: target, max: proxies + target };
	const ruled = { spec, target };
	const controller = new Controller(host, { state: { ...start, ...ruled, vitals }, vitalsWrittenAt: NOW, armedAt: null });
	const facts: Facts = {
		rolling: null,
		credentials: null,
		agentUrl: "https://muster.test",
		proxies: fleet,
		dailyRequests: 100_000,
		allotted: null,
		deployments: [],
	};
	const numbers = new Map<string, number>();
	const report = (id: string) => {
		const turn = (numbers.get(id) ?? 0) + ids.indexOf(id);
		const active = demand?.connections[turn % demand.connections.length] ?? 0;
		const told = { id, active, metrics: { requests: 0 }, credentials: 0 };
		if (!how.isLined) {
			count.worker++;
			count.object++;
			controller.heartbeat("k", { ...told, sessions: [] });
			return;
		}
		count.object += 1 / 20;
		const number = (numbers.get(id) ?? 1) + 1;
		numbers.set(id, number);
		const outcome = controller.lineReport("k", { ...told, number, whole: false, opened: [], closed: [] });
		if (outcome !== "taken") throw new Error(`a report is ${outcome}`);
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
		if (at >= NOW + DAY / DAY_PARTS) break;
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
	const whole = Object.fromEntries(Object.entries(count).map(([name, number]) => [name, DAY_PARTS * number])) as unknown as Count;
	if (how.isLined) {
		whole.worker += DEPLOYS_A_DAY * proxies;
		whole.object += DEPLOYS_A_DAY * proxies;
	}
	return { ...whole, state: controller.state };
}

/** Cron's, of a deployment, a day. */
export const CRON_REQUESTS = 1_440;
/** How often an agent reports whose connections change all the time: test/agent/pace.test.ts. */
export const CHANGING_MS = 12 * SECOND;

/** A day of a whole idle fleet: of so many pools, with so many proxies each. */
export async function fleetDay(pools: number, proxies: number) {
	const pool = await day(proxies, pools * proxies, { isLined: true });
	const all = {
		worker: CRON_REQUESTS + pools * pool.worker,
		object: pools * pool.object,
		written: pools * pool.rowsWritten,
		read: pools * pool.rowsRead,
		gbSeconds: Math.round(pools * pool.gbSeconds),
	};
	return { pool, all };
}

/** Billed requests a day of one VM of so many, beside what a pool without any takes. */
export async function ownShare(proxies: number, how: Parameters<typeof day>[2]): Promise<number> {
	const [pool, without] = [await day(proxies, proxies, how), await day(0, 1, how)];
	return (pool.worker + pool.object - without.worker - without.object) / proxies;
}
