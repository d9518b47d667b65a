import { beforeEach, expect, test } from "vitest";
import { ADMIN_KEY, askWith, bodyOf, poolsAnswering, startAfresh } from "./helpers.ts";

beforeEach(startAfresh);

const pool = {
	start: async () => {},
	tick: async () => ({ provider: "static" }) as const,
	status: async () => null,
	reconfigure: async () => ({ ok: true, provider: "static" }) as const,
};
const put = (path: string, configuration: unknown, method = "PUT") =>
	askWith(poolsAnswering(pool), path, {
		method,
		headers: { "X-Auth-Key": ADMIN_KEY, "Content-Type": "application/json" },
		body: JSON.stringify(configuration),
	});

test("a configuration's unknown keys stand in the header Warning, and it is taken nevertheless", async () => {
	const given = {
		endpoint: { weight: 1, colour: "green" },
		scaling: { min_instances: 0, max_instances: 2, max_instance: 3 },
		"cloud:hetzner": { location: "nbg1", regoin: "x" },
		'mü"\ud800': { x: 1 },
	};
	for (const method of ["PUT", "POST"]) {
		const response = await put("/v1.1/endpoints/demo", given, method);
		expect([response.status, await response.text()]).toEqual([200, ""]);
		expect(response.headers.get("Warning")).toBe(
			'299 muster "unknown and of no effect: endpoint.colour, scaling.max_instance, cloud:hetzner.regoin, m%C3%BC%22%EF%BF%BD.x"',
		);
		await startAfresh();
	}
	expect((await put("/v1.1/endpoints/demo", { endpoint: { weight: 1 } })).headers.get("Warning")).toBeNull();
});

test("a manager's too", async () => {
	const response = await put("/v1.1/managers/configs/demo", { manager: { interval: 10, intervall: 5 } }, "POST");
	expect([response.status, response.headers.get("Warning")]).toEqual([200, '299 muster "unknown and of no effect: manager.intervall"']);
});

test("rules without a bound, or with a slip in an agents' metric, are refused with the right form", async () => {
	for (const [rule, why] of [
		["foo", '"foo" has neither'],
		["actve<=4", 'agents report no "actve"; "active" is meant'],
	] as const) {
		const response = await put("/v1.1/endpoints/demo", { scaling: { rules: [rule] } });
		expect([response.status, await bodyOf(response)]).toEqual([
			400,
			{ scaling: { rules: `must have the form "2 <= active < 4", with either end or both: ${why}` } },
		]);
	}
	for (const rule of ["queue<=4", "gpu < 2", "error < 1", "1 <= instances"])
		expect((await put("/v1.1/endpoints/demo", { scaling: { rules: [rule] } }, "POST")).status, rule).toBe(200);
});
