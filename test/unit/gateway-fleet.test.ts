import { createServer } from "node:net";
import { expect, test } from "vitest";
import { Fleet } from "../../src/gateway/fleet.ts";

/** A port of this machine on which nothing listens. */
async function closedPort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	const address = server.address();
	await new Promise((done) => server.close(done));
	return typeof address === "object" && address !== null ? address.port : 0;
}

test("the gateway says why Muster cannot be reached, and neither address nor key", async () => {
	const port = await closedPort();
	const lines: string[] = [];
	const fleet = new Fleet({ url: `http://127.0.0.1:${port}`, key: "a-secret-key", log: (line) => lines.push(line), holdMs: 1_000 });
	await fleet.start();
	fleet.close();
	expect(lines).toEqual([expect.stringContaining("Muster cannot be reached (ECONNREFUSED).")]);
	expect(lines.join()).not.toMatch(/a-secret-key|127\.0\.0\.1/);
});
