import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { writeSetting } from "../../src/d1/settings.ts";
import { forgetEverything } from "../../src/read-model/ready.ts";
import { digitsOf, hash64, hashOf, nameOf, rankedFor } from "../../src/values/rendezvous.ts";
import {
	ADMIN_KEY,
	ask,
	askWith,
	bodyOf,
	counted,
	enter,
	failing,
	ORIGIN,
	publicationOf,
	readyPublication,
	show,
	startAfresh,
} from "./helpers.ts";

const KEY = { headers: { "X-Auth-Key": ADMIN_KEY } };
let object = "";

beforeEach(async () => {
	await startAfresh();
	// Else the first request tells the pools of it, and cron's look finds that there are none behind these rows.
	await writeSetting(env.DB, "origin", ORIGIN);
	object = await enter();
	await show(readyPublication(object, 3));
});

const textOf = async (path: string) => (await ask(path)).text();
const USER = "user:p%40ss%2Fw%3Ard@";

describe("a proxy in each format", () => {
	test("of /random is one line", async () => {
		for (const [format, line] of [
			["url", `http://${USER}10.0.0.1:8899\n`],
			["text", "10.0.0.1:8899\n"],
			["host:port", "10.0.0.1:8899\n"],
			["host:port:user:pass", "10.0.0.1:8899:user:p@ss/w:rd\n"],
			["socks5", `socks5://${USER}10.0.0.1:8899\n`],
		]) {
			const response = await ask(`/random?exclude=10.0.0.0,10.0.0.2&format=${format}`);
			expect([await response.text(), response.headers.get("Content-Type")], format).toEqual([line, "text/plain; charset=utf-8"]);
		}
		expect(await textOf("/random?format=url")).toMatch(/^http:\/\/user:\S+@10\.0\.0\.\d:8899\n$/);
	});

	test("of /proxies.txt is a line of all, URLs unless another is asked for", async () => {
		const lines = (await textOf("/proxies.txt")).split("\n");
		expect(lines).toEqual([...[0, 1, 2].map((last) => `http://${USER}10.0.0.${last}:8899`), ""]);
		expect(await textOf("/proxies.txt?format=host:port&limit=2&offset=1")).toBe("10.0.0.1:8899\n10.0.0.2:8899\n");
		expect(await textOf("/proxies.txt?format=text&instance=default&exclude=10.0.0.1")).toBe("10.0.0.0:8899\n10.0.0.2:8899\n");
	});

	test("is apart what clients want apart, in JSON", async () => {
		const { proxy } = await bodyOf(await ask("/random?exclude=10.0.0.0,10.0.0.2"));
		const url = `http://${USER}10.0.0.1:8899`;
		const apart = { server: "http://10.0.0.1:8899", username: "user", password: "p@ss/w:rd", socks5: url.replace("http", "socks5") };
		expect(proxy).toMatchObject({ url, ...apart });
		const response = await ask("/proxies.txt?format=json");
		expect(response.headers.get("Content-Type")).toMatch(/^application\/json/);
		const list = await bodyOf(response);
		expect(list).toHaveLength(3);
		expect(list[1]).toEqual({ ...proxy, id: digitsOf(hash64(nameOf(object, "proxy1"))), region: "lon1", country: "gb" });
	});

	test("is a row of a table, with what needs it in quotes", async () => {
		await show(readyPublication(object, 1, { version: 2, credentials: { "1": ["user", 'a"b,c'] } }));
		const response = await ask("/proxies.txt?format=csv");
		expect(response.headers.get("Content-Type")).toMatch(/^text\/csv/);
		expect((await response.text()).split("\r\n")).toEqual([
			"ip,port,username,password,provider,instance,region,country,url,socks5",
			'10.0.0.0,8899,user,"a""b,c",digitalocean,default,lon1,gb,http://user:a%22b%2Cc@10.0.0.0:8899,socks5://user:a%22b%2Cc@10.0.0.0:8899',
			"",
		]);
	});

	test("has no credentials where none are asked for, and no SOCKS5 where the proxy is somebody else's", async () => {
		const proxies = [["proxy0", "2001:db8::1", 0] as const, ["192.0.2.9:3128", "192.0.2.9", 0, 3128] as const];
		await show(publicationOf(object, { version: 2, parts: [{ part: 0, proxies }], partCount: 1 }));
		expect(await textOf("/proxies.txt?format=host:port:user:pass")).toBe("[2001:db8::1]:8899\n192.0.2.9:3128\n");
		expect(await textOf("/proxies.txt?format=socks5")).toBe("socks5://[2001:db8::1]:8899\n");
		const list = await bodyOf(await ask("/proxies.txt?format=json"));
		expect(list[1]).toMatchObject({ server: "http://192.0.2.9:3128", username: null, password: null, socks5: null });
	});

	test("that nobody knows is 422 with those that there are", async () => {
		for (const path of ["/random", "/proxies.txt"]) {
			const response = await ask(`${path}?format=xml`);
			expect([response.status, (await bodyOf(response)).detail]).toEqual([
				422,
				"format must be one of url, text, host:port, host:port:user:pass, socks5, csv, json.",
			]);
		}
	});
});

