import { beforeEach, describe, expect, test } from "vitest";
import type { State } from "../../../src/core/model/state.ts";
import { fault, PoolUnderTest, resetCloud } from "./harness.ts";

beforeEach(resetCloud);

const API = "http://cloud.test/digitalocean/v2/droplets";
const headers = { authorization: "Bearer local-pool-tests", "content-type": "application/json" };

/** A droplet of the pool's account that somebody made by hand. */
async function droplet(): Promise<string> {
	const body = JSON.stringify({ name: "theirs", region: "lon1", size: "s-1vcpu-512mb-10gb", image: "ubuntu-24-04-x64", tags: ["theirs"] });
	const answer = await fetch(API, { method: "POST", headers, body });
	if (!answer.ok) throw new Error(await answer.text());
	return String(((await answer.json()) as { droplet: { id: number } }).droplet.id);
}

async function tagsOf(id: string): Promise<readonly string[] | null> {
	const answer = await fetch(`${API}/${id}`, { headers });
	if (!answer.ok) {
		await answer.body?.cancel();
		return null;
	}
	return ((await answer.json()) as { droplet: { tags: string[] } }).droplet.tags;
}

async function runningPool(max = 3): Promise<PoolUnderTest> {
	const pool = await new PoolUnderTest().start();
	await pool.stub.command({ do: "scale", min: 1, max });
	await pool.untilReady(1);
	return pool;
}

describe("associating", () => {
	test("puts the pool's tags on a VM, which counts from then on and is confirmed by its address", async () => {
		const pool = await runningPool();
		const id = await droplet();
		const answer = await pool.stub.command({ do: "adopt", vm: id });
		expect(answer).toMatchObject({ ok: true, summary: { billable: 2 } });
		const { pool: own, proxies } = await pool.state();
		const proxy = [...proxies.values()].find(({ isAdopted }) => isAdopted);
		expect(await tagsOf(id)).toEqual(
			expect.arrayContaining([
				"theirs",
				"muster",
				`muster-deployment:${own.deployment}`,
				`muster-pool:${own.tag}`,
				`muster-intent:${proxy?.id}`,
			]),
		);
		expect((await pool.stub.instances())?.active).toContain(id);
		await pool.advance(60, 30);
		const address = [...(await pool.state()).proxies.values()].find(({ isAdopted }) => isAdopted)?.address ?? "";
		expect(address).not.toBe("");
		await pool.stub.command({ do: "confirm", address });
		expect((await pool.state()).proxies.get(proxy?.id ?? "")?.registered).toBe(true);
		await pool.stub.command({ do: "leave", address });
		expect((await pool.state()).proxies.get(proxy?.id ?? "")?.registered).toBe(false);
	});

	test("of what does not exist, is the pool's already, another's, or one too many is refused, and leaves nothing behind", async () => {
		const pool = await runningPool(1);
		expect(await pool.stub.command({ do: "adopt", vm: "4711471147" })).toMatchObject({ ok: false, error: "notFound" });
		const [own = ""] = (await pool.stub.instances())?.active ?? [];
		expect(await pool.stub.command({ do: "adopt", vm: own })).toMatchObject({ ok: false, error: "conflict" });
		const other = await runningPool();
		expect(await other.stub.command({ do: "adopt", vm: own })).toMatchObject({ ok: false, error: "conflict" });
		for (let more = 0; more < 2; more++) expect(await pool.stub.command({ do: "adopt", vm: await droplet() })).toMatchObject({ ok: true });
		const id = await droplet();
		expect(await pool.stub.command({ do: "adopt", vm: id })).toMatchObject({
			ok: false,
			error: "conflict",
			message: expect.stringContaining("3"),
		});
		expect(await tagsOf(id)).toEqual(["theirs"]);
		expect((await pool.state()).proxies.size).toBe(3);
	});

	test("whose answer is lost is gone on with, and never done twice", async () => {
		const pool = await runningPool();
		const id = await droplet();
		await fault({ operation: "retag", times: 1, dropAnswer: true });
		const ordered = pool.stub.command({ do: "adopt", vm: id });
		await pool.until(
			(state) => [...state.proxies.values()].some(({ isAdopted, phase }) => isAdopted && phase.at === "booting"),
			"associated",
		);
		expect(await ordered).toMatchObject({ ok: true });
		expect((await tagsOf(id))?.filter((tag) => tag.startsWith("muster-intent:"))).toHaveLength(1);
	});

	test("of another pool's VM leaves that pool's tags on it, also where the cloud could not be asked at first", async () => {
		const [pool, other] = [await runningPool(1), await runningPool()];
		const [id = ""] = (await pool.stub.instances())?.active ?? [];
		const tags = await tagsOf(id);
		await fault({ operation: "get", times: 3, status: 500 });
		const ordered = other.stub.command({ do: "adopt", vm: id });
		const isThere = (state: State) => [...state.proxies.values()].some(({ isAdopted }) => isAdopted);
		await other.until(isThere, "asked for");
		await ordered;
		await other.until((state) => !isThere(state), "given up");
		expect(await tagsOf(id)).toEqual(tags);
	});

	test("of a VM that is never of use ends with its own tags, running", async () => {
		const pool = await runningPool();
		const id = await droplet();
		await pool.stub.command({ do: "adopt", vm: id });
		await pool.advance(690, 30, () => pool.heartbeats());
		expect(await tagsOf(id)).toEqual(["theirs"]);
		expect((await pool.state()).proxies.size).toBe(1);
	});
});

describe("disassociating", () => {
	test("takes the tags off and leaves the VM running, however often a list still shows them", async () => {
		const pool = await runningPool();
		const [id = ""] = (await pool.stub.instances())?.active ?? [];
		expect(await pool.stub.command({ do: "release", id })).toMatchObject({ ok: true });
		expect(await tagsOf(id)).toEqual([]);
		expect((await pool.state()).released).toEqual([id]);
		await pool.advance(1800, 60, async () => {
			await pool.bootAgents();
			await pool.heartbeats();
		});
		expect(await tagsOf(id)).toEqual([]);
		expect(await pool.stub.command({ do: "release", id })).toMatchObject({ ok: false, error: "notFound" });
	});

	test("of a whole pool leaves all of its VMs running and deletes none", async () => {
		const pool = await runningPool();
		await pool.stub.command({ do: "scale", min: 2, max: 2 });
		await pool.untilReady(2);
		const ids = (await pool.stub.instances())?.active ?? [];
		// A pool that its environment names would come back.
		await pool.inside((inside) => {
			inside.env = { ...inside.env, DIGITALOCEAN_ENABLED: "False" };
		});
		await pool.stub.command({ do: "run", run: "removing", keep: true });
		await pool.advance(30, 30);
		// The order's own pass may still be under way.
		await pool.until(({ proxies }) => proxies.size === 0, "let go");
		expect(ids).toHaveLength(2);
		for (const id of ids) expect(await tagsOf(id)).toEqual([]);
		expect((await pool.state()).proxies.size).toBe(0);
	});
});
