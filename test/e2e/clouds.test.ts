import { afterAll, beforeAll, expect, test } from "vitest";
import { cloudsAsked } from "../../scripts/dev-clouds.ts";
import { CLOUD_NAMES } from "../../src/providers/index.ts";
import { Dev, SOON_MS, temporaryState, throughProxy, within } from "./harness.ts";

const CLOUDS = Object.keys(CLOUD_NAMES);
/** Some clouds take several calls to make the first VM. */
const ALL_UP_MS = SOON_MS + 25_000;

const state = temporaryState();
let dev: Dev;
beforeAll(async () => {
	const one = Object.fromEntries(CLOUDS.map((cloud) => [`${cloud.toUpperCase()}_MIN_SCALING`, "1"]));
	dev = await Dev.start(state.directory, { CLOUDS: CLOUDS.join(","), ...one, HETZNER_MAX_HOURLY_COST: "0.01" });
});
afterAll(async () => {
	await dev?.stop();
	state.remove();
});

interface Providers {
	readonly cost: readonly { readonly hourly: number; readonly currency: string }[];
	readonly providers: Readonly<Record<string, { readonly enabled: boolean; readonly cost: { readonly hourly: number } | null }>>;
}

test("a pool of each cloud runs, and traffic passes through a proxy of each", async () => {
	await within(ALL_UP_MS, async () => expect((await dev.proxies()).map(({ provider }) => provider).sort()).toEqual([...CLOUDS].sort()));
	for (const proxy of await dev.proxies()) {
		expect(await throughProxy(proxy, `http://localhost:${dev.cloudPort}/ip`)).toEqual({ status: 200, text: `${proxy.ip}\n` });
	}
});

test("what each costs is shown, and in all by currency", async () => {
	const { providers, cost } = (await dev.api("GET", "/providers")).body as unknown as Providers;
	expect(Object.keys(providers).sort()).toEqual([...CLOUDS].sort());
	for (const [name, { enabled, cost: own }] of Object.entries(providers))
		expect([name, enabled, (own?.hourly ?? 0) > 0]).toEqual([name, true, true]);
	expect(cost.map(({ currency }) => currency)).toEqual(["EUR", "USD"]);
	expect(cost[0]?.hourly).toBeCloseTo(0.0056 + 0.01768);
});

test("a create that would exceed a pool's bound on cost is not made, and /health says so", async () => {
	await dev.api("PATCH", "/providers/hetzner", { min_scaling: 3, max_scaling: 3 });
	const says = "its own MAX_HOURLY_COST of 0.01 EUR has no room for another VM at 0.0056";
	await within(30_000, async () => {
		const { checks } = (await dev.api("GET", "/health")).body as { checks?: { pools?: Record<string, { problems: readonly string[] }> } };
		expect(checks?.pools?.["hetzner-default"]?.problems).toEqual([says]);
	});
	expect((await dev.vms()).filter(({ provider }) => provider === "hetzner")).toHaveLength(1);
});

test("clouds that are not known are refused, with those that are", () => {
	expect(cloudsAsked(undefined)).toEqual(["digitalocean"]);
	expect(cloudsAsked(" hetzner, AWS ")).toEqual(["aws", "hetzner"]);
	expect(cloudsAsked("all")).toEqual(CLOUDS);
	expect(() => cloudsAsked("aws,ovh")).toThrow(`CLOUDS names 'ovh'; there are ${CLOUDS.join(", ")}, and all.`);
});
