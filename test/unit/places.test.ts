import { describe, expect, it } from "vitest";
import { placedAccount } from "../../src/providers/base/places.ts";
import { PROVIDERS } from "../../src/providers/index.ts";
import { readEndpoint } from "../../src/settings/endpoint.ts";
import { readConfig } from "../../src/settings/environment.ts";

const OPEN = { HETZNER_ENABLED: "True", HETZNER_ACCESS_TOKEN: "a-token", PROXY_USERNAME: "user", PROXY_PASSWORD: "secret" };

function read(env: Record<string, string>) {
	const config = readConfig({ ...OPEN, ...env });
	const pool = config.pools.find(({ provider }) => provider === "hetzner");
	if (pool === undefined) throw new Error("there is a pool");
	return { ...pool, places: pool.settings.spec.places.map(({ region, size }) => `${region}:${size}`) };
}

describe("the places of a pool", () => {
	it.each<[Record<string, string>, readonly string[]]>([
		[{}, ["nbg1:cx23"]],
		[{ HETZNER_LOCATION: "hel1", HETZNER_SIZE: "cpx11" }, ["hel1:cpx11"]],
		[{ HETZNER_PLACES: "nbg1:cx23, fsn1:cx23, hel1:cpx11" }, ["nbg1:cx23", "fsn1:cx23", "hel1:cpx11"]],
		[{ HETZNER_PLACES: "nbg1, fsn1 : cpx11,nbg1", HETZNER_SIZE: "cx33" }, ["nbg1:cx33", "fsn1:cpx11"]],
		[{ HETZNER_LOCATION: "nbg1,fsn1" }, ["nbg1:cx23", "fsn1:cx23"]],
		[{ HETZNER_LOCATION: "nbg1,fsn1", HETZNER_SIZE: "cx23, cx33" }, ["nbg1:cx23", "nbg1:cx33", "fsn1:cx23", "fsn1:cx33"]],
		[{ HETZNER_DATACENTER: "hel1-dc2" }, ["hel1:cx23"]],
	])("of %j are %j", (env, places) => {
		const pool = read(env);
		expect([pool.places, pool.problem]).toEqual([places, null]);
	});

	it("are shown as the lists of their regions and sizes", () => {
		expect(read({ HETZNER_PLACES: "nbg1:cx23, fsn1:cx23, hel1:cpx11" }).shown).toMatchObject({
			region: "nbg1, fsn1, hel1",
			size: "cx23, cpx11",
		});
		expect(read({ HETZNER_LOCATION: "hel1" }).shown).toMatchObject({ region: "hel1", size: "cx23" });
	});

	it("change nothing of an account that has one place: what was launched with it is told by the whole of it", () => {
		const { account } = read({});
		expect(Object.keys(account as object)).not.toContain("places");
		expect(read({ HETZNER_PLACES: "nbg1:cx23" }).account).toEqual(account);
	});

	it.each([
		[{ HETZNER_PLACES: "nbg1:" }, "HETZNER_PLACES must be regions"],
		[{ HETZNER_PLACES: "nbg1:cx23:7" }, "HETZNER_PLACES must be regions"],
		[{ HETZNER_PLACES: "-:cx23" }, "HETZNER_PLACES must be a slug such as nbg1"],
		[{ HETZNER_LOCATION: "nbg1, Nürnberg" }, "HETZNER_LOCATION must be a slug such as nbg1"],
		[{ HETZNER_PLACES: Array.from({ length: 51 }, (_, n) => `r${n}:s`).join() }, "HETZNER_PLACES must be regions"],
		[{ HETZNER_SPREAD: "wide" }, "HETZNER_SPREAD must be pack, even or cheapest"],
		[{ HETZNER_MAX_PER_PLACE: "0" }, "HETZNER_MAX_PER_PLACE must be a whole number"],
	])("%j suspends the pool", (env, sentence) => {
		expect(read(env as Record<string, string>).problem).toContain(sentence);
	});

	it("stand in an endpoint's configuration as text or as a list", () => {
		const { global } = readConfig(OPEN);
		for (const places of ["nbg1:cx23, hel1:cpx11", ["nbg1:cx23", "hel1:cpx11"]]) {
			const { settings, faults } = readEndpoint(
				{ endpoint: { cloud: "hetzner" }, scaling: { spread: "even", max_per_place: 3 }, "cloud:hetzner": { access_token: "t", places } },
				{ name: "e", global, suspending: [], addresses: {} },
			);
			expect(faults).toEqual({});
			expect(settings.spec).toMatchObject({
				places: [
					{ region: "nbg1", size: "cx23" },
					{ region: "hel1", size: "cpx11" },
				],
				spread: "even",
				maxPerPlace: 3,
			});
		}
	});

	it("take the stead of region and size in the account that a driver of each cloud is made of", () => {
		for (const { settings, shown } of Object.values(PROVIDERS)) {
			const account = placedAccount(settings, { datacenter: "nbg1-dc3" }, { region: "there", size: "large" });
			expect(shown(account)).toMatchObject({ region: "there", size: "large" });
		}
	});
});
