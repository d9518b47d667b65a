import { describe, expect, it } from "vitest";
import { staticId } from "../../src/core/model/statics.ts";
import { deriveApi, relisted, resealed, type StoredEndpoint } from "../../src/pool/endpoint.ts";
import { readEndpoint } from "../../src/settings/endpoint.ts";
import { readConfig } from "../../src/settings/environment.ts";
import { accessOf, accessText } from "../../src/values/access.ts";

/** Proxies that others sell, as their lists are pasted. */
const read = (list: unknown) => {
	const { global, addresses } = readConfig({ PROXY_USERNAME: "user", PROXY_PASSWORD: "password" });
	const read = readEndpoint({ static: { list: list as string } }, { name: "bought", global, suspending: [], addresses });
	return { statics: read.settings.spec.statics, fault: read.faults.static?.list };
};

describe("a list of bought proxies", () => {
	it.each([
		["http://ann:pass@192.0.2.1:3128", "192.0.2.1", 3128, "http://ann:pass@"],
		["HTTP://ann:p%40ss@192.0.2.1:3128/", "192.0.2.1", 3128, "http://ann:p%40ss@"],
		["socks5://192.0.2.1:1080", "192.0.2.1", 1080, "socks5://@"],
		["socks5h://ann:pass@[2001:DB8::1]:1080 DE", "2001:db8::1", 1080, "socks5://ann:pass@de"],
		["192.0.2.1:3128:ann:pa:ss", "192.0.2.1", 3128, "http://ann:pa%3Ass@"],
		["192.0.2.1:3128\tfr", "192.0.2.1", 3128, "http://@fr"],
		["ann-session-1:pass@192.0.2.1:3128", "192.0.2.1", 3128, "http://ann-session-1:pass@"],
	])("may hold %s", (line, address, port, access) => {
		expect(read([line])).toEqual({ statics: [{ address, port, access, mark: "" }], fault: undefined });
	});

	it("is read by lines, items and commas alike, without comments; a proxy that stands twice counts once", () => {
		const text = "# bought in May\n192.0.2.1:1\r\n192.0.2.1:2,192.0.2.1:3\n\n192.0.2.1:1\n";
		expect(read(text).statics.map(({ port }) => port)).toEqual([1, 2, 3]);
		expect(read(["192.0.2.1:1", "192.0.2.1:2"]).statics).toHaveLength(2);
	});

	it("may hold several users of one gateway, each of which is a proxy of its own, with an id that does not say who", () => {
		const gateway = [
			"ann-session-1:p1@192.0.2.1:7000",
			"ann-session-2:p2@192.0.2.1:7000",
			"ann-session-1:p3@192.0.2.1:7000",
			"192.0.2.2:7000",
		];
		const { statics } = read(gateway);
		expect(statics.map(({ access }) => access)).toEqual(["http://ann-session-1:p3@", "http://ann-session-2:p2@", "http://@"]);
		const ids = statics.map(staticId);
		expect(ids).toEqual([
			expect.stringMatching(/^192\.0\.2\.1:7000#[0-9a-f]{8}$/),
			expect.stringMatching(/^192\.0\.2\.1:7000#[0-9a-f]{8}$/),
			"192.0.2.2:7000",
		]);
		expect(new Set(ids).size).toBe(3);
		// In another order, and with other passwords, each is who it was.
		expect(read(gateway.slice(0, 3).reverse()).statics.map(staticId).sort()).toEqual(ids.slice(0, 2).sort());
	});

	it.each([
		"192.0.2.1",
		"proxy.example.com:3128",
		"192.0.2.1:0",
		"ftp://192.0.2.1:21",
		"http://a%zz:b@192.0.2.1:1",
		`http://${"u".repeat(256)}:p@192.0.2.1:1`,
	])("may not hold %s", (line) => {
		const { statics, fault } = read(["192.0.2.9:1", line]);
		expect(fault).toMatch(/^must be at most 5000 proxies by address and port.*: number 2 is none$/);
		expect(statics).toHaveLength(1);
	});

	it("is told by number what is wrong in it, and never by text", () => {
		expect(read(["http://ann:s3cret@nowhere"]).fault).not.toContain("s3cret");
	});

	it("has 5,000 at the most", () => {
		const lines = Array.from({ length: 5_001 }, (_, n) => `192.0.2.1:${n + 1}`);
		expect(read(lines.slice(1)).fault).toBeUndefined();
		expect(read(lines).fault).toContain("at most 5000");
		expect(read(lines).statics).toHaveLength(5_000);
	});
});

it("a list whose credentials are too long together is cut where it has no room", () => {
	const { statics, fault } = read(Array.from({ length: 5_000 }, (_, n) => `${"u".repeat(30)}:${"p".repeat(30)}@192.0.2.1:${n + 1}`));
	expect(fault).toContain("280 KB together");
	expect(statics.length).toBeLessThan(5_000);
	expect(JSON.stringify(statics).length).toBeLessThan(500_000);
});

it("how a proxy is reached is one text and back, whatever is in its credentials", () => {
	for (const login of [null, ["ann", ""], ['a"[]:@/', "p:@ ü"]] as const) {
		for (const country of [null, "de"]) {
			const access = { scheme: "socks5", login, country } as const;
			expect(accessOf(accessText(access))).toEqual(access);
			expect(accessText(access)).not.toMatch(/["[\]]/);
		}
	}
	for (const none of [undefined, "", "ftp://@"]) expect(accessOf(none)).toBeNull();
});

describe("a list that was fetched", () => {
	const [old, fresh] = ["the-encryption-key-until-now-1", "the-encryption-key-from-now-on-2"];
	const under = (keys: string) => readConfig({ PROXY_USERNAME: "user", PROXY_PASSWORD: "password", ENCRYPTION_KEY: keys });
	const pool = { object: "a1", name: "bought" };
	const stored = relisted(
		{ configuration: { static: { minutes: 5 } }, environment: null, intervalSeconds: null },
		pool.object,
		under(old),
		"192.0.2.1:1\n192.0.2.2:2",
		1_000,
	);
	const portsOf = (endpoint: StoredEndpoint, keys: string) =>
		deriveApi(endpoint, pool, under(keys)).settings.spec.statics.map(({ port }) => port);

	it("is encrypted anew under a new key, so that the old one can go, and says still when it was fetched", () => {
		const again = resealed(stored, pool.object, [fresh, old]);
		expect(again?.fetched?.at).toBe(1_000);
		expect(again && portsOf(again, fresh)).toEqual([1, 2]);
		expect(again && resealed(again, pool.object, [fresh])).toBeNull();
	});

	it("is forgotten, and so fetched at once, where no key opens it any more", () => {
		const again = resealed(stored, pool.object, [fresh]);
		expect(again).not.toBeNull();
		expect(again?.fetched).toBeUndefined();
		expect(again && resealed(again, pool.object, [fresh])).toBeNull();
	});
});
