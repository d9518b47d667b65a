/** INI text that cannot be read; the message names the line and none of its text, which may hold a secret. */
export class UnreadableIni extends Error {}

type Sections = Map<string, Map<string, string>>;

/**
 * Sections of texts, read as Python's ConfigParser reads them, whose files the clients of this dialect send: keys in lower case,
 * `=` or `:` behind them, `#` and `;` at the beginning of a line for comments and ` ;` behind a value, indented lines as further
 * lines of a value. A key that stands twice has its last value; a section without keys is left out. Nothing is interpolated: `%` stands
 * for itself, and quotes are part of a value. Throws UnreadableIni.
 */
export function parseIni(text: string): Readonly<Record<string, Readonly<Record<string, string>>>> {
	const sections: Sections = new Map();
	let section: string | null = null;
	/** The key whose value an indented line goes on with. */
	let open: string | null = null;
	for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
		const line = raw.trim();
		const fault = (message: string) => new UnreadableIni(`line ${index + 1}${message}`);
		if (line === "" || /^[#;]/.test(raw)) continue;
		if (/^\s/.test(raw) && section !== null && open !== null) {
			append(sections, section, open, `\n${withoutComment(line)}`);
		} else if (line.startsWith("[")) {
			section = sectionIn(line);
			open = null;
			if (section === null) throw fault(" is neither a section nor a setting");
			if (section in {}) throw fault(": no section can have this name");
		} else if (!/^[#;]/.test(line)) {
			const [, key, value] = /^([^:=]+)[:=](.*)$/.exec(line) ?? [];
			if (key === undefined || value === undefined) throw fault(" is neither a section nor a setting");
			if (section === null) throw fault(" stands before the first section");
			open = key.trim().toLowerCase();
			sections.get(section)?.delete(open);
			append(sections, section, open, withoutComment(value.trim()));
		}
	}
	return Object.fromEntries([...sections].map(([name, values]) => [name, Object.fromEntries(values)]));
}

/** The name between the brackets; null where there is none. */
function sectionIn(line: string): string | null {
	return /^\[([^\]]+)\]/.exec(line)?.[1]?.trim() || null;
}

function append(sections: Sections, section: string, key: string, text: string): void {
	const values = sections.get(section) ?? new Map<string, string>();
	sections.set(section, values.set(key, (values.get(key) ?? "") + text));
}

function withoutComment(value: string): string {
	return value.replace(/(^|\s);.*$/, "").trimEnd();
}
