import { expect, test } from "vitest";
import { bestFor, Exit, listedIn } from "../../src/gateway/exits.ts";
import { inFormat } from "../../src/http/cloudproxy/formats.ts";
import { readyProxy } from "../../src/http/cloudproxy/proxies.ts";
import { pageFrom, pickFrom } from "../../src/read-model/select.ts";
import { knownPart, type PublishedPool, snapshotOf, withParts } from "../../src/read-model/snapshot.ts";

const pool = (object: string, name: string, count: number): PublishedPool => ({
	object,
	provider: "digitalocean",
	name,
	source: "environment",
	summary: null,
	credentials: { 1: ["user", "p@ss/w:rd"] },
	...withParts([knownPart(Array.from({ length: count }, (_, index) => [`proxy-${index}`, `192.0.${count}.${index}`, 1] as const))]),
	cooling: "{}",
});

test("of 10,000 sessions each leaves the gateway through the very proxy that /random gives it", () => {
	const snapshot = snapshotOf([pool("0a", "default", 40), pool("0b", "nyc", 17)]);
	const { text } = inFormat("json", pageFrom(snapshot, null, 0, 1000), readyProxy);
	const exits = (listedIn(JSON.parse(text)) ?? []).map((listed) => new Exit(listed));
	expect(exits).toHaveLength(57);
	const used = new Set<string>();
	for (let i = 0; i < 10_000; i++) {
		const session = `session ${i}`;
		const ip = pickFrom(snapshot, session, Math.random)?.entry[1];
		expect(bestFor(session, exits)?.ip).toBe(ip);
		used.add(ip ?? "");
	}
	expect(used.size).toBe(57);
});
