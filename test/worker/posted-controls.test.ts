import { beforeEach, expect, test } from "vitest";
import { ADMIN_KEY, askWith, enter, poolsAnswering, publicationOf, SUMMARY, show, startAfresh } from "./helpers.ts";

beforeEach(startAfresh);

const done = async () => ({ ok: true as const, summary: SUMMARY, addresses: [] });
const pool = { command: done, setMetadata: async () => ({ ok: true as const }) };
const post = (path: string, body: string, contentType = "application/json") =>
	askWith(poolsAnswering(pool), path, { method: "POST", headers: { "X-Auth-Key": ADMIN_KEY, "Content-Type": contentType }, body });
const at = "/v1.1/endpoints/digitalocean-default";

test("control characters are refused in what people post, line breaks too, and nothing else is", async () => {
	await show(publicationOf(await enter()));
	for (const [path, body] of [
		[`${at}/log`, JSON.stringify("a\nforged")],
		[`${at}/log`, JSON.stringify("\u001b[2J")],
		[`${at}/metadata/a%0Ab`, '"x"'],
		[`${at}/instances/a%1Bb`, '""'],
		["/v1.1/endpoints/other", JSON.stringify({ "end\npoint": {} })],
		["/v1.1/endpoints/other", JSON.stringify({ endpoint: { "we\u0000ight": 1 } })],
		["/v1.1/endpoints/other", JSON.stringify({ endpoint: { loadbalancer: "a\u001b" } })],
	] as const) {
		const response = await post(path, body);
		expect(response.status, `${path} ${body}`).toBe(400);
		expect(await response.text()).toContain("control characters");
	}
	for (const [path, body] of [
		[`${at}/log`, JSON.stringify("ünïcode, 😀 and all\n")],
		[`${at}/metadata/owner`, JSON.stringify("a\nb")],
		[`${at}/instances/1234`, '""'],
	] as const)
		expect((await post(path, body)).status, `${path} ${body}`).toBe(200);
});
