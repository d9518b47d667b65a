import { exports } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forgetKeys } from "../../../src/http/base/auth.ts";
import { forgetEverything } from "../../../src/read-model/ready.ts";
import { bindings, resetCloud } from "./harness.ts";

/*
 * What Reactor's command-line client sends for its commands (reactor/apiclient.py of https://github.com/gridcentric/reactor-core): a body
 * that is not empty as JSON, whatever it is, so that INI text arrives within a JSON string; an empty one as nothing; a content type
 * that says JSON in later versions, and none in earlier ones. Every status but 200 ends it with an error.
 */

const KEY = "a password";
const INI = `# from a file
[endpoint]
auth_hash =
static_instances = 192.0.2.10, 192.0.2.11:3128

[scaling]
min_instances: 1
max_instances = 4
rules = 2<=active<4,
	cpu < 0.8
`;

beforeAll(async () => {
	await resetCloud();
	forgetKeys();
	await bindings.DB.prepare("DELETE FROM names").run();
	await bindings.DB.prepare("UPDATE pools SET removed_at = 1").run();
	await client("application/json")("POST", "/v1.1/auth_key", { auth_key: KEY });
});
afterAll(async () => {
	await client("application/json")("POST", "/v1.1/auth_key", { auth_key: null });
	forgetKeys();
	forgetEverything();
});

/** As the client asks: the parsed answer, or its text where it is no JSON. Throws what the client does where the status is not 200. */
function client(type: string | null) {
	return async (method: string, path: string, body?: unknown): Promise<unknown> => {
		const headers = {
			Accept: "application/json",
			"X-Auth-Key": KEY,
			"Accept-Encoding": "gzip, deflate",
			...(type && { "Content-Type": type }),
		};
		const isSent = body !== undefined && body !== "" && body !== null;
		// As bytes: text would get a content type of its own.
		const init = { method, headers, ...(isSent ? { body: new TextEncoder().encode(JSON.stringify(body)) } : {}) };
		const response = await exports.default.fetch(new Request(`https://muster.test${path}`, init));
		const text = await response.text();
		if (response.status !== 200) throw new Error(`Error (status=${response.status}): ${text}`);
		try {
			return JSON.parse(text);
		} catch {
			return text;
		}
	};
}

