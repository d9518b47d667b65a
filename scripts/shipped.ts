/**
 * The agent as VMs get it: the same program, in as few bytes as can be, since the smallest room that a cloud has for user data is
 * 16 KB. Made when the Worker is built (scripts/assets.ts), which carries nothing else of it. What goes is what only readers need: comments, doc strings, blanks, lines, annotations and long names.
 * `agent.py` keeps to what these lines can read, and a test compares both as Python parses them.
 */
import { gzipAsync } from "@gfx/zopfli";

/** An import, a string literal (none has triple quotes by then), or a name with the point before it. */
const WORD = /^(?:import|from) .*$|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\.?\b[A-Za-z_]\w*/gm;

const words = (text: string) => new Set(text.split(" "));

const KEYWORDS = words(
	"and as assert break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise " +
		"return True try while with yield",
);
/** Parameters of Python's own functions that the agent names in calls. */
const PARAMETERS = words("daemon file flags flush maxsplit server_hostname strict target validate");
/** What is Python's as well where the agent has it for a name of its own; a test finds those that are missing. */
const PYTHONS = words(
	"accept add bind buffer bytes chunked close count digest encoding end epoll error errors family flush group has_ipv6 headers host length main match " +
		"minor name next open options password path pipe port read readable request run sample scheme send sha256 sock splice start status step stop timeout " +
		"version wait write",
);

/** The text of `agent.py` as it is shipped. */
export function shipped(agent: string): string {
	return renamed(agent).text;
}

/** That text as a gzip file in base64. Zopfli takes 3 % less than zlib, and too long for a Worker. */
export async function packed(agent: string): Promise<string> {
	return Buffer.from(await gzipAsync(shipped(agent), { numiterations: 15 })).toString("base64");
}

/** What one of the agent's constants, which tests set, is called in the shipped text. */
export function shippedName(agent: string, name: string): string {
	return renamed(agent).globals.get(name) ?? name;
}

interface Renamed {
	readonly text: string;
	readonly globals: ReadonlyMap<string, string>;
}

/** The last one: it takes a tenth of a second, and tests ask for it at each agent. */
let last: { readonly agent: string; readonly renamed: Renamed } | null = null;

function renamed(agent: string): Renamed {
	if (last?.agent !== agent) last = { agent, renamed: renamedAnew(agent) };
	return last.renamed;
}

/**
 * Variables of a function have names of one small letter, others of its own have more or a capital. What follows a point is an
 * attribute, and may be called as anything else is.
 */
