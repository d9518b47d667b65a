import { describe, expect, test } from "vitest";
import { DROPLET, localCloud } from "./helpers.ts";
import { idleMachines } from "./machines.ts";

describe("faults", () => {
	test("a status hits as often as asked, does nothing, and speaks the cloud's words with the given headers", async () => {
		const { call, digitalocean } = localCloud();
		const fault = { provider: "digitalocean", operation: "create", times: 2, status: 429, headers: { "retry-after": "7" } };
		expect((await call("POST", "/_local/faults", fault)).status).toBe(201);
		for (let each = 0; each < 2; each++) {
			const answer = await digitalocean("POST", "/v2/droplets", DROPLET);
			expect([answer.status, answer.body.id, answer.headers.get("retry-after")]).toEqual([429, "too_many_requests", "7"]);
		}
		expect((await digitalocean("GET", "/v2/droplets")).body.droplets).toEqual([]);
		expect((await digitalocean("POST", "/v2/droplets", DROPLET)).status).toBe(202);
	});

	test("a dropped answer: the caller sees its connection break, and the VM exists", async () => {
		const { call, digitalocean } = localCloud();
		await call("POST", "/_local/faults", { provider: "digitalocean", operation: "create", dropAnswer: true });
		await expect(digitalocean("POST", "/v2/droplets", DROPLET)).rejects.toThrow("dropped");
		expect((await digitalocean("GET", "/v2/droplets")).body.droplets).toHaveLength(1);
		expect((await call("GET", "/_local/journal")).text).toContain('"dropped":true');
	});

	test("a failure after doing: the answer says 502, and the VM exists", async () => {
		const { call, digitalocean } = localCloud();
		await call("POST", "/_local/faults", { operation: "create", status: 502, body: "Bad Gateway", afterDoing: true });
		const answer = await digitalocean("POST", "/v2/droplets", DROPLET);
		expect([answer.status, answer.text]).toEqual([502, "Bad Gateway"]);
		expect((await digitalocean("GET", "/v2/droplets")).body.droplets).toHaveLength(1);
	});

	test("a lagging list misses what is new and still shows what was deleted; the VM itself can be read by its id", async () => {
		const { call, digitalocean, create, clock } = localCloud();
		const old = await create("old");
		clock.advance(10_000);
		await digitalocean("DELETE", `/v2/droplets/${old}`);
		const fresh = await create("fresh");
		clock.advance(1000);
		await call("POST", "/_local/faults", { operation: "list", listLagMs: 5000 });
		const names = async () => (await digitalocean("GET", "/v2/droplets")).body.droplets.map((each: { name: string }) => each.name);
		expect(await names()).toEqual(["old"]);
		expect((await digitalocean("GET", `/v2/droplets/${fresh}`)).status).toBe(200);
		expect(await names()).toEqual(["fresh"]);
	});

	test("an empty list is empty once, and a look by name is not a list", async () => {
		const { call, digitalocean, create } = localCloud();
		await create("one");
		await call("POST", "/_local/faults", { operation: "list", emptyList: true });
		expect((await digitalocean("GET", "/v2/droplets?name=one")).body.droplets).toHaveLength(1);
		expect((await digitalocean("GET", "/v2/droplets")).body.droplets).toEqual([]);
		expect((await digitalocean("GET", "/v2/droplets")).body.droplets).toHaveLength(1);
	});

	test("a create that fails later is accepted, then its action is errored and the droplet gone", async () => {
		const { call, digitalocean, clock } = localCloud({ bootMs: 1000 });
		await call("POST", "/_local/faults", { operation: "create", failLater: true });
		const { body } = await digitalocean("POST", "/v2/droplets", DROPLET);
		expect((await digitalocean("GET", `/v2/droplets/${body.droplet.id}`)).status).toBe(200);
		clock.advance(500);
		expect((await digitalocean("GET", `/v2/droplets/${body.droplet.id}`)).status).toBe(404);
		expect((await digitalocean("GET", `/v2/actions/${body.links.actions[0].id}`)).body.action.status).toBe("errored");
	});

	test("a VM that never boots becomes active, and no agent ever starts, also after a reboot", async () => {
		const started: string[] = [];
		const { call, digitalocean, create, clock } = localCloud({
			bootMs: 1000,
			machines: idleMachines({ boot: (vm) => started.push(vm.name) }),
		});
		await call("POST", "/_local/faults", { operation: "create", neverBoots: true });
		const id = await create("dead");
		clock.advance(5000);
		expect((await digitalocean("GET", `/v2/droplets/${id}`)).body.droplet.status).toBe("active");
		await digitalocean("POST", `/v2/droplets/${id}/actions`, { type: "power_cycle" });
		clock.advance(5000);
		expect(started).toEqual([]);
	});

	test("a delayed answer comes late, and what it answers was done at once", async () => {
		const { call, digitalocean, cloud, clock } = localCloud();
		await call("POST", "/_local/faults", { operation: "create", delayMs: 5000 });
		let isAnswered = false;
		const slow = digitalocean("POST", "/v2/droplets", DROPLET).then((answer) => {
			isAnswered = true;
			return answer;
		});
		while (!cloud.journal.text().includes('"method":"POST"')) await new Promise((resolve) => setImmediate(resolve));
		expect((await digitalocean("GET", "/v2/droplets")).body.droplets).toHaveLength(1);
		clock.advance(4999);
		await new Promise((resolve) => setImmediate(resolve));
		expect(isAnswered).toBe(false);
		clock.advance(1);
		expect((await slow).status).toBe(202);
	});

	test("a place that is sold out refuses as often as asked and in the cloud's own words; others do not, and other calls are let by", async () => {
		const { call, digitalocean } = localCloud();
		const fault = { provider: "digitalocean", operation: "create", region: "LON1", kind: "capacity", times: 2 };
		expect((await call("POST", "/_local/faults", fault)).status).toBe(201);
		expect((await digitalocean("POST", "/v2/droplets", { ...DROPLET, name: "b", region: "ams3" })).status).toBe(202);
		expect((await digitalocean("GET", "/v2/droplets?tag_name=muster")).status).toBe(200);
		const answers = [];
		for (let each = 0; each < 3; each++) answers.push(await digitalocean("POST", "/v2/droplets", DROPLET));
		expect(answers.map(({ status }) => status)).toEqual([422, 422, 202]);
		expect(answers[0]?.body).toMatchObject({ id: "unprocessable_entity", message: "Size is not available in this region." });
		expect((await call("GET", "/_local/journal")).text).not.toContain("prescribed");
	});

	test("a place is the VM's own for a call about a VM, and a list is about none", async () => {
		const { call, digitalocean, create } = localCloud();
		const [there, elsewhere] = [await create("there"), await create("elsewhere", { region: "ams3" })];
		await call("POST", "/_local/faults", { provider: "digitalocean", region: "lon1", status: 503, times: 1000 });
		const statusOf = async (method: string, path: string) => (await digitalocean(method, path)).status;
		expect(await statusOf("GET", "/v2/droplets")).toBe(200);
		expect(await statusOf("GET", `/v2/droplets/${elsewhere}`)).toBe(200);
		expect(await statusOf("DELETE", `/v2/droplets/${there}`)).toBe(503);
		expect((await digitalocean("DELETE", `/v2/droplets/${there}`, undefined, "unknown")).status).toBe(401);
	});

	test("a cloud that starts VMs only where it has room refuses a start as well", async () => {
		const { cloud, call } = localCloud();
		const scaleway = async (path: string, body: object) => {
			const headers = { "x-auth-token": "local-test", "content-type": "application/json" };
			const url = `http://cloud.test/scaleway/instance/v1/zones/fr-par-1${path}`;
			const answer = await cloud.fetch(new Request(url, { method: "POST", headers, body: JSON.stringify(body) }));
			return { status: answer.status, body: JSON.parse(await answer.text()) };
		};
		const project = "11111111-2222-4333-8444-555555555555";
		const made = await scaleway("/servers", { name: "a", commercial_type: "DEV1-S", image: "ubuntu_noble", project });
		await call("POST", "/_local/faults", { operation: "restart", region: "fr-par-1", kind: "capacity" });
		const on = () => scaleway(`/servers/${made.body.server.id}/action`, { action: "poweron" });
		expect(await on()).toMatchObject({ status: 412, body: { type: "out_of_stock" } });
		expect((await on()).status).toBe(202);
	});

	test("a probability hits that share of the calls", async () => {
		const draws = [0.9, 0.1, 0.5];
		const { call, digitalocean } = localCloud({ random: () => draws.shift() ?? 1 });
		await call("POST", "/_local/faults", { operation: "list", status: 500, times: 100, probability: 0.5 });
		const statuses = [];
		for (let each = 0; each < 3; each++) statuses.push((await digitalocean("GET", "/v2/droplets")).status);
		expect(statuses).toEqual([200, 500, 200]);
	});

	test.each([
		[{}, "give at least one of"],
		[{ status: 99 }, "status"],
		[{ provider: "acme", status: 500 }, "'acme' is none of digitalocean"],
		[{ operation: "explode", status: 500 }, "operation"],
		[{ operation: "delete", kind: "capacity" }, "kind fits create and restart"],
		[{ operation: "create", kind: "capacity", status: 500 }, "kind excludes status"],
		[{ operation: "create", kind: "quota" }, "kind"],
		[{ operation: "create", region: "nbg1" }, "give at least one of"],
		[{ operation: "delete", emptyList: true }, "listLagMs and emptyList fit list and get"],
		[{ operation: "list", neverBoots: true }, "failLater and neverBoots fit create"],
		[{ status: 500, dropAnswer: true }, "a dropped answer has no status"],
		[{ delayMs: 5, headers: { a: "b" } }, "need a status"],
		[{ status: 500, tims: 3 }, "tims"],
	])("nonsense is refused with a sentence: %o", async (fault, sentence) => {
		const { call } = localCloud();
		const answer = await call("POST", "/_local/faults", fault);
		expect(answer.status).toBe(422);
		expect(answer.body.error).toContain(sentence);
	});

	test("DELETE forgets them", async () => {
		const { call, digitalocean } = localCloud();
		await call("POST", "/_local/faults", { status: 500, times: 1000 });
		expect((await call("GET", "/_local/faults")).body).toMatchObject([{ left: 1000 }]);
		await call("DELETE", "/_local/faults");
		expect((await digitalocean("GET", "/v2/droplets")).status).toBe(200);
	});
});