for (const [version, type] of [
	["a later", "application/json"],
	["an earlier", null],
] as const)
	describe(`${version} version of Reactor's client`, () => {
		const ask = client(type);
		const name = type === null ? "early" : "late";
		const at = `/v1.1/endpoints/${name}`;

		test("version, url and list", async () => {
			expect(await ask("GET", "/")).toMatchObject({ version: "1.1" });
			expect(await ask("GET", "/v1.1/url")).toEqual({ url: "https://muster.test" });
			await ask("POST", "/v1.1/url", { url: "https://muster.test" });
			expect(await ask("GET", "/v1.1/endpoints")).toEqual([]);
		});

		test("create, show, set and update", async () => {
			expect(await ask("PUT", at, INI)).toBe("");
			await expect(async () => ask("PUT", at, INI)).rejects.toThrow("status=409");
			const shown = (await ask("GET", at)) as Record<string, Record<string, unknown>>;
			expect(shown).toMatchObject({ scaling: { min_instances: "1", max_instances: "4" } });
			expect(await ask("POST", at, { ...shown, scaling: { ...shown.scaling, max_instances: "5" } })).toBe("");
			expect(await ask("GET", at)).toMatchObject({ scaling: { max_instances: "5" } });
			expect(await ask("POST", at, INI)).toBe("");
			expect(await ask("GET", at)).toEqual(shown);
			await expect(async () => ask("POST", at, INI.replace("max_instances = 4", "max_instances = 0"))).rejects.toThrow(
				/status=400.*"scaling":\{.*"max_instances":/,
			);
		});

		test("create from an empty file, and remove", async () => {
			expect(await ask("PUT", `${at}-empty`, "")).toBe("");
			expect(await ask("GET", `${at}-empty`)).toEqual({});
			expect(await ask("DELETE", `${at}-empty`)).toBe("");
		});

		test("rename: an alias, then the old name goes", async () => {
			expect(await ask("POST", `${at}/alias`, `${name}-renamed`)).toBe("");
			expect(await ask("DELETE", at)).toBe("");
			expect(await ask("GET", "/v1.1/endpoints")).toEqual([`${name}-renamed`]);
			expect(await ask("POST", `${at}-renamed/alias`, name)).toBe("");
			expect(await ask("DELETE", `${at}-renamed`)).toBe("");
		});

		test("start, pause, stop and state", async () => {
			for (const [action, state] of [
				["start", "RUNNING"],
				["pause", "PAUSED"],
				["stop", "STOPPED"],
			]) {
				expect(await ask("POST", `${at}/state`, { action })).toBe("");
				expect(await ask("GET", `${at}/state`)).toMatchObject({ state, active: [] });
			}
		});

		test("set-metrics and get-metrics", async () => {
			expect(await ask("POST", `${at}/metrics`, { queue: [2, 7.5], depth: 3 })).toBe("");
			expect(await ask("GET", `${at}/metrics`)).toEqual({ queue: 7.5, depth: 3 });
		});

		test("post, log and watch", async () => {
			expect(await ask("POST", `${at}/log`, "the first")).toBe("");
			expect(await ask("POST", `${at}/log?level=ERROR`, "the second")).toBe("");
			const entries = (await ask("GET", `${at}/log?since=${(0).toFixed(6)}`)) as [number, string, string][];
			expect(entries.slice(-2).map(([, ...rest]) => rest)).toEqual([
				["INFO", "the first"],
				["ERROR", "the second"],
			]);
			expect(await ask("GET", `${at}/log?since=${entries.at(-1)?.[0].toFixed(6)}`)).toEqual([]);
		});

		test("metadata-set, -get, -list and -delete", async () => {
			expect(await ask("POST", `${at}/metadata/owner`, "somebody")).toBe("");
			expect(await ask("GET", `${at}/metadata/owner`)).toBe("somebody");
			expect(await ask("GET", `${at}/metadata`)).toEqual(["owner"]);
			expect(await ask("DELETE", `${at}/metadata/owner`)).toBe("");
			expect(await ask("GET", `${at}/metadata/owner`)).toBeNull();
		});

		test("register, drop, ips, instances, sessions and kill", async () => {
			for (const path of ["/v1.1/register", "/v1.1/register/192.0.2.99", "/v1.1/unregister", "/v1.1/unregister/192.0.2.99"])
				expect(await ask("POST", path)).toBe("");
			expect(await ask("GET", `${at}/ips`)).toEqual([]);
			expect(await ask("GET", `${at}/instances?state=all`)).toEqual({ active: [], decommissioned: [], errored: [], discarded: [] });
			expect(await ask("GET", `${at}/sessions`)).toEqual({});
			expect(await ask("DELETE", `${at}/sessions/198.51.100.7:50123`)).toBe("");
		});

		test("the managers' commands", async () => {
			expect(await ask("POST", `/v1.1/managers/configs/${name}`, "[manager]\ninterval = 7\n")).toBe("");
			expect(await ask("GET", "/v1.1/managers/configs")).toEqual([name]);
			expect(await ask("GET", `/v1.1/managers/configs/${name}`)).toEqual({ manager: { interval: "7" } });
			expect(await ask("DELETE", `/v1.1/managers/configs/${name}`)).toBe("");
			const [uuid] = (await ask("GET", "/v1.1/managers/active")) as string[];
			expect(await ask("GET", `/v1.1/managers/active/${uuid}`)).toMatchObject({ name });
			expect(await ask("GET", `/v1.1/managers/log/${name}?since=0.000000`)).toEqual(expect.any(Array));
		});

		test("remove", async () => {
			expect(await ask("DELETE", at)).toBe("");
			expect(await ask("GET", "/v1.1/endpoints")).toEqual([]);
		});
	});