function renamedAnew(agent: string): Renamed {
	const bare = withoutComments(agent)
		.split(/^(?=\t?(?:def|class) |[A-Za-z])/m)
		.map((part) => (/^\t?def /.test(part) ? withShortVariables(part) : part))
		.join("");
	const [attributes, globals] = [new Set<string>(), new Set<string>()];
	for (const [, name = ""] of bare.matchAll(/(?:^\tdef |\.)([A-Za-z_]\w*)/gm)) if (isOwnAttribute(bare, name)) attributes.add(name);
	for (const [, list = ""] of bare.matchAll(/^(?:class |def )?([A-Za-z_][\w, ]*)(?= = |[:(])/gm))
		for (const name of namesIn(list)) globals.add(name);
	// Python looks for a parameter's default among the methods first.
	for (const [, name = ""] of bare.matchAll(/(?<=^\tdef .*) = ([A-Z]\w*)/gm)) globals.delete(name);
	const counts = new Map<string, number>();
	for (const [word] of bare.matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
	const short = (names: Iterable<string>, point: string, free: readonly string[]) => {
		const long = [...names].filter((name) => name.length > 1 && !name.startsWith("__") && !PYTHONS.has(name) && !KEYWORDS.has(name));
		const room = (name: string) => (counts.get(point + name) ?? 0) * name.length;
		const usable = free.filter((name) => !counts.has(point + name) && !KEYWORDS.has(name) && !PYTHONS.has(name));
		return new Map(long.sort((a, b) => room(b) - room(a) || (a < b ? -1 : 1)).map((name, index) => [name, usable[index] ?? name]));
	};
	const attribute = short(attributes, ".", [...SMALL, ...CAPITALS, ...PAIRS]);
	const global = short(globals, "", [...CAPITALS, ...PAIRS]);
	const text = bare
		.replaceAll(/^\tdef (\w+)/gm, (_, name: string) => `\tdef ${attribute.get(name) ?? name}`)
		.replaceAll(/^\t__slots__ \+?= .*$/gm, (line) => line.replaceAll(/"(\w+)"/g, (_, name: string) => `"${attribute.get(name) ?? name}"`))
		.replaceAll(WORD, (word, at: number, whole: string) => {
			if (word.startsWith(".")) return `.${attribute.get(word.slice(1)) ?? word.slice(1)}`;
			return /(?:^|\n)\tdef $/.test(whole.slice(Math.max(at - 6, 0), at)) ? word : (global.get(word) ?? word);
		});
	return { text: onFewLines(withoutBlanks(text)), globals: global };
}

const STRING = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/;
const STRINGS = new RegExp(STRING, "g");
const BLANKS = new RegExp(`(${STRING.source}) ?|\\b(and|else|if|in|not|or|return) (?=["'])| ?([=,:+*/%|&<>()[\\]{}!-]+) ?`, "g");

/** Without the blanks beside what needs none. */
function withoutBlanks(text: string): string {
	return text.replaceAll(BLANKS, (_, string?: string, word?: string, mark?: string) => string ?? word ?? mark ?? "");
}

const BLOCK = /^\t*(?:if|elif|else|for|while|try|except|finally|with|def|class)\b/;
const depth = (line: string) => /^\t*/.exec(line)?.[0].length ?? 0;

/** What is in brackets on one line, and so simple statements that follow each other, and a block of nothing else behind its colon. */
function onFewLines(text: string): string {
	const lines: string[] = [];
	let open = 0;
	for (const line of text.trim().split("\n")) {
		const last = lines.at(-1);
		const isPart = open > 0;
		const isNext = last !== undefined && !BLOCK.test(last) && !BLOCK.test(line) && depth(last) === depth(line);
		if (last !== undefined && (isPart || isNext)) lines[lines.length - 1] = `${last}${isPart ? "" : ";"}${line.trim()}`;
		else lines.push(line);
		for (const [bracket] of line.replaceAll(STRINGS, "").matchAll(/[([{}\])]/g)) open += "([{".includes(bracket) ? 1 : -1;
	}
	const folded: string[] = [];
	for (const [index, line] of lines.entries()) {
		const head = folded.at(-1) ?? "";
		const isBody = BLOCK.test(head) && head.endsWith(":") && !BLOCK.test(line);
		if (isBody && depth(lines[index + 1] ?? "") < depth(line)) folded[folded.length - 1] = `${head}${line.trim()}`;
		else folded.push(line);
	}
	return `${folded.join("\n")}\n`;
}

/** The most frequent of English first: these are in the words that stay. */
const SMALL = [..."etaonrisclduhpmfgybvwkxqjz"];
const CAPITALS = SMALL.map((letter) => letter.toUpperCase());
const PAIRS = SMALL.flatMap((first) => SMALL.map((second) => first + second));

function namesIn(list: string): readonly string[] {
	return list.match(/[A-Za-z_]\w*/g) ?? [];
}

/** Whether it is a method of the agent's, or one of its objects' attributes. */
function isOwnAttribute(bare: string, name: string): boolean {
	return new RegExp(`^\\tdef ${name}\\(|\\b[a-z]\\.${name}(?:,.*)? [-+|]?= |, [a-z]\\.${name} = |^\\t__slots__ .*"${name}"`, "m").test(
		bare,
	);
}

/** One function with its own variables renamed, `self` among them, and those of functions within it. */
function withShortVariables(part: string): string {
	const own = new Set<string>();
	const add = (list: string) => {
		for (const name of namesIn(list)) own.add(name);
	};
	for (const [, list = ""] of part.matchAll(/(?:\bdef \w+\(|\blambda )([^):]*)/g)) add(list.replaceAll(/=[^,]*/g, ""));
	for (const [, list = ""] of part.matchAll(/(?:^\t*|\bfor )([A-Za-z_*][\w, *]*?)(?: [-+|]?= | in )/gm)) add(list);
	for (const [, name = ""] of part.matchAll(/(?:\bas |^\t\t+def )(\w+)/gm)) add(name);
	const counts = new Map<string, number>();
	for (const [word] of part.matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
	// What is called alike everywhere packs better.
	const rank = (name: string) => (name === "self" ? Number.POSITIVE_INFINITY : 0);
	const names = [...own].filter((name) => !KEYWORDS.has(name) && !PARAMETERS.has(name) && name.length > 1);
	const free = [...SMALL, ...PAIRS].filter((name) => !counts.has(name) && !KEYWORDS.has(name));
	const short = new Map(names.sort((a, b) => rank(b) - rank(a)).map((name, index) => [name, free[index] ?? name]));
	return part.replaceAll(WORD, (word) => short.get(word) ?? word);
}

function withoutComments(agent: string): string {
	return agent
		.replaceAll(/^[ \t]*"""[\s\S]*?"""\n/gm, "")
		.replaceAll(/^[ \t]*#.*\n/gm, "")
		.replaceAll(/^from __future__ import annotations\n/gm, "")
		.replaceAll(/\n\n+/g, "\n")
		.replace(/(?:^import .*\n)+/m, (lines) => `${lines.trim().replaceAll("\nimport ", ",")}\n`)
		.replaceAll(/^ *def .*$/gm, (line) => line.replace(/ -> [^:]*:$/, ":").replaceAll(/: [A-Za-z.| ]+(?=[,)]| =)/g, ""))
		.replaceAll(/^( {4})+/gm, (blanks) => "\t".repeat(blanks.length / 4));
}
