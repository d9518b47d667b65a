import { afterAll, beforeAll, expect, test } from "vitest";
import { curl, Dev, freePort, TIMES, temporaryState, within } from "./harness.ts";

/** An agent hears of a change at its next heartbeat. */
const HEARD_MS = 2 * TIMES.interval * 1000 + 3000;
const OLD = { PROXY_USERNAME: "old", PROXY_PASSWORD: "o'ld" };
const NEW = { PROXY_USERNAME: "new", PROXY_PASSWORD: "n:e w/" };

const state = temporaryState();
let dev: Dev;
let ports: readonly [number, number];
beforeAll(async () => {
	ports = [await freePort(), await freePort()];
});
afterAll(async () => {
	await dev?.stop();
	state.remove();
});

async function startWith(settings: Readonly<Record<string, string>>): Promise<void> {
	await dev?.stop();
	dev = new Dev(state.directory, ...ports, settings);
	await dev.ready();
}

const ids = async () => (await dev.vms()).map((vm) => vm.id).sort();

/** What a client at `from` gets through a proxy: its answer's status, or how curl failed. */
async function through(url: string, from: string): Promise<string> {
	const { code, out } = await curl(
		"--interface",
		from,
		"-x",
		url,
		"-o",
		"/dev/null",
		"-w",
		"%{http_code}",
		`http://127.0.0.1:${ports[1]}/ip`,
	);
	return code === 0 ? out : `curl ${code}`;
}

/** Whom the cloud's own firewall lets in. */
async function admitted(): Promise<readonly string[]> {
	const response = await fetch(`http://127.0.0.1:${ports[1]}/digitalocean/v2/firewalls`, {
		headers: { authorization: "Bearer local-dev" },
	});
	const { firewalls } = (await response.json()) as { firewalls: { inbound_rules: { sources: { addresses: string[] } }[] }[] };
	return firewalls.flatMap(({ inbound_rules }) => inbound_rules.flatMap(({ sources }) => sources.addresses));
}

let vms: readonly string[];

test("proxies serve anyone who has the credentials", async () => {
	await startWith(OLD);
	await within(30_000, async () => expect(await dev.proxies()).toHaveLength(2));
	vms = await ids();
	const { url } = await dev.random();
	expect(new URL(url).username).toBe("old");
	expect(await through(url, "127.0.0.9")).toBe("200");
	expect(await admitted()).toEqual(["0.0.0.0/0", "::/0"]);
});

test("new credentials reach the same VMs, are what their URLs say once they are known there, and the old ones go on for a while", async () => {
	const before = (await dev.random()).url;
	await startWith(NEW);
	await within(HEARD_MS + 15_000, async () => {
		const proxies = await dev.proxies();
		expect(proxies).toHaveLength(2);
		for (const { url } of proxies) expect(decodeURIComponent(new URL(url).password)).toBe("n:e w/");
	});
	for (const { url } of await dev.proxies()) expect(await through(url, "127.0.0.9")).toBe("200");
	expect(await through(before, "127.0.0.9")).toBe("200");
	expect(await ids()).toEqual(vms);
});

test("who starts it hears that a password must be percent-encoded in URLs, without the password, and of one that need not hears nothing", async () => {
	expect(dev.output).toMatch(/^Warning: PROXY_PASSWORD has characters that must be percent-encoded/m);
	expect(dev.output).not.toContain(NEW.PROXY_PASSWORD);
	expect(dev.output).not.toContain("Warning: PROXY_USERNAME");
});

test("ONLY_HOST_IP reaches them too: the firewall and the agents let in whom it names and nobody else", async () => {
	await startWith({ ...NEW, ONLY_HOST_IP: "True", HOST_IP: "127.0.0.1, 2001:db8::7" });
	expect((await dev.api("GET", "/auth")).body.auth).toEqual({
		username_configured: true,
		password_configured: true,
		only_host_ip: true,
		host_ip: "127.0.0.1, 2001:db8::7",
	});
	await within(HEARD_MS + 15_000, async () => {
		expect((await admitted()).toSorted()).toEqual(["127.0.0.1/32", "2001:db8::7/128"]);
		const proxies = await dev.proxies();
		expect(proxies).toHaveLength(2);
		for (const { url } of proxies) {
			expect(await through(url, "127.0.0.9")).not.toBe("200");
			expect(await through(url, "127.0.0.1")).toBe("200");
		}
	});
	expect(await ids()).toEqual(vms);
});

test("and they go on in that way, until it is lifted", async () => {
	const { url } = await dev.random();
	await startWith(NEW);
	await within(HEARD_MS + 15_000, async () => {
		expect(await admitted()).toEqual(["0.0.0.0/0", "::/0"]);
		expect(await through(url, "127.0.0.9")).toBe("200");
	});
	await within(30_000, async () => expect(await dev.proxies()).toHaveLength(2));
	expect(await ids()).toEqual(vms);
	expect((await dev.api("GET", "/health")).body.status).toBe("healthy");
});

test("PUT /auth changes them without a deploy, and what /random hands out is refused at no moment of it", async () => {
	const before = await dev.random();
	const answers: string[] = [];
	let isOver = false;
	const client = (async () => {
		while (!isOver) {
			const proxy = await dev.random().catch(() => null);
			if (proxy !== null) answers.push(await through(proxy.url, "127.0.0.9"));
		}
	})();
	const { status, body } = await dev.api("PUT", "/auth", { username: "third" });
	expect([status, body.username, body.source]).toEqual([200, "third", "api"]);
	const login = `third:${body.password}`;
	await within(HEARD_MS + 15_000, async () => {
		const shown = await dev.proxies();
		expect(shown).toHaveLength(2);
		for (const { url, ip, port } of shown) {
			expect(url).toBe(`http://${login}@${ip}:${port}`);
			expect(await through(url, "127.0.0.9")).toBe("200");
		}
		expect((await dev.api("GET", "/auth")).body.in_force).toEqual({ proxies: 2, of: 2 });
	});
	isOver = true;
	await client;
	expect(answers).toContain("200");
	expect(answers).not.toContain("407");
	expect(await through(before.url, "127.0.0.9"), "the former are good for a while").toBe("200");
	expect(await through(`http://third:wrong@${before.ip}:${before.port}`, "127.0.0.9")).toBe("407");
	expect(await ids()).toEqual(vms);
	expect(dev.output).not.toContain(String(body.password));
});

test("and has the former refused at once where it is told to", async () => {
	const { url } = await dev.random();
	expect((await dev.api("PUT", "/auth", { former_seconds: 0 })).status).toBe(200);
	await within(HEARD_MS, async () => expect(await through(url, "127.0.0.9")).toBe("407"));
	await within(HEARD_MS + 15_000, async () => expect(await through((await dev.random()).url, "127.0.0.9")).toBe("200"));
});

test("and DELETE /auth goes back to the secrets", async () => {
	expect((await dev.api("DELETE", "/auth")).body).toMatchObject({ source: "environment", password: NEW.PROXY_PASSWORD });
	await within(HEARD_MS + 15_000, async () => {
		for (const { url } of await dev.proxies()) expect(decodeURIComponent(new URL(url).password)).toBe(NEW.PROXY_PASSWORD);
	});
});
