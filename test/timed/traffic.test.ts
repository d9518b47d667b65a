import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { curl, Dev, promised, SOON_MS, temporaryState } from "../e2e/harness.ts";

const hasCurl = (await curl("--version")).code === 0;

/** An HTTPS origin that answers with its caller's address. Its certificate is its own, for these tests only. */
const pem = readFileSync(join(import.meta.dirname, "origin.pem"));
const origin = createServer({ key: pem, cert: pem }, (request, response) => response.end(`${request.socket.remoteAddress}\n`));
let originPort = 0;

const state = temporaryState();
let dev: Dev;
beforeAll(async () => {
	await new Promise<void>((done) => origin.listen(0, "127.0.0.1", done));
	const address = origin.address();
	originPort = typeof address === "object" && address ? address.port : 0;
	// Credentials of characters that mean something in URLs, in units and in shells.
	dev = await Dev.start(state.directory, { PROXY_USERNAME: "u:s%r@/\"'$HOME", PROXY_PASSWORD: "p w`\\{}#?&ß" });
});
afterAll(async () => {
	origin.close();
	await dev?.stop();
	state.remove();
});

test("within boot time + 2 s of the ready line there is a proxy, and then the two that the pool is for", async () => {
	await promised(SOON_MS, () => dev.random());
	await promised(SOON_MS, async () => expect(await dev.proxies()).toHaveLength(2));
	expect(await dev.vms()).toHaveLength(2);
	expect(new Set(await dev.creates()).size).toBe(2);
	expect(await dev.creates()).toHaveLength(2);
});

describe.skipIf(!hasCurl)("a proxy carries what curl sends through it", () => {
	test("plain HTTP, from the proxy's own address", async () => {
		const proxy = await dev.random();
		expect(await curl("-x", proxy.url, `http://localhost:${dev.cloudPort}/ip`)).toMatchObject({ code: 0, out: `${proxy.ip}\n` });
	});

	test("CONNECT to an HTTPS origin", async () => {
		const proxy = await dev.random();
		expect(await curl("-k", "-x", proxy.url, `https://localhost:${originPort}/`)).toMatchObject({ code: 0, out: `${proxy.ip}\n` });
	});

	test("SOCKS5 with the name resolved by the proxy", async () => {
		const proxy = await dev.random();
		const { username, password, host } = new URL(proxy.url);
		const socks = `socks5h://${username}:${password}@${host}`;
		expect(await curl("-x", socks, `http://localhost:${dev.cloudPort}/ip`)).toMatchObject({ code: 0, out: `${proxy.ip}\n` });
	});

	test("nothing with wrong credentials or none: 407", async () => {
		const proxy = await dev.random();
		for (const url of [`http://${proxy.ip}:${proxy.port}`, `http://muster:wrong@${proxy.ip}:${proxy.port}`]) {
			const answer = await curl("-x", url, "-o", "/dev/null", "-w", "%{http_code}", `http://localhost:${dev.cloudPort}/ip`);
			expect(answer.out).toBe("407");
			const tunnel = await curl("-x", url, "-o", "/dev/null", "-w", "%{http_connect}", "-k", `https://localhost:${originPort}/`);
			expect(tunnel.out).toBe("407");
		}
	});
});
