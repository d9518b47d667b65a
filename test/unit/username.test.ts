import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readUsername, type Wishes, writeUsername } from "../../src/values/username.ts";

const wishesOf = (given: string, names: readonly string[] = ["user"]) => {
	const read = readUsername(given, names);
	return read.ok ? read.wishes : read.message;
};

describe("a user name", () => {
	test("asks for nothing as it is, and for what follows it in any order", () => {
		expect(wishesOf("user")).toEqual({});
		expect(wishesOf("user-session-abc123")).toEqual({ session: "abc123" });
		expect(wishesOf("user-lifetime-10m-host-example.com-instance-x-provider-hetzner-region-fra1-country-de,fr-session-1")).toEqual({
			...{ lifetimeSeconds: 600, host: "example.com", instance: "x", provider: "hetzner", region: "fra1", country: "de,fr", session: "1" },
		});
	});

	test("writes a hyphen of a value twice", () => {
		expect(wishesOf("user-region-us--east--1-session-a---country-de")).toEqual({ region: "us-east-1", session: "a-", country: "de" });
		expect(wishesOf("user-session---a")).toEqual({ session: "-a" });
		expect(wishesOf("user-session-a-b")).toContain("-key-value");
	});

	test("may hold hyphens and keys itself: it is the longest that leaves something readable", () => {
		const names = ["user", "user-session-a"];
		expect(readUsername("user-session-a", names)).toMatchObject({ name: "user-session-a", wishes: {} });
		expect(readUsername("user-session-a-country-de", names)).toMatchObject({ name: "user-session-a", wishes: { country: "de" } });
		expect(readUsername("user-session-b", names)).toMatchObject({ name: "user", wishes: { session: "b" } });
		expect(wishesOf("my-proxy-user-session-b", ["my-proxy-user"])).toEqual({ session: "b" });
	});

	test("that cannot be read says why", () => {
		for (const [given, message] of [
			["other-session-a", "none that is known"],
			["user-", "-key-value"],
			["user-session-", "-key-value"],
			["user-sesion-a", "sesion is no key; known are session, country"],
			["user-session-a-session-b", "session is given twice"],
			["user-lifetime-10d", "10m"],
			["user-lifetime-25h", "24h"],
			["user-lifetime-0s", "10m"],
			[`user-session-${"x".repeat(201)}`, "1 to 200"],
		] as const)
			expect(wishesOf(given), given).toContain(message);
	});

	test("is read back as it was written, whatever it holds", () => {
		const text = fc.string({ minLength: 1, maxLength: 20 });
		const wishes = fc.record(
			{
				session: text,
				country: text,
				region: text,
				provider: text,
				instance: text,
				host: text,
				lifetimeSeconds: fc.integer({ min: 1, max: 86_400 }),
			},
			{ requiredKeys: [] },
		);
		fc.assert(
			fc.property(fc.string({ minLength: 1 }), wishes, (name, asked: Wishes) => {
				expect(readUsername(writeUsername(name, asked), [name])).toEqual({ ok: true, name, wishes: asked });
			}),
		);
	});
});
