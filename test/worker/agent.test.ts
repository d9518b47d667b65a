import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { AgentAnswer } from "../../src/rpc/pool.ts";
import { askPlainly, askWith, bodyOf, failing, poolsAnswering, startAfresh } from "./helpers.ts";

const SECRET = "s".repeat(43);
const OBJECT = env.POOL.newUniqueId().toString();
const TOKEN = `${OBJECT}.abcdefgh.${SECRET}`;
const FOREIGN = `${"0".repeat(64)}.abcdefgh.${SECRET}`;
const DIRECTIVES = {
	interval: 30,
	drain: false,
	grace: 0,
	drop: [],
	url: "https://muster.test",
	credentials: null,
	allow: [],
	address: null,
};
const OK: AgentAnswer = { ok: true, directives: DIRECTIVES };
const REGISTER = { key: TOKEN, agent: "1" };
const HEARTBEAT = { active: 3, metrics: { requests: 1.5 }, sessions: ["192.0.2.9:4000"], credentials: 1 };

const post = (body: unknown, bearer: string | null = TOKEN, headers: Record<string, string> = {}): RequestInit => ({
	method: "POST",
	body: typeof body === "string" ? body : JSON.stringify(body),
	headers: { ...(bearer === null ? {} : { Authorization: `Bearer ${bearer}` }), "CF-Connecting-IP": "192.0.2.1", ...headers },
});

beforeEach(startAfresh);

describe("an agent", () => {
	test("registers under both names with its token, key and the address that the platform saw, and is told what to do", async () => {
		for (const path of ["/v1.1/register", "/register"]) {
			const register = vi.fn(async () => OK);
			const response = await askWith(
				poolsAnswering({ register }),
				path,
				post(REGISTER, TOKEN, { "X-Forwarded-For": "192.0.2.66", "X-Real-IP": "192.0.2.66" }),
			);
			expect([response.status, await bodyOf(response)]).toEqual([200, DIRECTIVES]);
			expect(register.mock.calls).toEqual([[{ token: TOKEN, key: TOKEN, address: "192.0.2.1", agent: "1" }]]);
		}
	});

	test("reports, and leaves, with its key", async () => {
		const heartbeat = vi.fn(async () => OK);
		const unregister = vi.fn(async () => OK);
		const pools = poolsAnswering({ heartbeat, unregister });
		expect(await bodyOf(await askWith(pools, "/v1.1/heartbeat", post(HEARTBEAT)))).toEqual(DIRECTIVES);
		expect(heartbeat.mock.calls).toEqual([[{ key: TOKEN, address: "192.0.2.1", body: HEARTBEAT }]]);
		for (const path of ["/v1.1/unregister", "/unregister"]) expect((await askWith(pools, path, post(""))).status).toBe(200);
		expect(unregister.mock.calls).toEqual(Array(2).fill([{ key: TOKEN, address: "192.0.2.1" }]));
	});

	test("needs neither D1 nor an admin key, and is served by a closed deployment", async () => {
		const heartbeat = async () => OK;
		const settings = { ...poolsAnswering({ heartbeat }), DB: failing(), AUTH_KEY: undefined };
		expect((await askWith(settings, "/v1.1/heartbeat", post(HEARTBEAT))).status).toBe(200);
	});

	test("may report a thousand sessions, and not much more", async () => {
		const pools = poolsAnswering({ heartbeat: async () => OK });
		const sessions = (count: number) => ({ ...HEARTBEAT, sessions: Array(count).fill(`[2001:db8:1234:5678:9abc:def0:1234:5678]:65535`) });
		expect((await askWith(pools, "/v1.1/heartbeat", post(sessions(1_000)))).status).toBe(200);
		expect((await askWith(pools, "/v1.1/heartbeat", post(sessions(1_001)))).status).toBe(400);
		expect((await askWith(pools, "/v1.1/heartbeat", post("x".repeat(256 * 1024 + 1)))).status).toBe(413);
	});

	test("opens its line where it may: with an upgrade, its own key, and lines that are not switched off", async () => {
		const open = (settings: object, bearer: string, headers = {}) =>
			askWith({ ...poolsAnswering({}), ...settings }, "/v1.1/agent", { headers: { Authorization: `Bearer ${bearer}`, ...headers } });
		const plain = await open({}, TOKEN);
		expect([plain.status, plain.headers.get("Upgrade")]).toEqual([426, "websocket"]);
		expect((await open({}, FOREIGN, { Upgrade: "websocket" })).status).toBe(401);
		expect((await open({ AGENT_LINE: "False" }, TOKEN, { Upgrade: "websocket" })).status).toBe(404);
	});

	test("whom its pool refuses gets 401", async () => {
		const refused: AgentAnswer = { ok: false, message: "the boot token was used with another key" };
		const pools = poolsAnswering({ register: async () => refused, heartbeat: async () => refused, unregister: async () => refused });
		for (const [path, body] of [
			["/v1.1/register", REGISTER],
			["/v1.1/heartbeat", HEARTBEAT],
			["/v1.1/unregister", ""],
		] as const) {
			const response = await askWith(pools, path, post(body));
			expect([response.status, await response.text()], path).toEqual([401, "unauthorized"]);
		}
		expect(await bodyOf(await askWith(pools, "/register", post(REGISTER)))).toMatchObject({
			error: "Unauthorized",
			detail: "Refused: the boot token was used with another key.",
		});
	});

	test("is told to come back when its pool does not answer", async () => {
		const heartbeat = async () => {
			throw new Error("reset");
		};
		const response = await askWith(poolsAnswering({ heartbeat }), "/v1.1/heartbeat", post(HEARTBEAT));
		expect([response.status, response.headers.get("Retry-After")]).toEqual([503, "5"]);
	});
});

