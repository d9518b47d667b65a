import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Dev, promised, TIMES, temporaryState, within } from "../e2e/harness.ts";

const REGIONS = ["nbg1", "fsn1", "hel1"];
/** What is promised: ten that stand where there is room, though one place has none. */
const FULL_MS = TIMES.bootMs + 5000;
const RESTOCKED_MS = 60_000;

const state = temporaryState();
let dev: Dev;
beforeAll(async () => {
	const places = REGIONS.map((region) => `${region}:cx23`).join(", ");
	dev = await Dev.start(state.directory, { CLOUDS: "hetzner", HETZNER_PLACES: places, HETZNER_MIN_SCALING: "0", HETZNER_MAX_SCALING: "0" });
});
afterAll(async () => {
	await dev?.stop();
	state.remove();
});
beforeEach(async () => {
	await dev.control("DELETE", "/faults");
	await scaleTo(0);
	await within(30_000, async () => expect(await dev.vms()).toEqual([]));
	// What closed a place before is forgotten: a start has each tried at once.
	const url = `http://127.0.0.1:${dev.port}/v1.1/endpoints/hetzner-default/state`;
	const started = await fetch(url, { method: "POST", body: '{"action":"start"}', headers: { "content-type": "application/json" } });
	expect(started.ok).toBe(true);
	await dev.control("DELETE", "/journal");
});

async function scaleTo(count: number): Promise<void> {
	const { status } = await dev.api("PATCH", "/providers/hetzner", { min_scaling: count, max_scaling: count });
	expect(status).toBe(200);
}

const sellOut = (region: string) =>
	dev.control("POST", "/faults", { provider: "hetzner", operation: "create", region, kind: "capacity", times: 1_000_000 });

/** The regions of the servers that were asked for, in order. */
async function asked(): Promise<readonly string[]> {
	const creates = (await dev.calls()).filter(({ method, url }) => method === "POST" && url === "/v1/servers");
	return creates.map(({ requestBody }) => (JSON.parse(requestBody) as { location: string }).location);
}

interface Shown {
	readonly region: string;
	readonly country: string;
}

test("ten are ready within boot time + 5 s over three places of which one is sold out, and each says where it is", async () => {
	await sellOut("nbg1");
	await scaleTo(10);
	await promised(FULL_MS, async () => expect(await dev.proxies()).toHaveLength(10));
	const proxies = (await dev.proxies()) as unknown as readonly Shown[];
	expect(new Set(proxies.map(({ region, country }) => `${region} ${country}`))).toEqual(new Set(["fsn1 de"]));
	expect((await dev.api("GET", "/?region=hel1")).body.total).toBe(0);
	expect((await dev.api("GET", "/?region=fsn1")).body.total).toBe(10);
	const { body } = await dev.api("GET", "/health");
	expect(JSON.stringify(body)).toContain("nbg1:cx23: launch failed: ");
});

test("where all are sold out nothing is bought and each place is tried by one; the first restock fills the pool within 60 s", async () => {
	for (const region of REGIONS) await sellOut(region);
	await scaleTo(10);
	await within(10_000, async () => expect(new Set(await asked())).toEqual(new Set(REGIONS)));
	await new Promise((done) => setTimeout(done, 20_000));
	expect(await dev.vms()).toEqual([]);
	// Those of the first burst, and then one a place after 4 to 5 s and 8 to 10 s more.
	for (const region of REGIONS) expect((await asked()).filter((one) => one === region).length).toBeLessThanOrEqual(3 + 3);
	const { body } = await dev.api("GET", "/health");
	for (const region of REGIONS) expect(JSON.stringify(body)).toContain(`${region}:cx23: launch failed: `);
	await dev.control("DELETE", "/faults");
	await promised(RESTOCKED_MS, async () => expect(await dev.proxies()).toHaveLength(10));
	expect(await dev.vms()).toHaveLength(10);
}, 300_000);
