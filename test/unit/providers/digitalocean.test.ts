import { beforeEach, describe, expect, it } from "vitest";
import type { Failure } from "../../../src/core/model/failure.ts";
import type { Rate } from "../../../src/core/model/state.ts";
import { type CreateRequest, type Provider, ProviderError } from "../../../src/providers/base/provider.ts";
import { digitalocean } from "../../../src/providers/digitalocean/driver.ts";
import type { DigitalOceanAccount } from "../../../src/providers/digitalocean/settings.ts";
import { answer, type Call, contextOf, FakeDigitalOcean, refuse } from "./fake-digitalocean.ts";

const NOW = 1_700_000_000_000;
const INTENT = "intent0001";
const NAME = `muster-dep1-${INTENT}`;
const ask: CreateRequest = {
	name: NAME,
	tags: { deployment: "dep1", pool: "pool1", intent: INTENT },
	userData: "#cloud-config\nwrite_files: [{content: H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTVWqBQ}]\n",
	allow: [],
	port: 8899,
};
const wantedByName = { vm: null, name: NAME, tags: { deployment: "dep1", intent: INTENT } };

let accounts = 0;
let account: DigitalOceanAccount;
let cloud: FakeDigitalOcean;
let driver: Provider;
/** A driver as each pass makes it anew, with the account's token (each test has its own, hence its own firewall memory). */
const open = (more: Parameters<typeof contextOf>[1] = {}) => digitalocean.create(account, contextOf(cloud, more));
beforeEach(() => {
	account = digitalocean.schema.parse({ access_token: `dop_v1_${++accounts}` });
	cloud = new FakeDigitalOcean(account.access_token);
	driver = open();
});

async function failureOf(doing: Promise<unknown>): Promise<Failure> {
	try {
		await doing;
	} catch (error) {
		if (error instanceof ProviderError) return error.failure;
		throw error;
	}
	throw new Error("it did not fail");
}
const on = (method: string, path: string | RegExp, respond: (call: Call) => Response | Promise<Response>) => {
	cloud.intercept = (call) => {
		const isIt = call.method === method && (typeof path === "string" ? call.path === path : path.test(call.path));
		return isIt ? respond(call) : null;
	};
};
const dropletOf = (tags: string[], more: object = {}) => Object.assign(cloud.make({ name: NAME, tags }), more);
const OURS = ["muster", "muster-deployment:dep1", "muster-pool:pool1", `muster-intent:${INTENT}`];

