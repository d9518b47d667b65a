import { beforeEach, describe, expect, test } from "vitest";
import { agentConfig, fault, PoolUnderTest, resetCloud, setAgent, sha256 } from "./harness.ts";

beforeEach(resetCloud);

const SECRET = "s".repeat(43);

/** A pool whose one VM exists and has not registered. */
async function booting(): Promise<{ pool: PoolUnderTest; token: string; key: string; address: string; vm: string }> {
	const pool = await new PoolUnderTest().start();
	await pool.until(async () => (await pool.vms())[0]?.ip !== undefined && (await pool.vms())[0]?.ip !== null, "a VM with an address");
	const [vm] = await pool.vms();
	const { token } = await agentConfig(vm?.id ?? "");
	const key = `${token.split(".").slice(0, 2).join(".")}.${SECRET}`;
	return { pool, token, key, address: vm?.ip ?? "", vm: vm?.id ?? "" };
}

async function knowsAddress(pool: PoolUnderTest): Promise<void> {
	await pool.setClock(Date.now());
	await pool.advance(60, 30);
	expect([...(await pool.state()).proxies.values()][0]?.address).not.toBeNull();
}

const other = (bearer: string, letter: string) => `${bearer.split(".").slice(0, 2).join(".")}.${letter.repeat(43)}`;

describe("a registration", () => {
	test("that comes before the address is known is believed once the inventory shows that address", async () => {
		const { pool, token, key, address } = await booting();
		expect((await pool.stub.register({ token, key, address })).ok).toBe(true);
		await setAgent(address, { keyHash: sha256(key) });
		await pool.until((state) => [...state.proxies.values()][0]?.phase.at === "ready", "ready");
	});

	test("that comes early from elsewhere is refuted by the inventory, and the VM's own is accepted then", async () => {
		const { pool, token, key, address } = await booting();
		expect((await pool.stub.register({ token, key: other(key, "x"), address: "203.0.113.9" })).ok).toBe(true);
		await knowsAddress(pool);
		expect([...(await pool.state()).proxies.values()][0]?.registered).toBe(false);
		expect((await pool.stub.register({ token, key, address })).ok).toBe(true);
		expect([...(await pool.state()).proxies.values()][0]?.registered).toBe(true);
	});

	test("says which version the agent is, which a restarted agent may say anew", async () => {
		const { pool, token, key, address } = await booting();
		await pool.stub.register({ token, key, address, agent: "1.1.0" });
		const agentOf = async () => Object.values((await pool.stub.details())?.proxies ?? {}).map(({ agent }) => agent);
		expect(await agentOf()).toEqual(["1.1.0"]);
		await knowsAddress(pool);
		await pool.stub.register({ token, key, address, agent: "1.2.0" });
		expect(await agentOf()).toEqual(["1.2.0"]);
		await pool.stub.register({ token, key, address });
		expect(await agentOf()).toEqual(["1.2.0"]);
	});

	test("whose answer was lost gets the same answer again", async () => {
		const { pool, token, key, address } = await booting();
		await knowsAddress(pool);
		const first = await pool.stub.register({ token, key, address });
		expect(await pool.stub.register({ token, key, address })).toEqual(first);
		expect(first.ok).toBe(true);
	});

	test("with a used token and another key, from another address, or with a forged token is refused and changes nothing", async () => {
		const { pool, token, key, address } = await booting();
		await knowsAddress(pool);
		await pool.stub.register({ token, key, address });
		const before = await pool.state();
		for (const attempt of [
			{ token, key: other(key, "x"), address },
			{ token, key: other(key, "x"), address: "203.0.113.9" },
			{ token: other(token, "y"), key, address },
			{ token: "nonsense", key, address },
			{ token, key: "nonsense", address },
		]) {
			expect((await pool.stub.register(attempt)).ok).toBe(false);
		}
		expect((await pool.state()).proxies).toEqual(before.proxies);
	});

	test("with a token that nobody used within the boot limit is refused", async () => {
		const { pool, token, key, address } = await booting();
		await knowsAddress(pool);
		await pool.setClock(Date.now() + 601_000);
		expect(await pool.stub.register({ token, key, address })).toMatchObject({ ok: false, message: expect.stringContaining("expired") });
	});

	test("of a VM that was deleted is refused", async () => {
		const { pool, token, key, address } = await booting();
		await knowsAddress(pool);
		await pool.stub.register({ token, key, address });
		const [id] = (await pool.state()).proxies.keys();
		await pool.stub.command({ do: "destroy", id: id ?? "" });
		expect((await pool.stub.register({ token, key, address })).ok).toBe(false);
		expect((await pool.stub.heartbeat({ key, address, body: { active: 0, metrics: {}, sessions: [], credentials: 1 } })).ok).toBe(false);
	});
});

