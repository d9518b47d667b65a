import { describe, expect, test } from "vitest";
import { endpointText, normaliseSession } from "../../src/agent/session.ts";

describe("a session's name", () => {
	test.each([
		["192.0.2.1:50123", "192.0.2.1:50123"],
		["[2001:DB8::0:1]:443", "[2001:db8::1]:443"],
		["[::ffff:192.0.2.1]:80", "192.0.2.1:80"],
	])("%s is %s", (text, name) => expect(normaliseSession(text)).toBe(name));

	test.each([
		"",
		"192.0.2.1",
		"192.0.2.1:0",
		"192.0.2.1:65536",
		"192.0.2:1:80",
		"010.0.0.1:80",
		"2001:db8::1:443",
		"[192.0.2.1]:80",
		"[fe80::1%eth0]:80",
		"example.org:80",
		"192.0.2.1:80 ",
	])("%j is none", (text) => expect(normaliseSession(text)).toBeNull());

	test("is written with brackets where its address holds colons", () => {
		expect([endpointText("192.0.2.1", 1), endpointText("2001:db8::1", 2)]).toEqual(["192.0.2.1:1", "[2001:db8::1]:2"]);
	});
});
