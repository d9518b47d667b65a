import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
const CORE = join(ROOT, "src/pool/core");
const FILES = [...readdirSync(CORE).map((name) => join(CORE, name)), join(ROOT, "src/pool/runner.ts")];

/** A source without its comments and the contents of its strings, so that words in them do not count. */
function codeOf(source: string): string {
	return source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, (text) =>
		text.startsWith("/") ? "" : '""',
	);
}

/** What only the world outside has: a clock, chance, a network, time that passes. */
const IMPURE =
	/\b(?:Date\s*\.\s*now|new\s+Date|Math\s*\.\s*random|performance|crypto|fetch|setTimeout|setInterval|setImmediate|queueMicrotask|process|globalThis|console)\b/;

function impurity(source: string): string | null {
	return IMPURE.exec(codeOf(source))?.[0] ?? null;
}

describe("the core and the runner", () => {
	test.each(FILES.map((file) => [relative(ROOT, file), file]))("%s has no clock, no chance and no way out", (_, file) => {
		expect(impurity(readFileSync(file, "utf8"))).toBeNull();
	});

	test.each(FILES.map((file) => [relative(ROOT, file), file]))("%s imports values from the core alone", (_, file) => {
		const source = readFileSync(file, "utf8");
		const imports = [...source.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"/gm)];
		for (const [, isType, from = ""] of imports) {
			expect(from, "a package or the platform").toMatch(/^\.{1,2}\//);
			if (isType) continue;
			expect(relative(CORE, resolve(dirname(file), from)), from).not.toMatch(/^\.\./);
		}
	});

	test("would not pass with any of what it must not have", () => {
		for (const line of [
			"const now = Date.now();",
			"const id = crypto.randomUUID();",
			"await fetch(url);",
			"setTimeout(go, 1);",
			"Math.random()",
		]) {
			expect(impurity(line), line).not.toBeNull();
		}
		expect(impurity('// Date.now() is the shell\'s\nconst word = "fetch";')).toBeNull();
	});
});
