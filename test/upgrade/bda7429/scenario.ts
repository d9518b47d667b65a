/**
 * A rich deployment of revision bda7429, run by that revision itself inside workerd and then written down. Not part of the tests:
 * `node test/upgrade/record.ts` puts it into a checkout of that revision, beside that revision's own harness, whose modules it imports.
 * All pools share one clock, which only moves when told to; requests, alarms, SQLite, D1, the clouds' APIs and the probes are real.
 */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { test, vi } from "vitest";
import { forgetKeys } from "../../../src/api/auth.ts";
import { listPools } from "../../../src/db/directory.ts";
import { forgetEverything } from "../../../src/db/ready.ts";
import { readDeployment } from "../../../src/db/settings.ts";
import { tend } from "../../../src/pool/fleet.ts";
import { agentConfig, fault, PoolUnderTest, resetCloud, setAgent, sha256 } from "./harness.ts";
import { routesOf } from "./routes.ts";
import { ADMIN_KEY, CHANGED_SETTINGS, ENDPOINT_KEY, SETTINGS } from "./settings.ts";

const HEARTBEAT_SECONDS = 30;
const AUTHORISED = { Authorization: `Bearer ${SETTINGS.DIGITALOCEAN_ACCESS_TOKEN}`, "content-type": "application/json" };

let clock = Date.now();
let key: string | null = null;
const pools = new Map<string, PoolUnderTest>();

interface FakeAgent {
	readonly vm: string;
	readonly key: string;
	readonly object: string;
	readonly address: string;
	sessions: readonly string[];
	metrics: Record<string, number>;
	credentials: number;
	isSilent: boolean;
}
const agents: FakeAgent[] = [];
/** Objects whose VMs never boot, and VMs that others made. */
const unbooted = new Set<string>();

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
	const headers: Record<string, string> = { Accept: "application/json" };
	if (key !== null) headers["X-Auth-Key"] = key;
	if (body !== undefined) headers["Content-Type"] = "application/json";
	const response = await exports.default.fetch(
		new Request(`https://muster.test${path}`, {
			method,
			headers,
			redirect: "manual",
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		}),
	);
	return answerOf(response);
}

async function answerOf(response: Response): Promise<{ status: number; body: unknown }> {
	const text = await response.text();
	const isJson = response.headers.get("Content-Type")?.startsWith("application/json") === true && text !== "";
	return { status: response.status, body: isJson ? JSON.parse(text) : text };
}

