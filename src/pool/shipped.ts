/**
 * The agent as VMs get it: the same program, in as few bytes as can be, since the smallest room that a cloud has for user data is
 * 16 KB. What goes is what only readers need: comments, doc strings, blank lines, wide indentation, annotations and long names.
 * `agent.py` keeps to what these lines can read, and a test compares both as Python parses them.
 */

/** An import, a string literal (none has triple quotes by then) or a name. */
const WORD = /^(?:import|from) .*$|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\b[A-Za-z_]\w*/gm;

/**
 * Names that the agent defines and Python too, for something else. A test finds those that are missing here.
 */
const PYTHONS = new Set(
	(
		"accept add bind buffer bytes chunked close count daemon digest encoding end epoll error errors family file flags flush group has_ipv6 headers host length main match minor " +
		"name next options password path pipe port read readable request run sample scheme self send sha256 sock splice start status step stop strict target timeout " +
		"version wait write " +
		// Its keywords.
		"and as assert break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise " +
		"return True try while with yield"
	).split(" "),
);

/** The text of `agent.py` as it is shipped. */
export function shipped(agent: string): string {
	const bare = withoutComments(agent);
	const short = shortNames(bare);
	return bare
		.replaceAll(WORD, (word) => short.get(word) ?? word)
		.replaceAll(/^\t__slots__ \+?= .*$/gm, (line) => line.replaceAll(/"(\w+)"/g, (_, name: string) => `"${short.get(name) ?? name}"`));
}

/** What one of the agent's names, such as a constant that a test sets, is called in the shipped text. */
export function shippedName(agent: string, name: string): string {
	return shortNames(withoutComments(agent)).get(name) ?? name;
}

function withoutComments(agent: string): string {
	return agent
		.replaceAll(/^[ \t]*"""[\s\S]*?"""\n/gm, "")
		.replaceAll(/^[ \t]*#.*\n/gm, "")
		.replaceAll(/^from __future__ import annotations\n/gm, "")
		.replaceAll(/\n\n+/g, "\n")
		.replaceAll(/^ *def .*$/gm, withoutAnnotations)
		.replaceAll(/^( {4})+/gm, (blanks) => "\t".repeat(blanks.length / 4));
}

function withoutAnnotations(line: string): string {
	return line.replace(/ -> [^:]*:$/, ":").replaceAll(/: [A-Za-z.| ]+(?=[,)]| =)/g, "");
}

/** What the agent's own names become, in a text without annotations: those that take the most room get the shortest. */
export function shortNames(bare: string): ReadonlyMap<string, string> {
	const counts = new Map<string, number>();
	for (const [word] of bare.matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
	const defined = new Set<string>();
	for (const definition of DEFINITIONS) {
		// Without the defaults of parameters.
		for (const [, list = ""] of bare.matchAll(definition))
			for (const [name] of list.replaceAll(/=[^,]*/g, "").matchAll(/\w+/g)) defined.add(name);
	}
	const long = [...defined].filter((name) => /^[A-Za-z]\w{2,}$/.test(name) && !PYTHONS.has(name));
	const room = (name: string) => (counts.get(name) ?? 0) * name.length;
	const free = candidates().filter((name) => !counts.has(name) && !PYTHONS.has(name));
	return new Map(long.sort((a, b) => room(b) - room(a) || (a < b ? -1 : 1)).map((name, index) => [name, free[index] ?? name]));
}

/** Where names begin to be the agent's own. */
const DEFINITIONS = [
	/(?:\bdef |\bclass |\bself\.)(\w+)/g,
	/(?:\bdef \w+\(|\blambda )([^):]*)/g,
	/^\t__slots__ \+?= (.*)$/gm,
	// Variables: on the left of a lone `=`, of `in`, and after `as`.
	/(?:^\t*|\bfor )([A-Za-z_][\w, *]*?)(?: [-+|]?= | in )/gm,
	/\bas (\w+):/g,
];

function candidates(): string[] {
	const letters = [..."abcdefghijklmnopqrstuvwxyz"];
	return [
		...letters,
		...letters.map((letter) => letter.toUpperCase()),
		...letters.flatMap((first) => letters.map((second) => first + second)),
	];
}
