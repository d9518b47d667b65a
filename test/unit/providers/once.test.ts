import { afterEach, expect, it, vi } from "vitest";
import { Once } from "../../../src/providers/base/once.ts";
import { contextOf } from "./fake-digitalocean.ts";

const clock = { now: 0 };
const context = contextOf({ fetch }, { now: () => clock.now });
afterEach(() => vi.useRealTimers());

function deferred() {
	let resolve = () => {};
	let reject = (_: Error) => {};
	const promise = new Promise<void>((yes, no) => {
		resolve = yes;
		reject = no;
	});
	return { promise, resolve, reject };
}

it("does the work once for all who ask at the same time, and not again afterwards", async () => {
	const once = new Once();
	const work = vi.fn(async () => undefined);
	await Promise.all([1, 2, 3].map(() => once.ensure(context, "account", "wish", work)));
	await once.ensure(context, "account", "wish", work);
	expect(work).toHaveBeenCalledTimes(1);
});

it("keeps accounts apart", async () => {
	const once = new Once();
	const work = vi.fn(async () => undefined);
	await once.ensure(context, "one", "wish", work);
	await once.ensure(context, "two", "wish", work);
	expect(work).toHaveBeenCalledTimes(2);
});

it("tells everyone of a failure and tries again the next time", async () => {
	const once = new Once();
	const work = vi.fn(async () => undefined).mockRejectedValueOnce(new Error("refused"));
	const outcomes = await Promise.allSettled([1, 2].map(() => once.ensure(context, "account", "wish", work)));
	expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
	await once.ensure(context, "account", "wish", work);
	expect(work).toHaveBeenCalledTimes(2);
});

it("does another wish's work only after the work under way has ended", async () => {
	const once = new Once();
	const first = deferred();
	const order: string[] = [];
	const a = once.ensure(context, "account", "a", async () => {
		await first.promise;
		order.push("a");
	});
	const b = once.ensure(context, "account", "b", async () => void order.push("b"));
	first.resolve();
	await Promise.all([a, b]);
	expect(order).toEqual(["a", "b"]);
});

it("looks again after ten minutes", async () => {
	const once = new Once();
	const work = vi.fn(async () => undefined);
	await once.ensure(context, "account", "wish", work);
	clock.now += 600_001;
	await once.ensure(context, "account", "wish", work);
	expect(work).toHaveBeenCalledTimes(2);
});

/**
 * The request that does the work is evicted in mid-await: its promise never settles. Whoever waits for it must not wait
 * for ever, and the next one must be able to do the work.
 */
it("does not wait for ever for work that died", async () => {
	vi.useFakeTimers();
	const once = new Once();
	void once.ensure(context, "account", "wish", () => new Promise(() => undefined));
	const waiting = expect(once.ensure(context, "account", "wish", async () => undefined)).rejects.toMatchObject({
		failure: { kind: "transient" },
	});
	await vi.advanceTimersByTimeAsync(60_000);
	await waiting;
	const work = vi.fn(async () => undefined);
	await once.ensure(context, "account", "wish", work);
	expect(work).toHaveBeenCalledTimes(1);
});

it("gives what the work gave to all who ask, for as long as it is fresh or until it is forgotten", async () => {
	const once = new Once<{ readonly id: number }>((_, ageMs) => ageMs < 1000);
	let made = 0;
	const ask = () => once.ensure(context, "account", "wish", async () => ({ id: ++made }));
	expect(await Promise.all([ask(), ask()])).toEqual([{ id: 1 }, { id: 1 }]);
	const first = await ask();
	clock.now += 1000;
	const second = await ask();
	expect([first.id, second.id]).toEqual([1, 2]);
	// Forgetting what is not there any more changes nothing.
	once.forget("account", first);
	expect((await ask()).id).toBe(2);
	once.forget("account", second);
	expect((await ask()).id).toBe(3);
});
