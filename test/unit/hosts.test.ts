import { expect, test } from "vitest";
import { normaliseHost } from "../../src/values/hosts.ts";

test("a destination's host has one spelling, however it is written", () => {
	for (const text of ["example.com", "EXAMPLE.com", "example.com.", "example.com:8443", "https://Example.com/path?a=b", " example.com "])
		expect(normaliseHost(text), text).toBe("example.com");
	expect(normaliseHost("bücher.example")).toBe("xn--bcher-kva.example");
	expect(normaliseHost("xn--bcher-kva.example")).toBe("xn--bcher-kva.example");
	expect(normaliseHost("192.0.2.1:80")).toBe("192.0.2.1");
	expect(normaliseHost("2001:DB8::1")).toBe("[2001:db8::1]");
	expect(normaliseHost("[2001:db8::1]:443")).toBe("[2001:db8::1]");
	expect(normaliseHost("map")).toBe("map");
	expect(normaliseHost("__proto__")).toBe("__proto__");
});

test("what is no host has none", () => {
	for (const text of [
		"",
		" ",
		".",
		"a b",
		"a/b",
		"user@host",
		"a..b",
		"[::1",
		"host:99999",
		"a?b",
		"a#b",
		"x".repeat(254),
		`${"a.".repeat(127)}com`,
		"http://",
	])
		expect(normaliseHost(text), text).toBeNull();
});