describe("create", () => {
	it("makes one small, tagged droplet and returns it as starting and without an address", async () => {
		expect(await driver.create(ask)).toEqual({ vm: "1000", name: NAME, state: "starting", address: null, tags: ask.tags });
		expect(cloud.droplets.map(({ request }) => request)).toEqual([
			{
				name: NAME,
				region: "lon1",
				size: "s-1vcpu-512mb-10gb",
				image: "ubuntu-24-04-x64",
				user_data: ask.userData,
				tags: OURS,
				ipv6: false,
				backups: false,
				monitoring: false,
				with_droplet_agent: false,
			},
		]);
	});

	it("names an image of the account's own by its number", async () => {
		account = { ...account, image: "63663980" };
		await open().create(ask);
		expect(cloud.droplets[0]?.request?.image).toBe(63663980);
	});

	it("knows the tags even where the answer lacks them", async () => {
		on("POST", "/v2/droplets", (call) => answer(202, { droplet: { ...cloud.make(call.body), tags: [] } }));
		expect((await driver.create(ask)).tags).toEqual(ask.tags);
	});

	it.each<[string, (call: Call) => Response | Promise<Response>]>([
		["the connection drops after it was done", (call) => Promise.reject(new TypeError(String(cloud.handle(call).status)))],
		["the answer is a 500", () => refuse(500, "server_error", "Unexpected server-side error")],
		["the answer is a gateway's page", () => new Response("<html>Bad gateway</html>", { status: 502 })],
		["a 202 cannot be read", () => new Response("{", { status: 202 })],
		["a 202 holds no droplet", () => answer(202, {})],
	])("is unknown, and not tried again, when %s", async (_, respond) => {
		on("POST", "/v2/droplets", respond);
		expect((await failureOf(driver.create(ask))).kind).toBe("unknown");
		expect(cloud.asked("POST", "/v2/droplets")).toBe(1);
	});

	it.each<[string, number, string, string]>([
		["auth", 401, "unauthorized", "Unable to authenticate you"],
		["auth", 403, "forbidden", "You are not authorized to perform this operation"],
		["quota", 422, "unprocessable_entity", "creating this/these droplet(s) will exceed your droplet limit"],
		["capacity", 422, "unprocessable_entity", "Size is not available in this region."],
		["invalid", 422, "unprocessable_entity", "You specified an invalid image for Droplet creation."],
		["invalid", 404, "not_found", "The image you were accessing could not be found."],
		["invalid", 400, "bad_request", "Name is missing"],
	])("fails as %s, with the cloud's own sentence, on %i %s", async (kind, status, id, message) => {
		on("POST", "/v2/droplets", () => refuse(status, id, message));
		expect(await failureOf(driver.create(ask))).toEqual({ kind, message: `DigitalOcean: ${message} (HTTP ${status})` });
		expect(cloud.droplets).toEqual([]);
	});

	it("honours Retry-After on a burst, else the reset", async () => {
		const rate = { "ratelimit-limit": "5000", "ratelimit-remaining": "0", "ratelimit-reset": String(NOW / 1000 + 600) };
		on("POST", "/v2/droplets", () => refuse(429, "too_many_requests", "API Rate limit exceeded.", { ...rate, "retry-after": "3" }));
		expect(await failureOf(driver.create(ask))).toMatchObject({ kind: "rate", retryAt: NOW + 3_000 });
		on("POST", "/v2/droplets", () => refuse(429, "too_many_requests", "API Rate limit exceeded.", rate));
		expect(await failureOf(driver.create(ask))).toMatchObject({ kind: "rate", retryAt: NOW + 600_000 });
	});

	it("repeats neither the token nor the user data, whatever the cloud says", async () => {
		on("POST", "/v2/droplets", () => refuse(422, "unprocessable_entity", `token ${account.access_token}`));
		expect((await failureOf(driver.create(ask))).message).toBe("DigitalOcean: token *** (HTTP 422)");
		on("POST", "/v2/droplets", (call) => refuse(422, "unprocessable_entity", `user_data ${call.body.user_data}`));
		expect((await failureOf(driver.create(ask))).message).not.toContain("H4sI");
		on("POST", "/v2/droplets", () => Promise.reject(new Error(`Bearer ${account.access_token}`)));
		expect((await failureOf(driver.create(ask))).message).not.toContain(account.access_token);
	});
});

