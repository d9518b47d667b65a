import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { Failure } from "../../../src/core/model/failure.ts";
import type { Rate } from "../../../src/core/model/state.ts";
import { type HttpRequest, ignored, json, request } from "../../../src/providers/base/http.ts";
import { ProviderError } from "../../../src/providers/base/provider.ts";
import { contextOf } from "./fake-digitalocean.ts";

const NOW = 1_700_000_000_000;
const TOKEN = "tok/en+secret";
const ask = (more: Partial<HttpRequest<unknown>> = {}): HttpRequest<unknown> => ({
	provider: "Cloud",
	baseUrl: "https://cloud.example/front",
	path: "/v2/things?page=1",
	method: "GET",
	headers: { authorization: `Bearer ${TOKEN}` },
	read: json(z.object({ ok: z.boolean() })),
	secrets: [TOKEN],
	fault: ({ text }) => ({ message: text, kind: null }),
	...more,
});
const via = (respond: () => Response | Promise<Response>) => contextOf({ fetch: (async () => respond()) as typeof fetch });

async function failureOf(context: ReturnType<typeof via>, wanted: HttpRequest<unknown>): Promise<Failure> {
	try {
		await request(context, wanted);
	} catch (error) {
		if (error instanceof ProviderError) return error.failure;
		throw error;
	}
	throw new Error("the call did not fail");
}

afterEach(() => vi.useRealTimers());

describe("request", () => {
	it("gives what the answer holds, and calls base and path with the body as JSON", async () => {
		const seen: { url?: string; init?: RequestInit | undefined } = {};
		const fetchThat = (async (url: string, init: RequestInit) => {
			Object.assign(seen, { url, init });
			return Response.json({ ok: true });
		}) as typeof fetch;
		expect(await request(contextOf({ fetch: fetchThat }), ask({ method: "POST", body: { a: 1 } }))).toEqual({ ok: true });
		expect(seen.url).toBe("https://cloud.example/front/v2/things?page=1");
		expect(seen.init).toMatchObject({ method: "POST", body: '{"a":1}', redirect: "manual" });
		expect(new Headers(seen.init?.headers).get("content-type")).toBe("application/json");
	});

	it("calls fetch as a bare function, as the platform demands", async () => {
		let receiver: unknown = "never called";
		const fetchThat = async function (this: unknown) {
			receiver = this;
			return Response.json({ ok: true });
		} as typeof fetch;
		await request(contextOf({ fetch: fetchThat }), ask());
		expect(receiver).toBeUndefined();
	});

	const lost: [string, () => Response | Promise<Response>][] = [
		["a dropped connection", () => Promise.reject(new TypeError("network connection lost"))],
		["a 500", () => new Response("oops", { status: 500 })],
		["a 504", () => new Response("", { status: 504 })],
		["a 408", () => new Response("", { status: 408 })],
		["a 2xx that is no JSON", () => new Response("<html>")],
		["a 2xx that is empty", () => new Response("")],
		["a 2xx of another shape", () => Response.json({ ok: "perhaps" })],
		["a body that breaks off", () => new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("cut")) }))],
	];
	it.each(lost)("cannot tell whether a change was made after %s", async (_, respond) => {
		expect((await failureOf(via(respond), ask({ method: "POST" }))).kind).toBe("unknown");
		expect((await failureOf(via(respond), ask({ method: "DELETE" }))).kind).toBe("unknown");
	});
	it.each(lost)("may simply read again after %s", async (_, respond) => {
		expect((await failureOf(via(respond), ask())).kind).toBe("transient");
		expect((await failureOf(via(respond), ask({ method: "POST", reads: true }))).kind).toBe("transient");
	});

	it.each([
		[400, "invalid"],
		[401, "auth"],
		[403, "auth"],
		[404, "notFound"],
		[409, "conflict"],
		[422, "invalid"],
		[429, "rate"],
		[302, "invalid"],
	])("takes a %i for %s, for a change too", async (status, kind) => {
		const respond = () => new Response("why", { status, headers: status === 302 ? { location: "https://elsewhere.example/" } : {} });
		expect((await failureOf(via(respond), ask({ method: "POST" }))).kind).toBe(kind);
		expect((await failureOf(via(respond), ask())).kind).toBe(kind);
	});

	it("says where an answer is not of the shape that was read, and not what stands there", async () => {
		const read = json(z.object({ servers: z.array(z.object({ status: z.string() })) }));
		const answer = () => Response.json({ servers: [{ status: "on" }, { status: 1234 }] });
		await expect(request(via(answer), ask({ read }))).rejects.toThrow(
			/^Cloud: HTTP 200 with a body that cannot be read; servers\.1\.status: invalid_type$/,
		);
	});

	it("leaves no timer behind", async () => {
		vi.useFakeTimers();
		await request(
			via(() => Response.json({ ok: true })),
			ask(),
		);
		await failureOf(
			via(() => new Response("", { status: 404 })),
			ask(),
		);
		expect(vi.getTimerCount()).toBe(0);
	});

	it("needs no body where the status says all", async () => {
		const never = new ReadableStream({ pull: () => new Promise<void>(() => undefined) });
		expect(
			await request(
				via(() => new Response(never)),
				ask({ method: "DELETE", read: ignored }),
			),
		).toBeUndefined();
		expect(
			await request(
				via(() => new Response(null, { status: 204 })),
				ask({ method: "DELETE", read: ignored }),
			),
		).toBeUndefined();
	});

	it.each([
		["GET", 10_000, "transient"],
		["POST", 30_000, "unknown"],
	] as const)("gives up a %s after %i ms, whether the head or the body is late", async (method, deadlineMs, kind) => {
		vi.useFakeTimers();
		const lateHead = (_: string, init: RequestInit) =>
			new Promise<Response>((_resolve, reject) => init.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
		const lateBody = async () => new Response(new ReadableStream({ pull: () => new Promise<void>(() => undefined) }));
		for (const late of [lateHead, lateBody]) {
			let settled = false;
			const failure = failureOf(contextOf({ fetch: late as typeof fetch }), ask({ method })).finally(() => {
				settled = true;
			});
			await vi.advanceTimersByTimeAsync(deadlineMs - 1);
			expect(settled).toBe(false);
			await vi.advanceTimersByTimeAsync(1);
			expect(await failure).toMatchObject({ kind, message: `Cloud: no answer within ${deadlineMs / 1000} s` });
		}
		expect(vi.getTimerCount()).toBe(0);
	});

	it("reads no more than 8 MB", async () => {
		let pulled = 0;
		const endless = new ReadableStream({
			pull: (controller) => {
				pulled++;
				controller.enqueue(new Uint8Array(1024 * 1024));
			},
		});
		expect(
			(
				await failureOf(
					via(() => new Response(endless)),
					ask(),
				)
			).message,
		).toContain("more than 8388608 bytes");
		expect(pulled).toBeLessThan(12);
	});

	it("counts each call before it goes out, and makes none when there is none left", async () => {
		let calls = 0;
		const none = () => {
			throw new ProviderError({ kind: "transient", message: "no call left" });
		};
		const fetchThat = (async () => {
			calls++;
			return Response.json({ ok: true });
		}) as typeof fetch;
		await expect(request(contextOf({ fetch: fetchThat }, { countCall: none }), ask())).rejects.toThrow("no call left");
		expect(calls).toBe(0);
	});

	it("refuses to send what HTTP cannot carry, and does not quote it", async () => {
		let calls = 0;
		const respond = () => {
			calls++;
			return Response.json({ ok: true });
		};
		const failure = await failureOf(via(respond), ask({ method: "POST", headers: { authorization: "Bearer bad\ntoken" } }));
		expect(failure.kind).toBe("invalid");
		expect(failure.message).not.toContain("token");
		expect(calls).toBe(0);
	});
});

