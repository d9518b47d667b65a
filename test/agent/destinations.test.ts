import { describe, expect, it } from "vitest";
import {
	type Agent,
	ask,
	basic,
	eventually,
	httpOrigin,
	lookups,
	onLinux,
	socks,
	socksConnect,
	startAgent,
	startWorker,
	tcpOrigin,
} from "./harness.ts";

const PRIVATE = [
	...[
		"0.0.0.0",
		"10.0.0.1",
		"100.64.0.1",
		"127.0.0.1",
		"127.255.255.254",
		"168.63.129.16",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
	],
	...["192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
];
/** Other spellings of 127.0.0.1 that resolvers take. */
const SPELLINGS = ["2130706433", "0x7f.1", "127.1", "017700000001"];

const connectStatus = async (agent: Agent, target: string) => (await ask(agent, `CONNECT ${target} HTTP/1.1\r\n${basic()}\r\n`)).status;

describe.runIf(onLinux)("a destination", () => {
	it("that is not global unicast IPv4 is refused, by every protocol and spelling", async () => {
		const agent = await startAgent(await startWorker(), { allowLoopback: false });
		for (const host of [...PRIVATE, ...SPELLINGS]) {
			expect([host, await connectStatus(agent, `${host}:443`)]).toEqual([host, 403]);
			expect([host, (await ask(agent, `GET http://${host}/ HTTP/1.1\r\n${basic()}\r\n`)).status]).toEqual([host, 403]);
			expect([host, (await socks(agent, socksConnect(host, 443))).code]).toEqual([host, 2]);
		}
		for (const host of ["[::1]", "[2606:4700::1111]", "[::ffff:127.0.0.1]"]) expect(await connectStatus(agent, `${host}:443`)).toBe(403);
	});

	it("whose name resolves to what is refused is refused too", async () => {
		const names = { "loopback.test": ["127.0.0.1"], "metadata.test": ["169.254.169.254"], "inner.test": ["10.1.2.3"] };
		const agent = await startAgent(await startWorker(), { allowLoopback: false, names });
		for (const name of ["localhost", ...Object.keys(names)]) {
			expect(await connectStatus(agent, `${name}:80`)).toBe(403);
			expect((await socks(agent, socksConnect(name, 80))).code).toBe(2);
		}
	});

	it("is never the address that the pool knows the proxy by, which a VM behind its cloud's NAT does not have", async () => {
		const worker = await startWorker();
		// Any global address: it is refused before a connection is tried.
		const own = "223.255.255.254";
		worker.directives = { ...worker.directives, address: own };
		const agent = await startAgent(worker, { allowLoopback: false, names: { "itself.test": [own] } });
		await eventually(async () => (await connectStatus(agent, `${own}:8899`)) === 403, "it has heard its address");
		expect(await connectStatus(agent, "itself.test:8899")).toBe(403);
	});

	it("is never port 25, and never the proxy itself", async () => {
		const agent = await startAgent(await startWorker());
		expect(await connectStatus(agent, "127.0.0.1:25")).toBe(403);
		expect(await connectStatus(agent, "127.0.0.1:0")).toBe(403);
		expect(await connectStatus(agent, "127.0.0.1:65536")).toBe(403);
		expect(await connectStatus(agent, `${agent.address}:${agent.port}`)).toBe(403);
	});

	it("on loopback can be permitted by the local cloud only: nothing in the configuration does it", async () => {
		const config: object = { MUSTER_ALLOW_LOOPBACK: "1", allow_loopback: true, allowLoopback: true };
		const agent = await startAgent(await startWorker(), { allowLoopback: false, config });
		expect(await connectStatus(agent, "127.0.0.1:80")).toBe(403);
	});

	it("is connected at the very address that was checked, though its name has another the next moment", async () => {
		const origins: string[] = [];
		const port = await httpOrigin((request, response) => {
			origins.push(request.socket.localAddress ?? "");
			response.end();
		}, "0.0.0.0");
		// A second look-up between check and connect would be seen below, and its answer is another one.
		const agent = await startAgent(await startWorker(), {
			names: { "rebind.test": ["127.0.0.2", "169.254.169.254"] },
			limits: { NAME_SECONDS: 0 },
		});
		const request = `GET http://rebind.test:${port}/ HTTP/1.1\r\n${basic()}\r\n`;
		expect((await ask(agent, request)).status).toBe(200);
		expect([lookups(agent), origins]).toEqual([["rebind.test"], ["127.0.0.2"]]);
		expect((await ask(agent, request)).status).toBe(403);
		expect([lookups(agent).length, origins.length]).toEqual([2, 1]);
	});

	it("with a dead name does not hold up a live one", async () => {
		const port = await tcpOrigin((socket) => socket.end("live"));
		const dead = Array.from({ length: 20 }, (_, index) => `dead${index}.test`);
		const names = { ...Object.fromEntries(dead.map((name) => [name, null])), "live.test": ["127.0.0.1"] };
		const agent = await startAgent(await startWorker(), { names, limits: { RESOLVE_SECONDS: 3 } });
		const began = performance.now();
		let answered = 0;
		const waiting = dead.map((name) => connectStatus(agent, `${name}:80`).finally(() => answered++));
		await eventually(() => lookups(agent).length === dead.length, "all are looked up");
		expect(await connectStatus(agent, `live.test:${port}`)).toBe(200);
		expect(answered, "the dead ones are still waited for").toBe(0);
		expect(new Set(await Promise.all(waiting))).toEqual(new Set([504]));
		// One after the other they would take a minute.
		expect(performance.now() - began).toBeLessThan(30_000);
	});

	it("with several addresses is reached by the first that is permitted and answers", async () => {
		const port = await tcpOrigin((socket) => socket.end("here"), "127.0.0.3");
		const agent = await startAgent(await startWorker(), { names: { "several.test": ["10.0.0.1 127.0.0.2 127.0.0.3"] } });
		const answer = await ask(agent, `CONNECT several.test:${port} HTTP/1.1\r\n${basic()}\r\n`);
		expect([answer.status, answer.body]).toEqual([200, "here"]);
	});
});
