import { describe, expect, test } from "vitest";
import { z } from "zod";
import { faultIn, json } from "../../../src/providers/base/http.ts";
import { bearer, numbered, Rest, type RestApi, withQuery } from "../../../src/providers/base/rest.ts";
import { answer, failureOf, scripted } from "./scripted.ts";

const Thing = z.object({ id: z.number() });
const Next = z.object({ next: z.number().nullish() });

const api = (more: Partial<RestApi> = {}): RestApi => ({
	provider: "Cloud",
	baseUrl: "https://cloud.example/v2",
	access: bearer("tok-en"),
	fault: faultIn(z.object({ code: z.string(), message: z.string() }), ({ code, message }) => ({
		message: message,
		kind: code === "full" ? "capacity" : null,
	})),
	pages: { ...numbered(2), next: ({ body }) => Next.parse(body).next ?? null },
	...more,
});

function world(script: Parameters<typeof scripted>[0], more: Partial<RestApi> = {}) {
	const { calls, context } = scripted(script);
	return { calls, rest: new Rest(context(), api(more)) };
}

describe("a call", () => {
	test("goes to the base with what proves who asks, and gives what is read of the answer", async () => {
		const { calls, rest } = world({ "POST /v2/things": () => answer(201, { id: 7 }) });
		const headers = { "x-extra": "1" };
		expect(await rest.call("POST", "/things", json(Thing), { body: { name: "a" }, headers })).toEqual({ id: 7 });
		expect(calls[0]?.body).toEqual({ name: "a" });
		expect(Object.fromEntries(calls[0]?.headers ?? [])).toMatchObject({ authorization: "Bearer tok-en", "x-extra": "1" });
	});

	test("fails as the cloud says, as its status says where the body says nothing, and never with the token", async () => {
		const { rest } = world({
			"GET /v2/full": () => answer(400, { code: "full", message: "no room for tok-en" }),
			"GET /v2/gone": () => new Response("<html>", { status: 404 }),
		});
		expect(await failureOf(rest.call("GET", "/full", json(Thing)))).toEqual({
			kind: "capacity",
			message: "Cloud: no room for *** (HTTP 400)",
		});
		expect(await failureOf(rest.call("GET", "/gone", json(Thing)))).toEqual({ kind: "notFound", message: "Cloud: HTTP 404" });
	});
});

describe("a list", () => {
	test("is read page by page, its query before the pages'", async () => {
		const { calls, rest } = world({
			"GET /v2/things?tag=a&per_page=2&page=1": () => answer(200, { things: [{ id: 1 }, { id: 2 }], next: 2 }),
			"GET /v2/things?tag=a&per_page=2&page=2": () => answer(200, { things: [{ id: 3 }] }),
		});
		expect(await rest.all("/things?tag=a", "things", Thing)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
		expect(calls).toHaveLength(2);
	});

	test("tells what it has read so far to a cloud that states the total only", async () => {
		const seen: unknown[] = [];
		const { rest } = world(
			{
				"GET /v2/things?per_page=2&page=1": () => answer(200, { things: [{ id: 1 }, { id: 2 }] }, { "x-total": "3" }),
				"GET /v2/things?per_page=2&page=2": () => answer(200, { things: [{ id: 3 }] }, { "x-total": "3" }),
			},
			{
				pages: {
					...numbered(2),
					next: ({ headers, cursor, count, soFar }) => {
						seen.push([cursor, count, soFar]);
						return soFar < Number(headers.get("x-total")) ? Number(cursor) + 1 : null;
					},
				},
			},
		);
		expect(await rest.all("/things", "things", Thing)).toHaveLength(3);
		expect(seen).toEqual([
			[1, 2, 2],
			[2, 1, 3],
		]);
	});

	test("is an error rather than a part, whatever goes wrong with a page", async () => {
		const first = () => answer(200, { things: [{ id: 1 }], next: 2 });
		for (const second of [
			() => answer(500, {}),
			() => answer(200, { things: [{ id: "three" }] }),
			() => answer(200, { next: null }),
			() => answer(200, { things: [], next: "three" }),
		]) {
			const { rest } = world({ "GET /v2/things?per_page=2&page=1": first, "GET /v2/things?per_page=2&page=2": second });
			expect((await failureOf(rest.all("/things", "things", Thing))).kind).toBe("transient");
		}
	});

	test("that leads back to a page, or never ends, is an error", async () => {
		const back = world({ "GET /v2/things": () => answer(200, { things: [], next: 1 }) });
		expect((await failureOf(back.rest.all("/things?a=1", "things", Thing))).message).toBe(
			"Cloud: the pages of /things do not come to an end",
		);
		expect(back.calls).toHaveLength(1);
		let page = 1;
		const endless = world({ "GET /v2/things": () => answer(200, { things: [], next: ++page }) });
		expect((await failureOf(endless.rest.all("/things", "things", Thing))).kind).toBe("transient");
		expect(endless.calls).toHaveLength(100);
	});

	test("may be left out of an answer where the cloud does so, and only there", async () => {
		const script = { "GET /v2/things": () => answer(200, {}) };
		expect(await world(script, { pages: { ...api().pages, omitsEmpty: true } }).rest.all("/things", "things", Thing)).toEqual([]);
		expect((await failureOf(world(script).rest.all("/things", "things", Thing))).kind).toBe("transient");
	});
});

test("a query is begun or gone on with", () => {
	expect([withQuery("/a", "b=1"), withQuery("/a?b=1", "c=2")]).toEqual(["/a?b=1", "/a?b=1&c=2"]);
});
