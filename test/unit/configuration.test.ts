import { describe, expect, test } from "vitest";
import { isSecret, openSecrets, parseConfiguration, sealSecrets, UnreadableConfiguration } from "../../src/settings/configuration.ts";
import { parseIni } from "../../src/settings/ini.ts";
import { withKeptSecrets } from "../../src/settings/kept-secrets.ts";
import { isSealedWithFirst, seal, unseal } from "../../src/values/secrets.ts";

describe("INI text", () => {
	test("is read as Python's ConfigParser reads it", () => {
		const text = [
			"# what follows was written by configparser, but for comments",
			"[endpoint]",
			"url = http://example.com/?a=b;c#d",
			"Weight: 3",
			'quoted = "as it is"',
			"percent = 50%% of %(it)s",
			"note = behind ; a comment",
			"lines = one",
			"\ttwo",
			"\t",
			"\tthree",
			"empty = ",
			"",
			"[scaling]",
			"rules = 2<=active<4,",
			"    1<=requests<=10",
			"; the end",
			"[cloud:digitalocean]",
			"access_token = abc=def==",
			"a.b[] = 0012",
			"__proto__ = 1",
		].join("\r\n");
		expect(parseIni(text)).toEqual({
			endpoint: {
				url: "http://example.com/?a=b;c#d",
				weight: "3",
				quoted: '"as it is"',
				percent: "50%% of %(it)s",
				note: "behind",
				lines: "one\ntwo\nthree",
				empty: "",
			},
			scaling: { rules: "2<=active<4,\n1<=requests<=10" },
			"cloud:digitalocean": Object.fromEntries([
				["access_token", "abc=def=="],
				["a.b[]", "0012"],
				["__proto__", "1"],
			]),
		});
	});

	test("may have indented comments, a key twice and a section in two places; its last value counts", () => {
		const text = "[a]\n  # x = 1\n  ; none\nx = 1\n    ; behind a value\n[b]\n[a]\nX : 2\ny = a = b: c";
		expect(parseIni(text)).toEqual({ a: { x: "2", y: "a = b: c" } });
	});

	test("that is none names the line, and nothing of what stands there", () => {
		for (const [text, message] of [
			["token = hunter2", "line 1 stands before the first section"],
			["[a]\nhunter2", "line 2 is neither a section nor a setting"],
			["[a]\n[b\nx = hunter2", "line 2 is neither a section nor a setting"],
			["[constructor]\nx = hunter2", "line 1: no section can have this name"],
			["[__proto__]\nx = hunter2", "line 1: no section can have this name"],
		] as const) {
			expect(() => parseIni(text), text).toThrow(message);
			expect(() => parseIni(text), text).not.toThrow("hunter2");
		}
		expect((Object as unknown as { x?: string }).x).toBeUndefined();
	});
});

describe("a configuration", () => {
	test("is a JSON object, INI text, or either of them in a JSON string; nothing is an empty one", () => {
		const expected = { endpoint: { cloud: "aws" } };
		const json = JSON.stringify(expected);
		for (const body of [json, JSON.stringify(json), "[endpoint]\ncloud = aws", JSON.stringify("[endpoint]\ncloud = aws")])
			expect(parseConfiguration(body)).toEqual(expected);
		for (const body of ["", " \n", '""', "{}"]) expect(parseConfiguration(body)).toEqual({});
		for (const body of ["[1]", "null", "7", '{"a": 1}', '{"a": {"b": {}}}', "nonsense"])
			expect(() => parseConfiguration(body), body).toThrow(UnreadableConfiguration);
	});

	test("has secrets where the provider says so, and where a name does that nobody knows", () => {
		for (const [section, key] of [
			["cloud:digitalocean", "access_token"],
			["cloud:hetzner", "api_token"],
			["cloud:aws", "access_key_id"],
			["cloud:nova", "password"],
			["cloud:nova", "auth_key"],
			["loadbalancer:nginx", "ssl_key"],
			["cloud:digitalocean", "second_token"],
		] as const)
			expect(isSecret(section, key), `${section} ${key}`).toBe(true);
		for (const [section, key] of [
			["cloud:digitalocean", "region"],
			["endpoint", "auth_hash"],
			["endpoint", "auth_salt"],
			["scaling", "token"],
			["cloud:nova", "key_name"],
			["cloud:nova", "flavor"],
		] as const)
			expect(isSecret(section, key), `${section} ${key}`).toBe(false);
	});

	test("keeps a secret for its own place only", () => {
		const { stored } = sealSecrets(["first"], "object", { "cloud:nova": { password: "hunter2", user: "me" } });
		expect(JSON.stringify(stored)).not.toContain("hunter2");
		expect(openSecrets(["other", "first"], "object", stored ?? {}).configuration).toEqual({
			"cloud:nova": { password: "hunter2", user: "me" },
		});
		const elsewhere = openSecrets(["first"], "another object", stored ?? {});
		expect(elsewhere).toEqual({ configuration: { "cloud:nova": { user: "me" } }, unreadable: ["cloud:nova.password"] });
		const moved = { "cloud:other": { password: stored?.["cloud:nova"]?.password ?? null } };
		expect(openSecrets(["first"], "object", moved).unreadable).toEqual(["cloud:other.password"]);
		const kept = withKeptSecrets({ "cloud:nova": { password: " ********\n" }, "cloud:other": { password: "********" } }, stored ?? {}, {});
		expect(kept.merged["cloud:nova"]).toEqual({ password: stored?.["cloud:nova"]?.password });
		expect(kept.faults).toEqual({ "cloud:other": { password: expect.stringContaining("no stored secret") } });
	});
});

describe("a sealed secret", () => {
	const place = { object: "o", section: "s", key: "k" };

	test("differs each time, and is opened by its key alone", () => {
		const sealed = seal(["first", "second"], place, "ünïcode");
		expect(seal(["first"], place, "ünïcode")).not.toBe(sealed);
		expect(unseal(["third", "first"], place, sealed)).toBe("ünïcode");
		expect(unseal(["second"], place, sealed)).toBeNull();
		expect([isSealedWithFirst(["first"], sealed), isSealedWithFirst(["second", "first"], sealed)]).toEqual([true, false]);
	});

	test("that was changed is not opened", () => {
		const sealed = seal(["first"], place, "text");
		const [id = "", data = ""] = sealed.split(".");
		const bytes = Buffer.from(data, "base64url");
		for (let at = 0; at < bytes.length; at++) {
			const changed = Buffer.from(bytes);
			changed[at] = (changed[at] ?? 0) ^ 1;
			expect(unseal(["first"], place, `${id}.${changed.toString("base64url")}`)).toBeNull();
		}
		for (const broken of ["", id, `${id}.`, `${id}.AAAA`, sealed.slice(0, -4)]) expect(unseal(["first"], place, broken), broken).toBeNull();
	});
});