describe("the firewall", () => {
	const port = { protocol: "tcp", ports: "8899", sources: { addresses: ["0.0.0.0/0", "::/0"] } };

	const everywhere = { addresses: ["0.0.0.0/0", "::/0"] };
	const right = {
		name: "muster-dep1",
		tags: ["muster-deployment:dep1"],
		inbound_rules: [port],
		outbound_rules: [
			{ protocol: "tcp", ports: "1-65535", destinations: everywhere },
			{ protocol: "udp", ports: "1-65535", destinations: everywhere },
		],
	};
	const sequence = () => cloud.calls.map(({ method, path }) => `${method} ${path}`);

	it("lets the proxy port in and everything out, on the deployment's tag, and is there before the droplet", async () => {
		cloud.tags.add("muster-deployment:dep1");
		await driver.create(ask);
		expect(cloud.firewalls).toMatchObject([right]);
		expect(sequence()).toEqual(["GET /v2/firewalls", "POST /v2/firewalls", "POST /v2/droplets"]);
	});

	it("follows the very first droplet, which makes its tag", async () => {
		await driver.create(ask);
		expect(cloud.firewalls).toMatchObject([right]);
		expect(sequence()).toEqual([
			"GET /v2/firewalls",
			"POST /v2/firewalls",
			"GET /v2/tags/muster-deployment%3Adep1",
			"POST /v2/droplets",
			"GET /v2/firewalls",
			"POST /v2/firewalls",
		]);
	});

	/**
	 * A has found the tag missing and makes its droplet. C begins, finds the tag missing too, and is slow to hear so. A's
	 * droplet is there: A's firewall must not fail with what C heard.
	 */
	it("is made for the first droplet though another create is still finding its tag missing", async () => {
		const breaker = () => {
			let open = () => {};
			const passed = new Promise<void>((resolve) => {
				open = resolve;
			});
			return { open: () => open(), passed };
		};
		const [dropletOfA, tagOfC, cIsAsking] = [breaker(), breaker(), breaker()];
		let tagsAsked = 0;
		cloud.intercept = async (call) => {
			if (call.method === "POST" && call.path === "/v2/droplets" && call.body.name === NAME) await dropletOfA.passed;
			if (call.method === "GET" && call.path.startsWith("/v2/tags/") && ++tagsAsked === 2) {
				cIsAsking.open();
				await tagOfC.passed;
				return refuse(404, "not_found", "no such tag");
			}
			return cloud.handle(call);
		};
		const a = driver.create(ask);
		await expect.poll(() => cloud.asked("POST", "/v2/droplets")).toBe(1);
		const c = open().create({ ...ask, name: "muster-dep1-intent0002" });
		await cIsAsking.passed;
		dropletOfA.open();
		await expect.poll(() => cloud.droplets.length).toBe(1);
		tagOfC.open();
		expect((await Promise.all([a, c])).map(({ vm }) => vm)).toEqual(["1000", "1001"]);
		expect(cloud.firewalls).toMatchObject([right]);
	});

	it("makes its tag itself where the droplet's are not there yet", async () => {
		on("POST", "/v2/droplets", (call) => {
			const made = cloud.handle(call);
			cloud.tags.clear();
			return made;
		});
		await driver.create(ask);
		expect([cloud.firewalls.length, cloud.asked("POST", "/v2/tags"), cloud.droplets.length]).toEqual([1, 1, 1]);
	});

	/** Anything else than `unknown` would say that nothing was made, and a second droplet would be bought. */
	it("leaves the create unknown when it fails after the first droplet was made, and is there before the second", async () => {
		cloud.intercept = (call) =>
			call.path === "/v2/firewalls" && cloud.droplets.length > 0 ? refuse(403, "forbidden", "not for you") : null;
		expect(await failureOf(driver.create(ask))).toEqual({
			kind: "unknown",
			message: "droplet 1000 was made, its firewall was not: DigitalOcean: not for you (HTTP 403)",
		});
		expect(await driver.find(wantedByName)).toMatchObject({ vm: "1000" });
		cloud.intercept = () => null;
		cloud.calls.length = 0;
		await open().create({ ...ask, name: "muster-dep1-intent0002" });
		expect(sequence()).toEqual(["GET /v2/firewalls", "POST /v2/firewalls", "POST /v2/droplets"]);
	});

	it("lets only the allow list in where there is one", async () => {
		await driver.create({ ...ask, allow: ["192.0.2.1/32", "2001:db8::/32"] });
		expect(cloud.firewalls[0]?.inbound_rules).toEqual([{ ...port, sources: { addresses: ["192.0.2.1/32", "2001:db8::/32"] } }]);
	});

	it("is made once for all creates of an account, however many go out at once", async () => {
		await Promise.all([1, 2, 3, 4, 5].map((n) => open().create({ ...ask, name: `${NAME}${n}` })));
		await open().create(ask);
		expect(cloud.droplets.length).toBe(6);
		// Tried once before the first droplets, whose tag does not exist before they do, made once after them, and looked at once more.
		expect([cloud.asked("GET", "/v2/firewalls"), cloud.asked("POST", "/v2/firewalls"), cloud.firewalls.length]).toEqual([3, 2, 1]);
		await open().create(ask);
		expect(cloud.asked("GET", "/v2/firewalls")).toBe(3);
	});

	it("is each account's own", async () => {
		await driver.create(ask);
		account = { ...account, access_token: "dop_v1_another" };
		cloud = new FakeDigitalOcean(account.access_token);
		await open().create(ask);
		expect(cloud.firewalls.length).toBe(1);
	});

	it("is found by name on any page, and left alone when it is as it should be, however the API spells that", async () => {
		for (let n = 0; n < 450; n++)
			cloud.firewalls.push({ id: `f${n}`, name: `other-${n}`, tags: [], inbound_rules: [], outbound_rules: [] });
		cloud.firewalls.push({
			id: "ours",
			name: "muster-dep1",
			tags: ["muster-deployment:dep1"],
			inbound_rules: [{ ...port, sources: { addresses: ["2001:DB8::1", "192.0.2.1"] } }],
			outbound_rules: ["icmp", "udp", "tcp"].map((protocol) => ({
				protocol,
				ports: "0",
				destinations: { addresses: ["::/0", "0.0.0.0/0"] },
			})),
		});
		await driver.create({ ...ask, allow: ["192.0.2.1/32", "2001:db8::1/128"] });
		expect(cloud.calls.map(({ method }) => method)).toEqual(["GET", "GET", "GET", "POST"]);
	});

	it.each<[string, object]>([
		["another source", { inbound_rules: [{ ...port, sources: { addresses: ["10.0.0.0/8"] } }] }],
		["a source that is a tag", { inbound_rules: [{ ...port, sources: { ...port.sources, tags: ["web"] } }] }],
		["a further rule", { inbound_rules: [port, { ...port, ports: "22" }] }],
		["another port", { inbound_rules: [{ ...port, ports: "8080" }] }],
		["no inbound rule", { inbound_rules: [] }],
		["no way out", { outbound_rules: [] }],
		["another tag", { tags: ["web"] }],
	])("is mended, never doubled, when it has %s", async (_, drift) => {
		await driver.create(ask);
		const before = structuredClone(cloud.firewalls);
		Object.assign(cloud.firewalls[0] ?? {}, drift);
		// Another isolate, which remembers nothing: here, ten minutes later.
		await open({ now: () => NOW + 600_001 }).create(ask);
		expect(cloud.firewalls).toEqual(before);
	});

	it("follows the allow list at once", async () => {
		await driver.create(ask);
		await open().create({ ...ask, allow: ["192.0.2.1/32"] });
		expect(cloud.firewalls.map(({ inbound_rules }) => inbound_rules[0]?.sources)).toEqual([{ addresses: ["192.0.2.1/32"] }]);
	});

	it.each<[string, string, string, () => Response]>([
		["its list fails", "GET", "/v2/firewalls", () => refuse(500, "server_error", "Unexpected server-side error")],
		["its making is lost", "POST", "/v2/firewalls", () => refuse(504, "gateway_timeout", "timeout")],
		["someone else made it meanwhile", "POST", "/v2/firewalls", () => refuse(409, "conflict", "duplicate name")],
	])("lets no droplet be made when %s, and is tried again by the next create", async (_, method, path, respond) => {
		on(method, path, respond);
		expect((await failureOf(driver.create(ask))).kind).toBe("transient");
		expect(cloud.droplets).toEqual([]);
		cloud.intercept = () => null;
		await open().create(ask);
		expect([cloud.droplets.length, cloud.firewalls.length]).toEqual([1, 1]);
	});

	it("is not missed by the isolate that came second", async () => {
		cloud.tags.add("muster-deployment:dep1");
		let isFirst = true;
		on("POST", "/v2/firewalls", (call) => {
			// Between this isolate's look and its POST another one makes the very same.
			if (isFirst) cloud.handle(call);
			isFirst = false;
			return cloud.handle(call);
		});
		await driver.create(ask);
		expect([cloud.firewalls.length, cloud.droplets.length]).toEqual([1, 1]);
		expect(sequence()).toEqual(["GET /v2/firewalls", "POST /v2/firewalls", "GET /v2/firewalls", "POST /v2/droplets"]);
	});

	it("says why when the account may not have one", async () => {
		on("POST", "/v2/firewalls", () => refuse(403, "forbidden", "missing scope firewall:create"));
		expect(await failureOf(driver.create(ask))).toMatchObject({ kind: "auth", message: expect.stringContaining("firewall:create") });
	});
});

