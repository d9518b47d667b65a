import { afterAll, beforeAll, expect, test } from "vitest";
import { curl, Dev, temporaryState, within } from "./harness.ts";

/** Three pools of two accounts: one account has two regions, the other one; the names in both spellings. */
const SETTINGS = {
	DIGITALOCEAN_ENABLED: "True",
	DIGITALOCEAN_ACCESS_TOKEN: "local-first",
	DIGITALOCEAN_MIN_SCALING: "1",
	DIGITALOCEAN_MAX_SCALING: "3",
	DIGITALOCEAN_NYC_ENABLED: "True",
	DIGITALOCEAN_NYC_ACCESS_TOKEN: "local-first",
	DIGITALOCEAN_NYC_REGION: "nyc1",
	DIGITALOCEAN_INSTANCE_SECOND_ENABLED: "True",
	DIGITALOCEAN_INSTANCE_SECOND_ACCESS_TOKEN: "local-second",
	DIGITALOCEAN_INSTANCE_SECOND_DISPLAY_NAME: "Second account",
};
const NAMES = ["default", "nyc", "second"];

const state = temporaryState();
let dev: Dev;
beforeAll(async () => {
	dev = await Dev.start(state.directory, SETTINGS);
	await within(30_000, async () => {
		const proxies = await dev.proxies();
		expect(proxies.map((proxy) => proxy.instance).sort()).toEqual(NAMES);
	});
});
afterAll(async () => {
	await dev?.stop();
	state.remove();
});

/** What CloudProxy's documentation has its readers type. */
async function typed(method: string, path: string): Promise<Record<string, unknown>> {
	const { code, out } = await curl("-X", method, `http://localhost:${dev.port}${path}`, "-H", "accept: application/json");
	expect(code).toBe(0);
	return JSON.parse(out) as Record<string, unknown>;
}

test("the curl commands of CloudProxy's documentation work as they are", async () => {
	const { proxy, message } = await typed("GET", "/random");
	expect(message).toBe("Random proxy retrieved successfully");
	expect(proxy).toMatchObject({ port: 8899, auth_enabled: true, provider: "digitalocean" });
	expect(await typed("GET", "/")).toMatchObject({ total: 3 });
	expect(await typed("GET", "/health")).toMatchObject({ status: "healthy" });
});

test("each account and region is an instance of its provider, with what it has and what it was given", async () => {
	const { providers } = (await dev.api("GET", "/providers")).body as { providers: Record<string, Record<string, unknown>> };
	const instances = providers.digitalocean?.instances as Record<
		string,
		{ ips: string[]; region: string; display_name: string; scaling: object }
	>;
	expect(Object.keys(instances).sort()).toEqual(NAMES);
	expect(NAMES.map((name) => [instances[name]?.region, instances[name]?.display_name])).toEqual([
		["lon1", "DigitalOcean"],
		["nyc1", "DigitalOcean nyc"],
		["lon1", "Second account"],
	]);
	for (const name of NAMES) expect(instances[name]?.scaling, "copied from the default account").toEqual({ min_scaling: 1, max_scaling: 3 });
	expect(new Set(NAMES.flatMap((name) => instances[name]?.ips ?? [])).size).toBe(3);
	expect(JSON.stringify(providers)).not.toContain("local-");
});

test("filters choose among them, and a session keeps its proxy while another one is destroyed", async () => {
	const random = async (query: string) => (await dev.api("GET", `/random?${query}`)).body.proxy as { ip: string; instance: string };
	expect((await random("region=nyc1")).instance).toBe("nyc");
	expect((await random("instance=second")).instance).toBe("second");
	const mine = await random("session=me");
	const other = await random(`exclude=${mine.ip}`);
	await dev.api("DELETE", `/destroy?ip_address=${other.ip}`);
	expect(await random("session=me")).toEqual(mine);
	await within(30_000, async () => expect(await dev.proxies()).toHaveLength(3));
});

test("one instance is scaled without the others, and rolling settings reach all", async () => {
	await dev.api("PATCH", "/providers/digitalocean/nyc", { min_scaling: 2, max_scaling: 2 });
	await within(30_000, async () => {
		const instances = (await dev.proxies()).map((proxy) => proxy.instance).sort();
		expect(instances).toEqual(["default", "nyc", "nyc", "second"]);
	});
	const wanted = { enabled: true, min_available: 1, batch_size: 1 };
	const { body } = await dev.api("PATCH", "/rolling", wanted);
	expect(body.config).toEqual(wanted);
	expect(Object.keys(body.status as object)).toEqual(NAMES.map((name) => `digitalocean/${name}`));
});
