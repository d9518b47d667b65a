import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { addEvent, pruneEvents } from "../../src/d1/events.ts";
import { noteDeploy } from "../../src/fleet/fleet.ts";
import { type EndedRow, publish } from "../../src/read-model/publish.ts";
import { ADMIN_KEY, ask, askWith, bodyOf, counted, enter, publicationOf, startAfresh } from "./helpers.ts";

const DAY_MS = 24 * 3_600_000;
const NOW = 1_764_000_000_000;

beforeEach(startAfresh);

/** A pool's publication whose log tells of these, from entry `seq` on. */
async function tell(object: string, pool: string, version: number, seq: number, texts: readonly string[], at = NOW): Promise<void> {
	const log = texts.map((text, index) => ({ seq: seq + index, at: at + index, severity: "INFO" as const, text }));
	const events = log.map((entry) => ({ ...entry, kind: "note" as const, proxy: "" }));
	expect(await publish(env.DB, publicationOf(object, { version, pool, log, events }))).toBe(true);
}

const textsOf = async (query: string): Promise<{ texts: string[]; next: string; more: boolean; previous: string | null }> => {
	const { events, next, more, previous } = await bodyOf(await ask(`/events${query}`));
	return { texts: events.map(({ text }: { text: string }) => text), next, more, previous };
};

