import { beforeEach, describe, expect, test } from "vitest";
import type { StaticBackend } from "../../../src/core/model/state.ts";
import { findEndpoint } from "../../../src/d1/directory.ts";
import { findByAddress } from "../../../src/read-model/proxies.ts";
import { forgetEverything, readReady } from "../../../src/read-model/ready.ts";
import { readyPage } from "../../../src/read-model/snapshot.ts";
import { ask } from "./asking.ts";
import { bindings, PoolUnderTest, resetCloud, setAgent } from "./harness.ts";

beforeEach(resetCloud);

/** Another run of the tests has another. */
const NET = `127.76.${crypto.getRandomValues(new Uint8Array(1))[0]}`;
const BACKEND: StaticBackend = { address: `${NET}.1`, port: 8899, access: "", mark: "" };

/** A pool without a proxy of its own and with these static backends. */
async function poolWith(statics: readonly StaticBackend[]): Promise<PoolUnderTest> {
	const pool = await new PoolUnderTest().start();
	await pool.stub.command({ do: "scale", min: 0, max: 0 });
	await pool.inside((inside) => {
		// What an endpoint's configuration would say; the environment has no word for it.
		inside.configure = () => undefined;
		inside.commit(inside.state, { ...inside.state, spec: { ...inside.state.spec, statics } }, null);
	});
	await pool.settle();
	return pool;
}

async function listed() {
	forgetEverything();
	return readyPage((await readReady(bindings.DB, Date.now())).snapshot, 0, 10).map(({ entry }) => entry);
}