describe("GET /proxies.txt", () => {
	test("is empty where nothing is ready", async () => {
		await show(readyPublication(object, 0, { version: 2 }));
		expect(await textOf("/proxies.txt")).toBe("");
		expect(await textOf("/proxies.txt?format=json")).toBe("[]\n");
	});

	test("is not sent again to who has it, whichever isolate is asked, and is once it has changed", async () => {
		const first = await ask("/proxies.txt");
		const tag = first.headers.get("ETag") ?? "";
		expect(tag).toMatch(/^"[\w-]{22}"$/);
		expect(first.headers.get("Age")).toBe("0");
		expect(first.headers.get("Cache-Control")).toBe("no-store");
		const again = () => ask("/proxies.txt", { headers: { "If-None-Match": `W/${tag}` } });
		const held = await again();
		expect([held.status, await held.text(), held.headers.get("ETag")]).toEqual([304, "", tag]);
		forgetEverything();
		expect((await again()).status).toBe(304);
		expect((await ask("/proxies.txt?format=socks5", { headers: { "If-None-Match": tag } })).status).toBe(200);
		await show(readyPublication(object, 2, { version: 2 }));
		expect((await again()).status).toBe(200);
	});

	test("says how old it is while D1 does not answer", async () => {
		await ask("/proxies.txt");
		await new Promise((resolve) => setTimeout(resolve, 1_100));
		const response = await askWith({ DB: failing() }, "/proxies.txt", KEY);
		expect(response.status).toBe(200);
		expect(Number(response.headers.get("Age"))).toBeGreaterThanOrEqual(2);
	});

	test("reads one row a pool and one for each further thousand, whatever is asked for", async () => {
		await writeSetting(env.DB, "origin", ORIGIN);
		await show(readyPublication(object, 2_500, { version: 2 }));
		for (const path of ["/proxies.txt", "/proxies.txt?format=json&region=lon1&session=a&country=gb", "/proxies.txt?offset=2400&limit=7"]) {
			forgetEverything();
			const { db, rows } = counted(env.DB);
			const response = await askWith({ DB: db }, path, KEY);
			expect(response.status).toBe(200);
			if (path.includes("limit")) expect((await response.text()).split("\n")).toHaveLength(8);
			expect(rows.read, path).toBeLessThanOrEqual(1 + 2);
		}
	});

	test("ranks sessions as whoever holds the list can by its ids: the same proxy for each of 10,000", async () => {
		await show(readyPublication(object, 40, { version: 2 }));
		const list = (await bodyOf(await ask("/proxies.txt?format=json"))) as { id: string; ip: string }[];
		const ranked = (session: string) => rankedFor(session, list, ({ id }) => hashOf(id)).map(({ ip }) => ip);
		const { pickFrom } = await import("../../src/read-model/select.ts");
		const { readReady } = await import("../../src/read-model/ready.ts");
		const { snapshot } = await readReady(env.DB, Date.now());
		for (let index = 0; index < 10_000; index++) {
			const session = `customer-${index}`;
			if (pickFrom(snapshot, session, Math.random)?.entry[1] !== ranked(session)[0]) throw new Error(`${session} is ranked otherwise`);
		}
		for (const session of ["a", "customer 42", "ü"]) {
			const query = encodeURIComponent(session);
			expect((await bodyOf(await ask(`/random?session=${query}`))).proxy.ip).toBe(ranked(session)[0]);
			expect(await textOf(`/proxies.txt?format=text&session=${query}`)).toBe(
				ranked(session)
					.map((ip) => `${ip}:8899\n`)
					.join(""),
			);
		}
	});
});

describe("GET /proxy.pac", () => {
	const pac = async (path = "/proxy.pac") => {
		const response = await ask(path);
		expect([response.status, response.headers.get("Content-Type")]).toEqual([200, "application/x-ns-proxy-autoconfig"]);
		return response.text();
	};

	test("is 409 where the proxies ask for credentials, which no PAC can carry", async () => {
		const response = await ask("/proxy.pac");
		expect([response.status, (await bodyOf(response)).detail]).toEqual([409, expect.stringContaining("ONLY_HOST_IP")]);
	});

	test("names proxies and nothing else, beginning with another one for each site, and never goes without", async () => {
		const proxies = Array.from({ length: 12 }, (_, index) => [`proxy${index}`, `192.0.2.${index}`, 0] as const);
		await show(publicationOf(object, { version: 2, parts: [{ part: 0, proxies }], partCount: 1 }));
		const script = await pac();
		expect(script).not.toMatch(/DIRECT|user|pass/);
		const named = script.match(/192\.0\.2\.\d+:8899/g) ?? [];
		expect(named).toEqual(proxies.slice(0, 10).map(([, address]) => `${address}:8899`));
		expect(await pac("/proxy.pac?limit=1&exclude=192.0.2.0")).toContain('["192.0.2.1:8899"]');
	});

	test("leads nowhere while nothing is ready: a browser that is told of none goes without", async () => {
		const open = { PROXY_USERNAME: undefined, PROXY_PASSWORD: undefined, ONLY_HOST_IP: "True", HOST_IP: "192.0.2.7" };
		await show(readyPublication(object, 0, { version: 2 }));
		const response = await askWith(open, "/proxy.pac", KEY);
		expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('["127.0.0.1:1"]')]);
	});
});