describe("the stream of events", () => {
	test("is read on from a cursor: each event once, in the order in which it became known, whatever its pool's clock says", async () => {
		const [first, second] = [await enter("default"), await enter("nyc")];
		await tell(first, "digitalocean/default", 1, 1, ["a", "b"]);
		const { texts, next, more } = await textsOf("");
		expect([texts, more]).toEqual([["a", "b"], false]);
		// It was kept from publishing for an hour.
		await tell(second, "digitalocean/nyc", 1, 1, ["late"], NOW - 3_600_000);
		await tell(first, "digitalocean/default", 2, 3, ["c"]);
		const page = await textsOf(`?since=${next}&limit=1`);
		expect([page.texts, page.more]).toEqual([["late"], true]);
		const last = await textsOf(`?since=${page.next}`);
		expect([last.texts, last.more]).toEqual([["c"], false]);
		expect((await textsOf(`?since=${last.next}`)).texts).toEqual([]);
	});

	test("goes on from the newest for a cursor of a database that was lost", async () => {
		expect(await textsOf("?since=e5000")).toEqual({ texts: [], next: "e0", more: false, previous: null });
		const object = await enter();
		await tell(object, "digitalocean/default", 1, 1, ["a", "b"]);
		const lost = await textsOf("?since=e5000000");
		expect([lost.texts, lost.more]).toEqual([[], false]);
		expect((await textsOf(`?before=${lost.previous}`)).texts).toEqual(["a", "b"]);
		await tell(object, "digitalocean/default", 2, 3, ["c"]);
		expect((await textsOf(`?since=${lost.next}`)).texts).toEqual(["c"]);
	});

	test("holds nothing twice that was published twice", async () => {
		const object = await enter();
		await tell(object, "digitalocean/default", 1, 1, ["a"]);
		await tell(object, "digitalocean/default", 1, 1, ["a"]);
		await tell(object, "digitalocean/default", 2, 1, ["a", "b"]);
		expect((await textsOf("")).texts).toEqual(["a", "b"]);
	});

	test("is read back page by page, and by pool, severity and instant", async () => {
		const object = await enter();
		await tell(object, "digitalocean/default", 1, 1, ["a", "b", "c"]);
		await addEvent(env.DB, { at: NOW, pool: "", severity: "ERROR", kind: "order", proxy: "", text: "d", actor: "admin" });
		const newest = await textsOf("?limit=2");
		expect(newest.texts).toEqual(["c", "d"]);
		const older = await textsOf(`?limit=2&before=${newest.previous}`);
		expect([older.texts, older.previous]).toEqual([["a", "b"], null]);
		expect((await textsOf("?pool=digitalocean/default")).texts).toEqual(["a", "b", "c"]);
		expect((await textsOf("?severity=WARNING")).texts).toEqual(["d"]);
		expect((await textsOf(`?since=${new Date(NOW + 2_000).toISOString()}`)).texts).toEqual([]);
		expect((await textsOf(`?since=${NOW / 1_000}`)).texts).toEqual(["a", "b", "c", "d"]);
		expect((await ask("/events?since=yesterday")).status).toBe(422);
		expect((await ask("/events?limit=0")).status).toBe(422);
	});

	test("is read by kind", async () => {
		const object = await enter();
		await tell(object, "digitalocean/default", 1, 1, ["a", "b"]);
		await addEvent(env.DB, { at: NOW, pool: "", severity: "INFO", kind: "order", proxy: "", text: "c", actor: "admin" });
		expect((await textsOf("?kind=order")).texts).toEqual(["c"]);
		expect((await textsOf("?kind=order,note&limit=2")).texts).toEqual(["b", "c"]);
		expect((await ask("/events?kind=order,nonsense")).status).toBe(422);
	});

	test("has each deploy once, but for the first that there was", async () => {
		const deployed = (id: string) => ({ ...env, VERSION: { id, tag: "" } });
		await noteDeploy(deployed("11111111-first"), NOW);
		await noteDeploy(deployed("22222222-second"), NOW);
		await noteDeploy(deployed("22222222-second"), NOW);
		const { events } = await bodyOf(await ask("/events?kind=deployed"));
		expect(events).toEqual([expect.objectContaining({ pool: null, text: `Muster ${manifest.version} was deployed (22222222)` })]);
	});

	test("goes on where rows that do not fit are more than one question looks through", async () => {
		const rows = JSON.stringify(Array.from({ length: 6_000 }, (_, index) => index));
		await env.DB.prepare(
			"INSERT INTO events (object, seq, at, pool, severity, kind, proxy, text) SELECT 'x', value, ?, 'a/b', 'INFO', 'note', '', 'noise' FROM json_each(?)",
		)
			.bind(NOW, rows)
			.run();
		const object = await enter();
		await tell(object, "digitalocean/default", 1, 1, ["needle"]);
		const first = await textsOf("?since=e0&pool=digitalocean/default");
		expect([first.texts, first.more]).toEqual([[], true]);
		expect((await textsOf(`?since=${first.next}&pool=digitalocean/default`)).texts).toEqual(["needle"]);
	});

	test("tells who ordered what by the name of the key, and never the key", async () => {
		const body = JSON.stringify({ url: "https://muster.example.com" });
		await askWith({}, `/v1.1/url?auth_key=${ADMIN_KEY}`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
		await askWith({}, "/v1.1/url", { method: "POST", body, headers: { "X-Auth-Key": "wrong-key-of-the-right-length" } });
		const answer = await (await ask("/events")).text();
		expect(answer).not.toContain(ADMIN_KEY);
		expect(JSON.parse(answer).events).toEqual([
			expect.objectContaining({ kind: "order", actor: "admin", text: "POST /v1.1/url by admin", pool: null }),
		]);
	});

	test("forgets what is older than 30 days, but for the newest, from which its numbers go on", async () => {
		const object = await enter();
		await tell(object, "digitalocean/default", 1, 1, ["a", "b"], NOW - 31 * DAY_MS);
		await tell(object, "digitalocean/default", 2, 3, ["c", "d"], NOW - 29 * DAY_MS);
		await pruneEvents(env.DB, NOW);
		expect((await textsOf("")).texts).toEqual(["c", "d"]);
		await pruneEvents(env.DB, NOW + 30 * DAY_MS);
		expect((await textsOf("")).texts, "the ids go on from the newest").toEqual(["d"]);
		const { db, rows } = counted(env.DB);
		await pruneEvents(db, NOW);
		expect(rows.read).toBeLessThan(4);
	});
});

const GONE: EndedRow = {
	id: "proxy1",
	vm: "512",
	address: "192.0.2.1",
	account: "",
	place: null,
	createdAt: NOW - 7_000_000,
	readyAt: NOW - 7_000_000 + 34_000,
	endedAt: NOW,
	reason: "scale_in",
	why: "one too many",
	hourly: 0.006,
	currency: "USD",
	cost: 0.012,
	size: "s-1vcpu",
	region: "lon1",
};

describe("GET /history/vms", () => {
	test("shows what each VM that is gone cost, the last first, and the sums", async () => {
		const object = await enter();
		const ended = [GONE, { ...GONE, id: "proxy2", endedAt: NOW + 1, readyAt: null, cost: null, hourly: null, currency: null }];
		const publication = publicationOf(object, { pool: "digitalocean/default", ended });
		await publish(env.DB, publication);
		await publish(env.DB, publication);
		const span = `from=${NOW / 1_000 - 100}&to=${NOW / 1_000 + 100}`;
		const body = await bodyOf(await ask(`/history/vms?${span}`));
		expect(body.vms.map(({ proxy }: { proxy: string }) => proxy)).toEqual(["proxy2", "proxy1"]);
		expect(body.vms[1]).toEqual({
			pool: "digitalocean/default",
			vm: "512",
			proxy: "proxy1",
			address: "192.0.2.1",
			size: "s-1vcpu",
			region: "lon1",
			created_at: new Date(GONE.createdAt).toISOString(),
			ready_after: 34,
			deleted_at: new Date(NOW).toISOString(),
			reason: "scale_in",
			why: "one too many",
			hourly: 0.006,
			cost: 0.012,
			currency: "USD",
		});
		expect(body.totals).toEqual([
			{ currency: null, count: 1, cost: null },
			{ currency: "USD", count: 1, cost: 0.012 },
		]);
		const first = await bodyOf(await ask(`/history/vms?${span}&limit=1`));
		const second = await bodyOf(await ask(`/history/vms?${span}&limit=1&before=${first.next}`));
		expect([...first.vms, ...second.vms].map(({ proxy }: { proxy: string }) => proxy)).toEqual(["proxy2", "proxy1"]);
	});
});