describe("a heartbeat", () => {
	test("with the VM's key carries directives back and costs no row; with any other it is refused", async () => {
		const { pool, token, key, address } = await booting();
		await knowsAddress(pool);
		await pool.stub.register({ token, key, address });
		const body = { active: 3, metrics: { requests: 1.5 }, sessions: [], credentials: 1 };
		const answer = await pool.stub.heartbeat({ key, address, body });
		expect(answer).toEqual({
			ok: true,
			directives: {
				interval: 30,
				drain: false,
				grace: 0,
				drop: [],
				url: "https://muster.test",
				credentials: { version: 1, username: "user", password: "pass" },
				allow: [],
				address,
			},
		});
		expect((await pool.stub.heartbeat({ key: other(key, "z"), address, body })).ok).toBe(false);
		const { proxies, vitals } = await pool.state();
		expect(vitals.get([...proxies.keys()][0] ?? "")).toMatchObject({ active: 3, metrics: { requests: 1.5 } });
	});

	test("comes less often where the deployment is large: half of the plan's daily requests are enough for all", async () => {
		const { pool, token, key, address } = await booting();
		await knowsAddress(pool);
		await pool.stub.register({ token, key, address });
		await pool.stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: 50 });
		const answer = await pool.stub.heartbeat({ key, address, body: { active: 0, metrics: {}, sessions: [], credentials: 1 } });
		// 50 agents in 86,400 s may make 50,000 calls.
		expect(answer).toMatchObject({ ok: true, directives: { interval: 87 } });
	});

	test("of a draining proxy is told to drain", async () => {
		const pool = await new PoolUnderTest().start();
		await pool.untilReady(1);
		const [key] = pool.keys.values();
		const [vm] = await pool.vms();
		await setAgent(vm?.ip ?? "", { keyHash: sha256(key ?? ""), active: 1 });
		await pool.stub.command({ do: "run", run: "stopped" });
		await pool.until((state) => [...state.proxies.values()][0]?.phase.at === "draining", "draining");
		const answer = await pool.stub.heartbeat({
			key: key ?? "",
			address: "",
			body: { active: 1, metrics: {}, sessions: [], credentials: 1 },
		});
		expect(answer).toMatchObject({ ok: true, directives: { drain: true } });
	});
});

describe("a restart", () => {
	test("power-cycles the VM, hides the proxy, and brings it back with the key that it had", async () => {
		const pool = await new PoolUnderTest().start();
		const before = await pool.untilReady(1);
		const [proxy] = before.proxies.values();
		const [vm] = await pool.vms();
		const key = pool.keys.get(vm?.id ?? "") ?? "";
		await pool.stub.command({ do: "restart", id: proxy?.id ?? "" });
		await pool.until((state) => [...state.proxies.values()][0]?.phase.at === "unready", "restarted");
		expect(await pool.calls("POST", /\/actions$/)).toBe(1);
		// The old agent still answers probes: only the restarted one's registration counts.
		await pool.settle();
		expect([...(await pool.state()).proxies.values()][0]?.phase.at).toBe("unready");
		const { token } = await agentConfig(vm?.id ?? "");
		expect((await pool.stub.register({ token, key, address: vm?.ip ?? "" })).ok).toBe(true);
		await pool.until((state) => [...state.proxies.values()][0]?.phase.at === "ready", "ready again");
		expect(await pool.vms()).toHaveLength(1);
	});

	test("that the provider refuses for a while is asked for again", async () => {
		const pool = await new PoolUnderTest().start();
		const [id] = (await pool.untilReady(1)).proxies.keys();
		await fault({ operation: "restart", times: 1, status: 503 });
		await pool.stub.command({ do: "restart", id: id ?? "" });
		await pool.advance(60, 5);
		expect([...(await pool.state()).proxies.values()][0]?.phase.at).toBe("unready");
	});
});