/** An order that must be answered with 200; its pools run meanwhile. */
async function order(method: string, path: string, body?: unknown): Promise<void> {
	let isOver = false;
	const asked = ask(method, path, body).finally(() => {
		isOver = true;
	});
	while (!isOver) {
		for (const pool of pools.values()) await runDurableObjectAlarm(pool.stub);
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	const { status, body: said } = await asked;
	if (status !== 200) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(said)}`);
	await settle();
}

async function meet(): Promise<void> {
	const deployment = await readDeployment(env.DB);
	for (const { object, provider, name, source } of await listPools(env.DB)) {
		const endpoint = source === "api" ? name : `${provider}-${name}`;
		if (![...pools.values()].some((pool) => pool.object === object)) pools.set(endpoint, new PoolUnderTest(object, deployment));
	}
}

const poolAt = (name: string): PoolUnderTest => {
	const pool = pools.get(name);
	if (pool === undefined) throw new Error(`no pool ${name}`);
	return pool;
};

async function settle(): Promise<void> {
	for (const pool of pools.values()) {
		if ((await pool.inside(({ state }) => state)) !== null) await pool.settle();
	}
}

async function moveOn(seconds: number, stepSeconds = 10): Promise<void> {
	for (let passed = 0; passed < seconds; passed += stepSeconds) {
		clock += stepSeconds * 1000;
		vi.setSystemTime(clock);
		forgetEverything();
		await settle();
		await boot();
		if (Math.floor(clock / 1000 / stepSeconds) % Math.max(1, HEARTBEAT_SECONDS / stepSeconds) === 0) await report();
		await settle();
	}
}

/** Every VM of the clouds boots its agent once: it registers, and answers probes. */
async function boot(): Promise<void> {
	const vms = (await (await fetch("http://cloud.test/_local/vms")).json()) as {
		id: string;
		name: string;
		ip: string | null;
		state: string;
	}[];
	for (const vm of vms) {
		if (vm.ip === null || !vm.name.startsWith("muster-") || agents.some((agent) => agent.vm === vm.id)) continue;
		const { token } = await agentConfig(vm.id).catch(() => ({ token: "" }));
		const [object = "", id = ""] = token.split(".");
		if (token === "" || unbooted.has(object)) continue;
		const own = `${object}.${id}.${vm.id.padEnd(43, "k")}`;
		const stub = env.POOL.get(env.POOL.idFromString(object));
		if (!(await stub.register({ token, key: own, address: vm.ip })).ok) continue;
		await setAgent(vm.ip, { keyHash: sha256(own) });
		agents.push({ vm: vm.id, key: own, object, address: vm.ip, sessions: [], metrics: {}, credentials: 1, isSilent: false });
	}
}

async function report(): Promise<void> {
	for (const [index, agent] of agents.entries()) {
		if (agent.isSilent) continue;
		const metrics = { requests: 1 + index, bytes: 1000.5 * index, errors: 0, cpu: 0.01 * index, load: 0.5, ...agent.metrics };
		const stub = env.POOL.get(env.POOL.idFromString(agent.object));
		const body = { active: agent.sessions.length, metrics, sessions: [...agent.sessions], credentials: agent.credentials };
		await stub.heartbeat({ key: agent.key, address: agent.address, body });
	}
}

const agentsOf = (name: string) => agents.filter(({ object }) => object === poolAt(name).object);

async function agentAt(name: string, isWanted: (at: string) => boolean, taken: readonly FakeAgent[]): Promise<FakeAgent & { id: string }> {
	const { proxies } = await poolAt(name).state();
	for (const proxy of proxies.values()) {
		const agent = agents.find(({ address }) => address === proxy.address);
		if (agent !== undefined && isWanted(proxy.phase.at) && !taken.includes(agent)) return Object.assign(agent, { id: proxy.id });
	}
	throw new Error(`${name} has no such proxy`);
}

async function droplet(name: string, tags: readonly string[]): Promise<string> {
	const body = JSON.stringify({ name, region: "lon1", size: "s-1vcpu-512mb-10gb", image: "ubuntu-24-04-x64", tags });
	const answer = await fetch(`${SETTINGS.DIGITALOCEAN_API_URL}/v2/droplets`, { method: "POST", headers: AUTHORISED, body });
	if (!answer.ok) throw new Error(await answer.text());
	return String(((await answer.json()) as { droplet: { id: number } }).droplet.id);
}

async function makeAll(): Promise<void> {
	await tend(env as never, clock);
	await meet();
	await settle();
	const cloud = { access_token: SETTINGS.DIGITALOCEAN_ACCESS_TOKEN, region: "nyc1" };
	const auth_hash = createHash("sha1").update(`salt${ENDPOINT_KEY}`).digest("hex");
	const ofCloud = (min: number, scaling = {}, endpoint = {}) => ({
		endpoint: { cloud: "digitalocean", ...endpoint },
		scaling: { min_instances: min, max_instances: Math.max(1, min), ...scaling },
		"cloud:digitalocean": cloud,
	});
	const rules = ["2 <= active < 4", "queue <= 10", "requests < 2"];
	const ruled = { max_instances: "4", rules, ramp_limit: 1, scale_in_window: 240, max_hourly_cost: 0.5 };
	const configurations = {
		ruled: ofCloud(1, ruled, { weight: 3, colour: "green", auth_hash, auth_salt: "salt" }),
		follower: ofCloud(0, { rules: ["active <= 4"] }, { metrics_source: "ruled" }),
		sleeper: ofCloud(0, { rules: ["active < 4"] }),
		burst: ofCloud(8),
		closing: ofCloud(2),
		parting: ofCloud(1),
		newcomer: ofCloud(0, { max_instances: 2 }),
		refused: ofCloud(1),
		fruitless: ofCloud(1, {}, { unregistered_timeout: 30 }),
		dear: ofCloud(1, { max_hourly_cost: 0.001 }),
		locked: ofCloud(1),
		bench: { endpoint: { static_instances: ["127.77.251.1", "127.77.251.2:3128"] } },
	};
	for (const [name, configuration] of Object.entries(configurations)) await order("PUT", `/v1.1/endpoints/${name}`, configuration);
	await meet();
	await setAgent("127.77.251.1", { keyHash: "" });
	await settle();
	for (const name of Object.keys(configurations)) {
		if (name !== "burst" && name !== "refused") await order("POST", `/v1.1/endpoints/${name}/state`, { action: "start" });
	}
	for (const name of ["burst", "fruitless", "newcomer"]) unbooted.add(poolAt(name).object);
}

/** What operators and clients have done to it. */
async function liveThrough(): Promise<void> {
	await order("POST", "/v1.1/url", { url: "https://muster.test" });
	await order("PATCH", "/rolling", { enabled: true, min_available: 1, batch_size: 2 });
	await order("POST", "/v1.1/managers/configs/ruled", { manager: { interval: 20 } });
	await order("POST", "/v1.1/endpoints/ruled/alias", "also-ruled");
	await order("PUT", "/v1.1/endpoints/ruled/metadata/owner", { team: "crawl", since: 2026 });
	await order("PUT", "/v1.1/endpoints/digitalocean-default/metadata/note", "an umlaut: ü");
	await moveOn(120, 15);

	// Load, as agents and others tell it.
	const [loaded] = agentsOf("ruled");
	if (loaded !== undefined)
		loaded.sessions = ["198.51.100.7:50123", "[2001:db8::1]:4711", "198.51.100.9:40000", "198.51.100.9:40001", "198.51.100.9:40002"];
	await order("POST", "/v1.1/endpoints/ruled/metrics", { queue: [1, 12], weather: [2, 0.5] });
	await moveOn(120, 15);
	if (loaded !== undefined) loaded.sessions = loaded.sessions.slice(0, 2);
	await moveOn(60);

	// Firewall and credentials of one pool change.
	const hetzner = poolAt("hetzner-default");
	await hetzner.inside((inside) => {
		inside.env = { ...inside.env, ...CHANGED_SETTINGS } as never;
	});
	await moveOn(30);
	const [first, second] = agentsOf("hetzner-default");
	if (first !== undefined) first.credentials = 2;
	await moveOn(60);
	// One leaves: what is left of its hour is billed.
	if (second !== undefined) await order("DELETE", `/destroy?ip_address=${second.address}`);
	await moveOn(30);

	await order("POST", "/v1.1/endpoints/digitalocean-default/log?level=warning", "seen by a human");
	await ask("GET", "/random?provider=digitalocean&instance=sleeper");
	await moveOn(30);
}

/** Every phase that a proxy can be in, in one pool. */
async function spread(): Promise<void> {
	const name = "digitalocean-default";
	const pool = poolAt(name);
	const isReady = (at: string) => at === "ready";
	const taken: FakeAgent[] = [];
	const take = async () => {
		const agent = await agentAt(name, isReady, taken);
		taken.push(agent);
		return agent;
	};
	const kept = await take();
	kept.sessions = ["203.0.113.5:61000"];

	// Let go, taken in, being taken in.
	const released = await take();
	await order("DELETE", `/v1.1/endpoints/${name}/instances/${released.vm}`);
	await moveOn(60);
	const adopted = await droplet("theirs-1", ["theirs"]);
	await order("POST", `/v1.1/endpoints/${name}/instances/${adopted}`);
	await moveOn(30);
	const address = [...(await pool.state()).proxies.values()].find(({ isAdopted }) => isAdopted)?.address;
	await setAgent(address ?? "", { keyHash: "" });
	await pool.stub.command({ do: "confirm", address: address ?? "" });
	await pool.stub.command({ do: "confirm", address: "192.0.2.99" });
	await moveOn(30);

	// Somebody copied a VM, tags and all.
	const { pool: own } = await pool.state();
	await droplet(`muster-${own.deployment}-copied0000000000`, [
		"muster",
		`muster-deployment:${own.deployment}`,
		`muster-pool:${own.tag}`,
		"muster-intent:copied0000000000",
	]);
	await droplet("another", ["muster", "muster-deployment:other", "muster-pool:other", "muster-intent:other"]);
	await moveOn(30);

	const late = await droplet("theirs-2", ["theirs"]);

	// A pool whose creates are refused.
	const message = "creating this/these droplet(s) will exceed your droplet limit";
	await fault({ operation: "create", times: 1_000, status: 422, body: { id: "unprocessable_entity", message } });
	await order("POST", "/v1.1/endpoints/refused/state", { action: "start" });
	await moveOn(200, 20);
	await resetCloud();

	// Fewer are wanted, though all are in use.
	for (const agent of agentsOf(name)) if (agent !== kept) agent.sessions = ["203.0.113.77:7777"];
	await report();
	await order("PATCH", "/providers/digitalocean/default", { min_scaling: 6, max_scaling: 12 });
	await moveOn(30);

	// From now on the cloud restarts, deletes and retags nothing.
	await nothingChanges();
	const silent = await take();
	silent.isSilent = true;
	await setAgent(silent.address, { keyHash: sha256(silent.key), isSilent: true });
	await order("DELETE", "/v1.1/endpoints/closing");
	await order("DELETE", "/v1.1/endpoints/parting?keep=true");
	// Draining, and somebody still uses it.
	for (const agent of agentsOf("follower")) agent.sessions = ["198.51.100.77:50000"];
	await report();
	await order("POST", "/v1.1/endpoints/follower/state", { action: "stop" });
	await poolAt("follower").inside((inside) => {
		// Only a fault of Muster's own brings this about.
		inside.commit(inside.state, { ...inside.state, breach: "more VMs than the bound allows" }, null);
	});
	await order("POST", "/v1.1/auth_key", { auth_key: ADMIN_KEY });
	key = ADMIN_KEY;
	forgetKeys();
	await moveOn(30);
	// New VMs are not up yet, and no list or look-up shows their addresses; somebody has registered with one's token.
	for (const operation of ["list", "get"]) await fault({ operation, times: 1_000_000, status: 503 });
	await fault({ provider: "hetzner", operation: "*", times: 1_000_000, status: 401 });
	await fault({ provider: "vultr", operation: "*", times: 1_000_000, status: 429 });
	await order("PATCH", "/providers/digitalocean/newcomer", { min_scaling: 2, max_scaling: 2 });
	const restarted = await take();
	await order("DELETE", `/restart?ip_address=${restarted.address}`);
	const destroyed = await take();
	await order("DELETE", `/destroy?ip_address=${destroyed.address}`);
	await moveOn(20);
	await claim(poolAt("newcomer"));
	const leaving = await take();
	void pool.stub.command({ do: "release", id: leaving.vm });
	void pool.stub.command({ do: "adopt", vm: late });
	await moveOn(30);

	// D1 takes nothing more of one pool; the key of another one's secrets is lost.
	await poolAt("sleeper").inside((inside) => {
		const prepare = () => {
			throw new Error("the database is away");
		};
		inside.env = { ...inside.env, DB: { prepare, batch: prepare } } as never;
	});
	await poolAt("sleeper").stub.command({ do: "log", severity: "ERROR", text: "nobody has read this yet" });
	await poolAt("locked").inside((inside) => {
		inside.env = { ...inside.env, ENCRYPTION_KEY: "another-encryption-key-of-the-tests" } as never;
	});
	await order("DELETE", `/v1.1/endpoints/${name}/sessions/${encodeURIComponent("203.0.113.77:7777")}`);
	const marked = { [name]: await agentAt(name, isReady, [silent]), ruled: await agentAt("ruled", isReady, []) };
	for (const [endpoint, agent] of Object.entries(marked))
		await order("POST", `/v1.1/endpoints/${endpoint}/metrics/${agent.address}`, { marked: [3, 1.25] });
	await moveOn(20);
}

async function nothingChanges(): Promise<void> {
	for (const operation of ["restart", "delete", "retag"]) await fault({ operation, times: 1_000_000, status: 503 });
}

/** A registration from an address of which nobody knows yet whether it is the VM's. */
async function claim(pool: PoolUnderTest): Promise<void> {
	const { proxies } = await pool.state();
	const proxy = [...proxies.values()].find(({ phase, address }) => phase.at === "booting" && address === null);
	if (proxy?.phase.at !== "booting")
		throw new Error(`none boots: ${JSON.stringify([...proxies.values()].map((one) => [one.phase, one.address, one.why]))}`);
	const { vm } = proxy.phase;
	const { token } = await agentConfig(vm);
	const answer = await pool.stub.register({
		token,
		key: `${token.split(".").slice(0, 2).join(".")}.${"c".repeat(43)}`,
		address: "203.0.113.9",
	});
	if (!answer.ok) throw new Error(answer.say);
}

/** One pool's creates are on their way when everything is written down. */
async function launch(): Promise<() => Promise<void>> {
	await resetCloud();
	const burst = poolAt("burst");
	await fault({ operation: "create", times: 1_000, delayMs: 8_000 });
	await burst.stub.command({ do: "run", run: "running" });
	// The part of the budget first.
	let passing = Promise.resolve();
	for (let tries = 0; tries < 400; tries++) {
		const { proxies } = await burst.state();
		if ([...proxies.values()].some(({ phase }) => phase.at === "launching" && phase.sentAt !== null)) break;
		passing = Promise.race([
			burst.inside((inside) => inside.alarm()),
			new Promise<void>((resolve) => setTimeout(resolve, 50)),
		]) as Promise<void>;
		await passing;
	}
	return async () => {
		await burst.crash();
	};
}

/** What an agent is told when it reports next. */
async function heartbeat(own: string, address: string): Promise<{ status: number; body: unknown }> {
	const response = await exports.default.fetch(
		new Request("https://muster.test/v1.1/heartbeat", {
			method: "POST",
			headers: { Authorization: `Bearer ${own}`, "Content-Type": "application/json", "CF-Connecting-IP": address },
			body: JSON.stringify({ active: 1, metrics: { requests: 1 }, sessions: ["203.0.113.5:61000"], credentials: 1 }),
		}),
	);
	return answerOf(response);
}

/** Maps as arrays of their entries, everything else as JSON has it. */
function plain(value: unknown): unknown {
	return JSON.parse(JSON.stringify(value, (_key, part: unknown) => (part instanceof Map ? { map: [...part] } : part)));
}

type Rows = Record<string, { readonly sql: string; readonly rows: readonly Record<string, unknown>[] }>;

async function storedRows(pool: PoolUnderTest): Promise<Rows> {
	return pool.inside((_inside, ctx) => {
		const { sql } = ctx.storage;
		const tables = sql
			.exec<{ name: string; sql: string }>("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
			.toArray();
		const own = tables.filter(({ name }) => !name.startsWith("_cf") && !name.startsWith("sqlite_"));
		return Object.fromEntries(
			own.map(({ name, sql: definition }) => [name, { sql: definition, rows: sql.exec(`SELECT * FROM ${name}`).toArray() }]),
		);
	});
}

async function database() {
	const made = await env.DB.prepare("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").all<{
		name: string;
		type: string;
		sql: string;
	}>();
	const own = made.results.filter(({ name }) => !name.startsWith("_cf") && !name.startsWith("sqlite_"));
	const definitions = own.map(({ sql }) => sql);
	const tables: Record<string, readonly unknown[]> = {};
	for (const { name, type } of own) {
		if (type !== "table") continue;
		// Columns that are computed cannot be put back.
		const columns = (await env.DB.prepare(`SELECT name FROM pragma_table_info('${name}')`).all<{ name: string }>()).results.map(
			(column) => column.name,
		);
		tables[name] = (await env.DB.prepare(`SELECT ${columns.join(", ")} FROM ${name}`).all()).results;
	}
	return { definitions, tables };
}

test("records", async ({ task }) => {
	await resetCloud();
	vi.useFakeTimers({ toFake: ["Date"], now: clock });
	await makeAll();
	await liveThrough();
	await spread();
	const crash = await launch();
	const recorded: Record<string, unknown> = {};
	const stores: Record<string, Rows> = {};
	for (const [name, pool] of pools) {
		const rows = await storedRows(pool);
		if (rows.facts === undefined) continue; // it was forgotten
		stores[name] = rows;
	}
	const d1 = await database();
	await crash();
	for (const [name, pool] of pools) {
		if (stores[name] === undefined) continue;
		await pool.crash();
		const state = await pool.state();
		recorded[name] = {
			object: pool.object,
			tables: stores[name],
			// As this revision itself reads it back.
			state: plain(state),
			rpc: {
				status: await pool.stub.status(),
				instances: await pool.stub.instances(),
				metrics: await pool.stub.metrics(),
				sessions: await pool.stub.sessions(),
				configuration: await pool.stub.configuration(),
				metadataKeys: await pool.stub.metadataKeys(),
			},
		};
	}
	forgetEverything();
	forgetKeys();
	const answers: Record<string, unknown> = {};
	for (const path of routesOf(
		Object.keys(stores),
		agents.map(({ address }) => address),
	))
		answers[path] = await ask("GET", path);
	await fault({ provider: "*", operation: "*", times: 1_000_000, status: 503 });
	const told: unknown[] = [];
	for (const { key: own, address } of agents) told.push({ key: own, address, answer: await heartbeat(own, address) });
	const recording = { at: clock, d1, pools: recorded, agents: told, answers };
	(task.meta as Record<string, unknown>).recording = JSON.stringify(recording);
	vi.useRealTimers();
}, 1_200_000);