describe("list", () => {
	it("gives every page, each droplet once, with its address and its owner", async () => {
		cloud.pageSize = 2;
		for (let n = 0; n < 5; n++) dropletOf(OURS);
		Object.assign(cloud.droplets[0] ?? {}, {
			status: "active",
			networks: {
				v4: [
					{ ip_address: "10.1.1.1", type: "private" },
					{ ip_address: "192.0.2.7", type: "public" },
				],
			},
		});
		// A droplet made between two pages moves the others on.
		on("GET", "/v2/droplets", (call) => {
			if (call.url.searchParams.get("page") === "2") cloud.droplets.unshift({ ...dropletOf(["muster"]), id: 1 });
			return cloud.handle(call);
		});
		const vms = await driver.list();
		expect(new Set(vms.map(({ vm }) => vm)).size).toBe(vms.length);
		expect(vms.map(({ vm }) => vm)).toEqual(expect.arrayContaining(["1000", "1001", "1002", "1003", "1004"]));
		expect(vms[0]).toEqual({ vm: "1000", name: NAME, state: "running", address: "192.0.2.7", tags: ask.tags });
		expect(
			cloud.calls.every(({ url }) => url.searchParams.get("tag_name") === "muster" && url.searchParams.get("per_page") === "200"),
		).toBe(true);
	});

	it("maps the states, and reads a droplet whose owner is unclear as no one's", async () => {
		for (const status of ["new", "active", "off", "archive"]) dropletOf([...OURS, "muster-deployment:dep2"], { status });
		const vms = await driver.list();
		expect(vms.map(({ state }) => state)).toEqual(["starting", "running", "off", "off"]);
		expect(vms[0]?.tags).toEqual({ deployment: null, pool: "pool1", intent: INTENT });
	});

	it("throws rather than return a part", async () => {
		cloud.pageSize = 1;
		for (let n = 0; n < 3; n++) dropletOf(OURS);
		on("GET", "/v2/droplets", (call) =>
			call.url.searchParams.get("page") === "3" ? refuse(503, "service_unavailable", "busy") : cloud.handle(call),
		);
		expect((await failureOf(driver.list())).kind).toBe("transient");
		on("GET", "/v2/droplets", () => answer(200, { droplets: [{ id: "a" }] }));
		expect((await failureOf(driver.list())).kind).toBe("transient");
		on("GET", "/v2/droplets", () => answer(200, {}));
		expect((await failureOf(driver.list())).kind).toBe("transient");
	});

	it("never follows a link to another host", async () => {
		cloud.pageSize = 1;
		for (let n = 0; n < 3; n++) dropletOf(OURS);
		cloud.linkBase = "https://evil.example";
		expect((await driver.list()).length).toBe(3);
		expect(new Set(cloud.calls.map(({ url }) => url.host))).toEqual(new Set(["api.digitalocean.com"]));
	});

	it.each([
		["back to the same page", "/v2/droplets?page=1"],
		["nowhere", "/v2/droplets"],
		["to no number", "/v2/droplets?page=x"],
	])("does not go round in circles when the next page leads %s", async (_, next) => {
		on("GET", "/v2/droplets", () => answer(200, { droplets: [], links: { pages: { next } } }));
		expect((await failureOf(driver.list())).kind).toBe("transient");
		expect(cloud.calls.length).toBe(1);
	});

	it("ends a list that has no end", async () => {
		on("GET", "/v2/droplets", ({ url }) => {
			const next = `/v2/droplets?page=${Number(url.searchParams.get("page")) + 1}`;
			return answer(200, { droplets: [], links: { pages: { next } } });
		});
		expect((await failureOf(driver.list())).kind).toBe("transient");
		expect(cloud.calls.length).toBeLessThanOrEqual(100);
	});

	it("tells what is left of the account's rate limit, and stops when the pass has no call left", async () => {
		const rates: Rate[] = [];
		const headers = { "ratelimit-limit": "5000", "ratelimit-remaining": "42", "ratelimit-reset": "1700000100" };
		on("GET", "/v2/droplets", () => answer(200, { droplets: [] }, headers));
		await open({ observeRate: (rate) => rates.push(rate) }).list();
		expect(rates).toEqual([{ limit: 5000, remaining: 42, resetAt: 1_700_000_100_000 }]);

		const countCall = () => {
			throw new ProviderError({ kind: "transient", message: "no call left" });
		};
		expect((await failureOf(open({ countCall }).list())).message).toBe("no call left");
		expect(cloud.calls.length).toBe(1);
	});

	it("goes where the account's API is", async () => {
		account = digitalocean.schema.parse({ access_token: account.access_token, api_url: "http://localhost:8790/digitalocean/" });
		on("GET", "/digitalocean/v2/droplets", () => answer(200, { droplets: [] }));
		await open().list();
		expect(cloud.calls[0]?.url.href).toBe("http://localhost:8790/digitalocean/v2/droplets?tag_name=muster&per_page=200&page=1");
	});
});