describe("controls", () => {
	test("they list what exists, delete a VM behind its owner's back, and kill its agent", async () => {
		const events: string[] = [];
		const machines = idleMachines({ boot: () => events.push("boot"), halt: () => events.push("halt") });
		const { call, digitalocean, create, clock } = localCloud({ bootMs: 1000, machines });
		const id = await create("one");
		expect((await call("GET", "/_local/vms")).body).toEqual([
			{ provider: "digitalocean", id: String(id), name: "one", ip: null, state: "new" },
		]);
		clock.advance(1000);
		const [vm] = (await call("GET", "/_local/vms")).body;
		expect(vm).toMatchObject({ state: "active", ip: expect.stringMatching(/^127\./) });
		await call("POST", `/_local/vms/${id}/kill-agent`);
		expect(events).toEqual(["boot", "halt", "boot"]);
		await call("POST", `/_local/vms/${id}/kill-agent`, { forever: true });
		expect(events).toEqual(["boot", "halt", "boot", "halt"]);
		expect((await call("POST", `/_local/vms/${id}/kill-agent`)).status).toBe(409);
		expect((await call("DELETE", `/_local/vms/${id}`)).status).toBe(204);
		expect((await call("GET", "/_local/vms")).body).toEqual([]);
		expect((await digitalocean("GET", `/v2/droplets/${id}`)).status).toBe(404);
		expect((await call("DELETE", `/_local/vms/${id}`)).status).toBe(404);
	});

	test("the journal holds each call to a cloud, a line each, without the token and the user data", async () => {
		const { call, digitalocean, create } = localCloud();
		await create("one", { user_data: "#cloud-config\n# top secret" });
		await digitalocean("GET", "/v2/droplets?tag_name=muster&page=1");
		const { text } = await call("GET", "/_local/journal");
		const lines = text
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line));
		expect(lines).toMatchObject([
			{ provider: "digitalocean", method: "POST", url: "/v2/droplets", status: 202 },
			{ provider: "digitalocean", method: "GET", url: "/v2/droplets?tag_name=muster&page=1", requestBody: "", status: 200 },
		]);
		expect(JSON.parse(lines[0].requestBody)).toEqual({ ...DROPLET, name: "one", user_data: "x".repeat(26) });
		expect(JSON.parse(lines[0].responseBody).droplet.name).toBe("one");
		expect(text).not.toMatch(/local-test|top secret/);
		await call("DELETE", "/_local/journal");
		expect((await call("GET", "/_local/journal")).text).toBe("");
	});

	test("/ip is the caller's address; a cloud that is not spoken is 404 and says which are", async () => {
		const { call } = localCloud();
		expect((await call("GET", "/ip")).text).toBe("127.0.0.9\n");
		const answer = await call("GET", "/acme/v2/droplets");
		expect([answer.status, answer.body.error]).toEqual([404, expect.stringContaining("/digitalocean")]);
	});
});
