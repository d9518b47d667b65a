import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SOURCES = fileURLToPath(new URL("../../src/", import.meta.url).href);
const PURE = ["core", "controller"].flatMap((room) => readdirSync(SOURCES + room, { recursive: true }).map((name) => `${room}/${name}`));
const FILES = [...PURE.filter((name) => name.endsWith(".ts")), "read-model/ledger.ts"];

/** What would make a plan depend on more than its arguments. */
const FORBIDDEN: readonly [name: string, pattern: RegExp][] = [
	["an import of the platform", /\bfrom\s*["'](?:cloudflare|node):|\bimport\s*\(/],
	["Date.now", /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|\bperformance\b/],
	["Math.random", /\bMath\s*\.\s*random\b/],
	["fetch", /\bfetch\s*\(/],
	["crypto", /\bcrypto\b|\brandomUUID\b/],
	["timers", /\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/],
	["process or globalThis", /\bprocess\s*\.|\bglobalThis\b/],
];

/** The code without comments and without what stands in quotes (but for import paths): prose may name what code must not call. */
function codeOf(text: string): string {
	return text
		.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "")
		.split("\n")
		.map((line) => (/^\s*(?:import|export)\b.*\bfrom\b|^\} from /.test(line) ? line : line.replace(/"(?:[^"\\]|\\.)*"/g, '""')))
		.join("\n");
}

test.each(FILES)("%s depends on nothing but its arguments", (file) => {
	const code = codeOf(readFileSync(SOURCES + file, "utf8"));
	const found = FORBIDDEN.filter(([, pattern]) => pattern.test(code)).map(([name]) => name);
	expect(found).toEqual([]);
});

test("the check sees through comments and quotes, and sees a call", () => {
	const isSeen = (text: string) => FORBIDDEN.some(([, pattern]) => pattern.test(codeOf(text)));
	expect(isSeen('// Date.now is not for here\nconst word = "Math.random"; /* fetch(x) */')).toBe(false);
	expect(isSeen("const now = Date.now();")).toBe(true);
	expect(isSeen('import { env } from "cloudflare:workers";')).toBe(true);
	expect(isSeen('import {\n\tcreateHash,\n} from "node:crypto";')).toBe(true);
});

test("there is a core to look at", () => {
	expect(FILES.length).toBeGreaterThan(15);
});