describe("find", () => {
	it("finds by name a droplet whose create's answer was lost", async () => {
		on("POST", "/v2/droplets", (call) => {
			cloud.handle(call);
			return Promise.reject(new TypeError("connection lost"));
		});
		expect((await failureOf(driver.create(ask))).kind).toBe("unknown");
		expect(await driver.find(wantedByName)).toMatchObject({ vm: "1000", name: NAME, tags: ask.tags });
		expect(cloud.calls.at(-1)?.url.search).toBe(`?name=${NAME}&per_page=200&page=1`);
	});

	it("finds by id", async () => {
		dropletOf(OURS, { status: "active" });
		expect(await driver.find({ ...wantedByName, vm: "1000" })).toMatchObject({ vm: "1000", state: "running" });
		expect(cloud.calls.map(({ path }) => path)).toEqual(["/v2/droplets/1000"]);
	});

	it("says null only when the cloud says that there is none", async () => {
		expect(await driver.find(wantedByName)).toBeNull();
		expect(await driver.find({ ...wantedByName, vm: "4711" })).toBeNull();
		on("GET", /./, () => refuse(500, "server_error", "Unexpected server-side error"));
		expect((await failureOf(driver.find(wantedByName))).kind).toBe("transient");
		expect((await failureOf(driver.find({ ...wantedByName, vm: "4711" }))).kind).toBe("transient");
		on("GET", /./, () => refuse(401, "unauthorized", "Unable to authenticate you"));
		expect((await failureOf(driver.find({ ...wantedByName, vm: "4711" }))).kind).toBe("auth");
	});

	it.each([
		["has no tags", []],
		["belongs to another deployment", ["muster", "muster-deployment:dep2", `muster-intent:${INTENT}`]],
		["belongs to another intent", ["muster", "muster-deployment:dep1", "muster-intent:other"]],
	])("takes a droplet of that name or id that %s for none", async (_, tags) => {
		dropletOf(tags);
		expect(await driver.find(wantedByName)).toBeNull();
		expect(await driver.find({ ...wantedByName, vm: "1000" })).toBeNull();
	});

	it("finds the same one of two each time", async () => {
		dropletOf(OURS);
		dropletOf(OURS);
		cloud.droplets.reverse();
		expect((await driver.find(wantedByName))?.vm).toBe("1000");
	});
});

