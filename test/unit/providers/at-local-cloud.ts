import type { ProviderContext } from "../../../src/providers/base/provider.ts";
import { ManualClock } from "../../cloud/clock.ts";
import { LocalCloud } from "../../cloud/cloud.ts";

/** A call to the local cloud as a test sees it; `form` of a body that is one. */
export interface Seen {
	readonly method: string;
	readonly url: URL;
	readonly headers: Headers;
	readonly text: string;
	readonly form: URLSearchParams;
}

/** A call is over long before, unless it waits for something that never comes. */
const PATIENCE_MS = 30_000;

/**
 * The local cloud in this process, for drivers whose clouds take signatures and tokens that a script cannot make up.
 * `intercept` answers instead of it where it gives a response; `base` is where the cloud is taken to be.
 */
export function atLocalCloud(provider: string) {
	const clock = new ManualClock();
	const cloud = new LocalCloud({ clock, bootMs: 1000 });
	const calls: Seen[] = [];
	const world = {
		clock,
		cloud,
		calls,
		base: `http://cloud.test/${provider}`,
		intercept: (_: Seen): Response | null | Promise<Response | null> => null,
		context: (more: Partial<ProviderContext> = {}): ProviderContext => ({
			fetch: fetchLocally,
			now: () => clock.now(),
			countCall: () => undefined,
			observeRate: () => undefined,
			wait: (ms) => new Promise((resolve) => void clock.after(ms, resolve)),
			...more,
		}),
		/** Lets the cloud's time go by until the call is over. */
		async done<T>(call: Promise<T>): Promise<T> {
			let isOver = false;
			const settled = call.finally(() => {
				isOver = true;
			});
			settled.catch(() => undefined); // told by the return below
			const deadline = performance.now() + PATIENCE_MS;
			while (!isOver && performance.now() < deadline) {
				// Signatures are made on other threads, which a busy machine keeps waiting: the cloud's time must not run ahead of them.
				for (let turns = 0; turns < 20 && !isOver; turns++) await new Promise((resolve) => setImmediate(resolve));
				if (!isOver) await new Promise((resolve) => setTimeout(resolve, 1));
				if (!isOver) clock.advance(50);
			}
			if (!isOver) throw new Error("the call is not over");
			return settled;
		},
	};
	const fetchLocally = (async (input: string, init: RequestInit) => {
		const text = typeof init.body === "string" ? init.body : "";
		const seen = {
			method: init.method ?? "GET",
			url: new URL(input),
			headers: new Headers(init.headers),
			text,
			form: new URLSearchParams(text),
		};
		calls.push(seen);
		return (await world.intercept(seen)) ?? cloud.fetch(new Request(input, init));
	}) as typeof fetch;
	return world;
}