describe("nobody's token", () => {
	test("is refused without any object being called", async () => {
		const called = vi.fn(async () => OK);
		const pools = poolsAnswering({ register: called, heartbeat: called, unregister: called });
		for (const bearer of [FOREIGN, "nonsense", `${OBJECT}.abcdefgh.short`, `${OBJECT.toUpperCase()}.abcdefgh.${SECRET}`]) {
			for (const path of ["/register", "/unregister", "/v1.1/register", "/v1.1/unregister", "/v1.1/heartbeat"])
				expect((await askWith(pools, path, post(REGISTER, bearer))).status, `${path} ${bearer.slice(0, 8)}`).toBe(401);
		}
		expect(called).not.toHaveBeenCalled();
	});

	test("an object of ours that never was a pool refuses it", async () => {
		expect((await askPlainly("/v1.1/register", post(REGISTER))).status).toBe(401);
		expect((await askPlainly("/v1.1/heartbeat", post(HEARTBEAT))).status).toBe(401);
	});

	test("without one, register and unregister answer 200, empty, whatever is sent, and change nothing", async () => {
		const called = vi.fn(async () => OK);
		const pools = poolsAnswering({ register: called, unregister: called });
		for (const path of ["/register", "/unregister", "/v1.1/register", "/v1.1/unregister"])
			for (const body of ["", "{}", "nonsense"]) {
				const response = await askWith(pools, path, post(body, null));
				expect([response.status, await response.text()], `${path} ${body}`).toEqual([200, ""]);
			}
		expect(called).not.toHaveBeenCalled();
		expect((await askPlainly("/v1.1/heartbeat", post(HEARTBEAT, null))).status, "a heartbeat is an agent's alone").toBe(401);
	});
});

describe("bad input from an agent", () => {
	const cases: readonly [path: string, body: unknown, status: number, answer: unknown][] = [
		["/v1.1/register", "{", 400, "The body is not JSON."],
		["/v1.1/register", {}, 400, { body: { key: expect.any(String), agent: expect.any(String) } }],
		["/v1.1/register", { ...REGISTER, key: "x".repeat(201) }, 400, { body: { key: expect.any(String) } }],
		["/v1.1/register", { ...REGISTER, extra: 1 }, 400, { body: expect.any(Object) }],
		["/v1.1/register", "x".repeat(65 * 1024), 413, "The request's body is larger than 64 KiB."],
		["/v1.1/heartbeat", "", 400, expect.any(Object)],
		["/v1.1/heartbeat", [], 400, expect.any(Object)],
		["/v1.1/heartbeat", { ...HEARTBEAT, active: -1 }, 400, { body: { active: expect.any(String) } }],
		["/v1.1/heartbeat", { ...HEARTBEAT, active: 1e12 }, 400, { body: { active: expect.any(String) } }],
		["/v1.1/heartbeat", { ...HEARTBEAT, metrics: { cpu: "high" } }, 400, { body: { "metrics.cpu": expect.any(String) } }],
		["/v1.1/heartbeat", { ...HEARTBEAT, sessions: [1] }, 400, { body: { "sessions.0": expect.any(String) } }],
		["/register", "{", 400, { error: "BadRequest", detail: "The body is not JSON." }],
		["/register", {}, 422, { error: "ValidationError" }],
	];
	for (const [path, body, status, answer] of cases)
		test(`${path} ${JSON.stringify(body).slice(0, 70)}: ${status}`, async () => {
			const response = await askPlainly(path, post(body));
			expect(response.status).toBe(status);
			const text = await response.text();
			if (typeof answer === "string") expect(text).toBe(answer);
			else expect(JSON.parse(text)).toMatchObject(answer as object);
		});
});
