import { parse } from "js-ini";

/** INI text that cannot be read; the message names the line and none of its text, which may hold a secret. */
export class UnreadableIni extends Error {}

/**
 * Sections of texts, read as Python's ConfigParser reads them, whose files the clients of this dialect send: keys in lower case,
 * `=` or `:` behind them, `#` and `;` at the beginning of a line for comments and ` ;` behind a value, indented lines as further
 * lines of a value. Nothing is interpolated: `%` stands for itself, and quotes are part of a value. Throws UnreadableIni.
 */
export function parseIni(text: string): Readonly<Record<string, Readonly<Record<string, string>>>> {
	const sections = new Map<string, Map<string, string>>();
	try {
		// What it returns is not used: a section of the name of a method of all objects would change that method.
		parse(inOneLineEach(text), {
			comment: ["#", ";"],
			keyMergeStrategy: "override",
			autoTyping: (value, section, key) => {
				const name = String(section);
				const known = sections.get(name) ?? new Map<string, string>();
				sections.set(name, known.set(key.toLowerCase(), spread(value)));
				return value;
			},
		});
	} catch (error) {
		if (error instanceof UnreadableIni) throw error;
		const line = (error as { lineNumber?: unknown }).lineNumber;
		throw new UnreadableIni(typeof line === "number" ? `line ${line} is neither a section nor a setting` : "it is no INI text");
	}
	return Object.fromEntries([...sections].map(([name, values]) => [name, Object.fromEntries(values)]));
}

/** Stands for the end of a line within a value, which the library does not know. */
const LINE_END = "\u0001";

function spread(value: string): string {
	return value.replaceAll(LINE_END, "\n");
}

/**
 * What Python reads and the library does not, in a form that it does: further lines of a value behind its first, `=` for `:`, and no
 * comment behind a value. The number of lines stays.
 */
function inOneLineEach(text: string): string {
	const lines: string[] = [];
	let last = -1;
	for (const [index, raw] of text
		.replaceAll(LINE_END, "")
		.split(/\r\n|\r|\n/)
		.entries()) {
		const line = raw.trim();
		const isComment = /^[#;]/.test(raw) || line === "";
		if (isComment) lines.push("");
		else if (/^\s/.test(raw) && last >= 0) {
			lines[last] += LINE_END + withoutComment(line);
			lines.push("");
		} else if (line.startsWith("[")) {
			const name = /^\[([^\]]+)\]/.exec(line)?.[1]?.trim();
			if (name === undefined) throw new UnreadableIni(`line ${index + 1} is neither a section nor a setting`);
			if (name in {}) throw new UnreadableIni(`line ${index + 1}: no section can have this name`);
			last = -1;
			lines.push(`[${name}]`);
		} else {
			const [, key, value] = /^([^:=]+)[:=](.*)$/.exec(line) ?? [];
			if (key === undefined || value === undefined) throw new UnreadableIni(`line ${index + 1} is neither a section nor a setting`);
			if (!lines.some((earlier) => earlier.startsWith("["))) throw new UnreadableIni(`line ${index + 1} stands before the first section`);
			last = lines.push(`${key.trim()} = ${withoutComment(value.trim())}`) - 1;
		}
	}
	return lines.join("\n");
}

function withoutComment(value: string): string {
	return value.replace(/(^|\s);.*$/, "").trimEnd();
}