describe("a static backend", () => {
	test("is handed out while it brings our own page back, off the list after three failures, and back after one success", async () => {
		await setAgent(BACKEND.address, { keyHash: "" });
		const pool = await poolWith([BACKEND, { address: `${NET}.2`, port: 1, access: "", mark: "" }]);
		expect(await listed()).toEqual([[`${NET}.1:8899`, `${NET}.1`, 1]]);
		await setAgent(BACKEND.address, { keyHash: "", isSilent: true });
		await pool.advance(60, 5);
		expect(await listed()).toEqual([]);
		await setAgent(BACKEND.address, { keyHash: "", isSilent: false });
		await pool.advance(60, 30);
		expect(await listed()).toHaveLength(1);
		const { results } = await bindings.DB.prepare("SELECT text FROM logs WHERE object = ? ORDER BY seq")
			.bind(pool.object)
			.all<{ text: string }>();
		const told = results.map(({ text }) => text).filter((text) => text.includes(BACKEND.address));
		expect(told.map((text) => text.split(" ")[0])).toEqual(["ready", "dropped", "ready"]);
		await setAgent(BACKEND.address, { keyHash: "", isSilent: true });
		await pool.advance(40, 5);
		const { statics } = await pool.state();
		expect(statics.get(`${NET}.1:8899`)?.failures).toBeGreaterThan(0);
		await pool.crash();
		expect([...(await pool.state()).statics], "how each fares is stored at once").toEqual([...statics]);
	}, 60_000);

	test("is nobody's to destroy or restart", async () => {
		await setAgent(BACKEND.address, { keyHash: "" });
		const pool = await poolWith([BACKEND]);
		const row = await findByAddress(bindings.DB, BACKEND.address);
		for (const order of ["destroy", "restart"] as const)
			expect(await pool.stub.command({ do: order, id: row?.id ?? "" })).toMatchObject({ ok: false, error: "conflict" });
		expect((await pool.stub.status())?.registered).toEqual([]);
	});

	test("is named by its host, which is looked up when it is posted and each minute; what is known holds while nobody answers", async () => {
		const name = (host: string, records: unknown) => fetch(`http://names.test/${host}`, { method: "PUT", body: JSON.stringify(records) });
		const four = (...addresses: string[]) => addresses.map((data) => ({ type: 1, data }));
		await name("two.example.com", four(`${NET}.12`, `${NET}.11`));
		await name("six.example.com", [{ type: 28, data: "2001:DB8:0::1" }]);
		await name("down.example.com", null);
		const at = "/v1.1/endpoints/named";
		await ask("DELETE", at);
		const given = ["Two.example.com", "two.example.com:3128", "six.example.com", "down.example.com:1", `${NET}.1`];
		const made = await ask("PUT", at, { endpoint: { static_instances: given } });
		expect([made.status, made.body]).toEqual([200, ""]);
		expect((await ask("GET", at)).body.endpoint.static_instances, "as it was given").toEqual(given);
		const pool = new PoolUnderTest((await findEndpoint(bindings.DB, "named")) ?? "");
		const statics = async () => (await pool.state()).spec.statics.map(({ address, port }) => `${address} ${port}`);
		const first = [`${NET}.11 8899`, `${NET}.12 8899`, `${NET}.11 3128`, `${NET}.12 3128`, "2001:db8::1 8899", `${NET}.1 8899`];
		expect(await statics()).toEqual(first);
		// Nobody can tell yet where one of them is: it is missed.
		expect((await pool.state()).spec.unresolved).toEqual(["down.example.com:1"]);

		const facts = { agentUrl: "https://muster.test", rolling: null, proxies: 0 };
		const tickLater = async (seconds: number) => {
			await pool.setClock(Date.now() + seconds * 1_000);
			await pool.stub.tick(facts);
		};
		await name("two.example.com", four(`${NET}.13`));
		await name("six.example.com", null);
		await name("down.example.com", four(`${NET}.14`));
		await tickLater(60);
		const second = [`${NET}.13 8899`, `${NET}.13 3128`, "2001:db8::1 8899", `${NET}.14 1`, `${NET}.1 8899`];
		await pool.until(async () => JSON.stringify(await statics()) === JSON.stringify(second), "the new addresses");
		expect((await pool.state()).spec.unresolved).toEqual([]);
		await pool.crash();
		expect(await statics(), "they are stored").toEqual(second);

		const unknown = await ask("POST", at, { endpoint: { static_instances: ["nowhere.example.com", "two.example.com"] } });
		expect([unknown.status, unknown.body]).toEqual([
			400,
			{ endpoint: { static_instances: "must be names that have an address: nowhere.example.com has none" } },
		]);
		const many = Array.from({ length: 21 }, (_, index) => `a${index}.example.com`);
		expect((await ask("POST", at, { endpoint: { static_instances: many } })).status).toBe(400);
	});

	test("that was bought is probed and handed out with its own credentials and scheme, and its list is a secret", async () => {
		const sell = (address: string, port: number, login: string) =>
			fetch(`http://bought.test/${address}`, { method: "PUT", body: JSON.stringify({ port, login }) });
		await sell(`${NET}.21`, 3128, "ann:s3cret-one");
		await sell(`${NET}.21`, 1080, "ann:s3cret-two");
		await sell(`${NET}.22`, 3128, "bob:s3cret-three");
		const at = "/v1.1/endpoints/bought";
		await ask("DELETE", at);
		const list = [
			`http://ann:s3cret-one@${NET}.21:3128 de`,
			`socks5://ann:s3cret-two@${NET}.21:1080 fr`,
			`${NET}.22:3128:ann:s3cret-wrong`,
			`${NET}.22:3128:bob:s3cret-three`,
		];
		expect((await ask("PUT", at, { static: { list: list.join("\n") } })).status).toBe(200);
		expect((await ask("GET", at)).body.static).toEqual({ list: "********" });
		const pool = new PoolUnderTest((await findEndpoint(bindings.DB, "bought")) ?? "");
		// Days count, and none is to begin while this runs.
		await pool.setClock(Math.ceil(Date.now() / 86_400_000) * 86_400_000 + 6 * 3_600_000);
		await pool.stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: 0 });
		await pool.until(async () => (await pool.state()).statics.size === 4, "a probe of each");
		await pool.settle();
		const found = async (query: string) => {
			forgetEverything();
			return (await ask("GET", `/?instance=bought&limit=10${query}`)).body.proxies;
		};
		await pool.until(async () => (await found("")).length === 3, "those that answer");
		expect(await found("&country=de")).toMatchObject([
			{ url: `http://ann:s3cret-one@${NET}.21:3128`, username: "ann", password: "s3cret-one", country: "de", socks5: null },
		]);
		const socks = `socks5://ann:s3cret-two@${NET}.21:1080`;
		expect(await found("&country=fr&source=static")).toMatchObject([{ url: socks, server: `socks5://${NET}.21:1080`, socks5: socks }]);
		expect(await found("&source=own")).toEqual([]);
		// Of those that are well it is enough that they open a way: a page of ours costs a request.
		const askedOf = async (port: number) => (await (await fetch(`http://bought.test/${NET}.21:${port}`)).json()) as object;
		await pool.advance(120, 30);
		expect([await askedOf(3128), await askedOf(1080)]).toMatchObject([{ pages: 1 }, { pages: 1 }]);
		expect([await askedOf(3128), await askedOf(1080)]).not.toMatchObject([{ knocks: 0 }, { knocks: 0 }]);
		await pool.advance(86_400, 43_200);
		expect(await askedOf(3128), "once a day").toMatchObject({ pages: 2 });
		const logs = await bindings.DB.prepare("SELECT text FROM logs WHERE object = ?").bind(pool.object).all<{ text: string }>();
		expect(JSON.stringify(logs.results)).not.toContain("s3cret");
	}, 60_000);

	test("comes from a list that is fetched, again and again; what was fetched holds while it cannot be had", async () => {
		const publish = (text: string) => fetch("https://lists.test/mine?key=s3cret", { method: "PUT", body: text });
		await publish(`# ours\nhttp://ann:one@${NET}.31:3128\n${NET}.32:3128 nl\n`);
		const at = "/v1.1/endpoints/listed";
		await ask("DELETE", at);
		const given = { static: { url: "https://lists.test/mine?key=s3cret", minutes: 5 } };
		expect((await ask("PUT", at, given)).status).toBe(200);
		expect((await ask("GET", at)).body.static).toEqual({ url: "********", minutes: 5 });
		const pool = new PoolUnderTest((await findEndpoint(bindings.DB, "listed")) ?? "");
		const statics = async () => (await pool.state()).spec.statics.map(({ address }) => address);
		const tickAfter = async (seconds: number) => {
			await pool.setClock(Date.now() + seconds * 1_000);
			await pool.stub.tick({ agentUrl: "https://muster.test", rolling: null, proxies: 0 });
		};
		await tickAfter(60);
		await pool.until(async () => (await statics()).join() === `${NET}.31,${NET}.32`, "the list");
		await publish("not a list");
		await tickAfter(400);
		await pool.crash();
		expect(await statics()).toEqual([`${NET}.31`, `${NET}.32`]);
		await publish(`${NET}.33:3128`);
		await tickAfter(800);
		await pool.until(async () => (await statics()).join() === `${NET}.33`, "the new list");
		expect((await ask("POST", at, { static: { url: "http://lists.test/mine" } })).body).toEqual({
			static: { url: "must be an https address" },
		});
	}, 60_000);

	test("that goes on answering costs no row", async () => {
		await setAgent(BACKEND.address, { keyHash: "" });
		const pool = await poolWith([BACKEND]);
		await pool.advance(60, 30);
		const before = await pool.state();
		await pool.advance(300, 30);
		const after = await pool.state();
		expect([[...after.statics], after.published, after.logSeq]).toEqual([[...before.statics], before.published, before.logSeq]);
	});
});
