import type { Vm } from "../../src/core/model/state.ts";
import type { BenchStorage } from "./core-storage.ts";

/** The instant at which the synthetic pool stands still. */
export const NOW = 1_800_000_000_000;
const MINUTE_MS = 60_000;
export const SESSIONS_A_PROXY = 5;

const DEPLOYMENT = "benchbenchbench0";
const OBJECT = "0b".repeat(32);
const TAG = "be0c".repeat(4);

/** The proxy's id, as long as a real one. */
export const idOf = (proxy: number) => `proxy${String(proxy).padStart(11, "0")}`;
export const addressOf = (proxy: number) => `10.${(proxy >> 16) & 255}.${(proxy >> 8) & 255}.${proxy & 255}`;
const vmOf = (proxy: number) => String(400_000_000 + proxy);

/** A proxy's open connections; with `turn` one of them is another. */
export function sessionsOf(proxy: number, turn = 0): readonly string[] {
	return Array.from({ length: SESSIONS_A_PROXY }, (_, session) => {
		const port = 20_000 + ((proxy * SESSIONS_A_PROXY + session) % 30_000);
		return session === 0 ? `198.51.100.7:${port + (turn % 1_000)}` : `198.51.100.${10 + session}:${port}`;
	}).sort();
}

/** What the cloud lists of the pool. */
export function vmsOf(proxies: number): readonly Vm[] {
	return Array.from({ length: proxies }, (_, proxy) => ({
		vm: vmOf(proxy),
		name: `muster-${DEPLOYMENT}-${idOf(proxy)}`,
		state: "running",
		address: addressOf(proxy),
		tags: { deployment: DEPLOYMENT, pool: TAG, intent: idOf(proxy) },
	}));
}

/**
 * Writes a pool of so many ready proxies, with five sessions each, as revision bda7429 stored pools. Every later revision has to be able to
 * load that (`test/upgrade`), so that one text serves for all of them.
 */
export function writeSyntheticPool(storage: BenchStorage, proxies: number): void {
	const all = Array.from({ length: proxies }, (_, proxy) => proxy);
	const pool = {
		object: OBJECT,
		provider: "digitalocean",
		name: "default",
		deployment: DEPLOYMENT,
		incarnation: NOW - 60 * MINUTE_MS,
		tag: TAG,
	};
	const facts = {
		pool,
		spec: { min: proxies, max: proxies },
		run: "running",
		agentUrl: "https://muster.test",
		account: "0123456789abcdef",
		credentials: [{ version: 1, username: "user", password: "pass" }],
		firewall: { admits: [], tries: 0, retryAt: 0, why: "" },
		target: proxies,
		counted: { all: proxies, ready: proxies },
		bornAt: NOW - 60 * MINUTE_MS,
		emptySince: null,
		showsSessions: true,
		reconciledAt: NOW - 59 * MINUTE_MS,
	};
	const vitals = {
		vitals: map(all.map((proxy) => [idOf(proxy), vitalsOf(proxy)])),
		sessions: map(all.map((proxy) => [idOf(proxy), sessionsOf(proxy)])),
		listedAt: NOW,
		sampledAt: NOW,
	};
	const initial = { ...pool, source: "environment", facts: { agentUrl: facts.agentUrl, rolling: null, proxies } };
	const { sql } = storage;
	storage.transactionSync(() => {
		sql.exec("CREATE TABLE schema_version (version INTEGER NOT NULL)");
		sql.exec("CREATE TABLE facts (one INTEGER PRIMARY KEY CHECK (one = 1), birth TEXT NOT NULL, json TEXT NOT NULL)");
		sql.exec("CREATE TABLE proxies (id TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID");
		sql.exec("CREATE TABLE vitals (one INTEGER PRIMARY KEY CHECK (one = 1), written_at INTEGER NOT NULL, json TEXT NOT NULL)");
		sql.exec("CREATE TABLE endpoint (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL)");
		sql.exec("CREATE TABLE metadata (key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID");
		sql.exec("CREATE TABLE more_vitals (part INTEGER PRIMARY KEY, json TEXT NOT NULL)");
		sql.exec("INSERT INTO schema_version (version) VALUES (?)", 3);
		sql.exec("INSERT INTO facts (one, birth, json) VALUES (1, ?, ?)", JSON.stringify(initial), JSON.stringify(facts));
		sql.exec("INSERT INTO vitals (one, written_at, json) VALUES (1, ?, ?)", NOW, JSON.stringify(vitals));
		for (const proxy of all) sql.exec("INSERT INTO proxies (id, json) VALUES (?, ?)", idOf(proxy), JSON.stringify(proxyOf(proxy)));
	});
}

function proxyOf(proxy: number) {
	const hash = (letter: string) => `${letter}${String(proxy).padStart(63, "0")}`;
	return {
		id: idOf(proxy),
		phase: { at: "ready", vm: vmOf(proxy) },
		since: NOW - 50 * MINUTE_MS,
		createdAt: NOW - 55 * MINUTE_MS,
		why: "answers probes",
		isAdopted: false,
		address: addressOf(proxy),
		registered: true,
		wasReady: true,
		tokenHash: hash("a"),
		keyHash: hash("b"),
		claim: null,
		credentials: 1,
		account: "0123456789abcdef",
		offSince: null,
		suspectAt: null,
		absentAt: null,
		tries: 0,
		retryAt: 0,
		failedProbes: 0,
		posted: {},
	};
}

function vitalsOf(proxy: number) {
	return { heardAt: NOW, seenAt: NOW, probedAt: NOW, active: SESSIONS_A_PROXY, reportedAt: NOW, metrics: metricsOf(proxy), metricsAt: NOW };
}

export function metricsOf(turn: number): Readonly<Record<string, number>> {
	return { requests: turn % 7, bytes: turn, errors: 0, cpu: 0.01, load: 0.1 };
}

const map = (entries: readonly (readonly [string, unknown])[]) => ({ map: entries });