describe("delete and restart", () => {
	it("deletes one droplet by its id, never by tag", async () => {
		dropletOf(OURS);
		dropletOf(OURS);
		await driver.delete("1001");
		expect(cloud.droplets.map(({ id }) => id)).toEqual([1000]);
		expect(cloud.calls.map(({ method, url }) => `${method} ${url.pathname}${url.search}`)).toEqual(["DELETE /v2/droplets/1001"]);
	});

	it.each<[string, number, string]>([
		["notFound", 404, "The resource you were accessing could not be found."],
		["conflict", 422, "Droplet already has a pending event."],
		["conflict", 422, "The droplet is currently locked"],
		["conflict", 409, "conflict"],
		["unknown", 500, "Unexpected server-side error"],
	])("fails to delete as %s on %i %s", async (kind, status, message) => {
		on("DELETE", /./, () => refuse(status, "id", message));
		expect((await failureOf(driver.delete("1000"))).kind).toBe(kind);
		expect(cloud.calls.length).toBe(1);
	});

	it("cannot be led to another path by an id", async () => {
		expect((await failureOf(driver.delete("?tag_name=muster"))).kind).toBe("notFound");
		expect(cloud.calls[0]?.url.search).toBe("");
	});

	it("reboots in one step", async () => {
		dropletOf(OURS);
		await driver.restart("1000", "off");
		await driver.restart("1000", "on");
		expect(cloud.calls.map(({ path, body }) => [path, body])).toEqual([["/v2/droplets/1000/actions", { type: "reboot" }]]);
		expect(digitalocean.twoStepRestart).toBe(false);
	});

	it("pushes the reset button when a reboot is refused as impossible, and only then", async () => {
		dropletOf(OURS);
		on("POST", /actions$/, (call) =>
			call.body.type === "reboot" ? refuse(422, "unprocessable_entity", "Droplet is currently powered off") : cloud.handle(call),
		);
		await driver.restart("1000", "off");
		expect(cloud.calls.map(({ body }) => body.type)).toEqual(["reboot", "power_cycle"]);

		for (const [status, kind] of [
			[500, "unknown"],
			[409, "conflict"],
			[404, "notFound"],
		] as const) {
			cloud.calls.length = 0;
			on("POST", /actions$/, () => refuse(status, "id", "no"));
			expect((await failureOf(driver.restart("1000", "off"))).kind).toBe(kind);
			expect(cloud.calls.length).toBe(1);
		}
	});
});