describe("what a provider says of its rate limit", () => {
	it("is passed on from good and bad answers alike", async () => {
		const rates: Rate[] = [];
		const headers = { "RateLimit-Limit": "5000", "RateLimit-Remaining": "4999", "RateLimit-Reset": "1700000123" };
		for (const status of [200, 404]) {
			const fetchThat = (async () => new Response('{"ok":true}', { status, headers })) as typeof fetch;
			await request(contextOf({ fetch: fetchThat }, { observeRate: (rate) => rates.push(rate) }), ask()).catch(() => undefined);
		}
		expect(rates).toEqual(Array(2).fill({ limit: 5000, remaining: 4999, resetAt: 1_700_000_123_000 }));
	});

	const reset = { "ratelimit-limit": "5000", "ratelimit-remaining": "0", "ratelimit-reset": String(NOW / 1000 + 90) };
	it.each<[string, Record<string, string>, number | undefined]>([
		["the seconds of Retry-After", { "retry-after": "7" }, NOW + 7_000],
		["the date of Retry-After", { "retry-after": new Date(NOW + 60_000).toUTCString() }, NOW + 60_000],
		["Retry-After rather than the reset", { "retry-after": "7", ...reset }, NOW + 7_000],
		["the reset", reset, NOW + 90_000],
		["nothing", {}, undefined],
		["a day at most", { "retry-after": "99999999" }, NOW + 86_400_000],
		["now for what is past", { "retry-after": new Date(NOW - 60_000).toUTCString() }, NOW],
	])("closes the door until %s", async (_, headers, retryAt) => {
		const failure = await failureOf(
			via(() => new Response("slow down", { status: 429, headers })),
			ask({ method: "POST" }),
		);
		expect(failure.kind).toBe("rate");
		expect(failure.retryAt).toBe(retryAt);
	});
});

describe("a failure's sentence", () => {
	it("is the provider's own, on one line and bounded", async () => {
		const failure = await failureOf(
			via(() => new Response(`no\nsuch \t size. ${"x".repeat(1000)}`, { status: 422 })),
			ask(),
		);
		expect(failure.message).toMatch(/^Cloud: no such size\. x+$/);
		expect(failure.message.length).toBeLessThanOrEqual(308);
	});

	it("holds no secret, even one that the provider repeats, in any spelling, at the cut, or in a transport error", async () => {
		const echoes = [`bad ${TOKEN}!`, `bad ${encodeURIComponent(TOKEN)}!`, `${"x".repeat(295)}${TOKEN}`];
		for (const text of echoes) {
			const { message } = await failureOf(
				via(() => new Response(text, { status: 422 })),
				ask(),
			);
			expect(message).not.toContain("tok");
		}
		const broken = () => Promise.reject(new TypeError(`cannot send header Bearer ${TOKEN}`));
		expect((await failureOf(via(broken), ask())).message).toBe("Cloud: the connection failed (cannot send header Bearer ***)");
	});

	it("is withheld when it quotes from the user data", async () => {
		const userData = `#cloud-config\nwrite_files: H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTVWqBQBe0wEGFAAAAA==`;
		const respond = () => new Response(`invalid user_data near "${userData.slice(30, 60)}"`, { status: 422 });
		const { message } = await failureOf(via(respond), ask({ method: "POST", confidential: [userData] }));
		expect(message).toBe("Cloud: an error whose text quotes the request and is withheld for that");
	});
});
