/**
 * The tables of settings in the documentation and `.dev.vars.example`: says which lines are not what `src/settings/table.ts` and the
 * clouds' `settings.ts` say, and exits with 1 where there are any; with `--write` it writes them. Part of `npm run check`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blocks } from "./settings-tables.ts";

const PROJECT = join(import.meta.dirname, "..");
const BEGIN = /^(?:<!--|#) settings: (\S+) \(npm run settings writes this\)(?: -->)?$/;
const END = /^(?:<!--|#) end of settings(?: -->)?$/;

/** A file's text with what its marks ask for between them. Throws where a mark is missing, unknown or not ended. */
export function withBlocks(file: string, text: string, wanted: Readonly<Record<string, readonly string[]>>): string {
	const lines: string[] = [];
	const written = new Set<string>();
	let open: string | null = null;
	for (const line of text.split("\n")) {
		const name = BEGIN.exec(line)?.[1];
		if (name !== undefined) {
			const block = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
			if (block === undefined || open !== null)
				throw new Error(`${file}: the mark 'settings: ${name}' is unknown, or stands in another's block.`);
			open = name;
			written.add(name);
			lines.push(line, ...block);
		} else if (END.test(line)) {
			if (open === null) throw new Error(`${file}: 'end of settings' ends nothing.`);
			open = null;
			lines.push(line);
		} else if (open === null) lines.push(line);
	}
	const missing = Object.keys(wanted).filter((name) => !written.has(name));
	if (open !== null) throw new Error(`${file}: the block 'settings: ${open}' is not ended.`);
	if (missing.length > 0) throw new Error(`${file} has no mark for the settings: ${missing.join(", ")}.`);
	return lines.join("\n");
}

/** The lines of two texts that differ, as sentences: those that are gone and those that are new, each once. */
export function differences(file: string, is: string, shouldBe: string): readonly string[] {
	const [before, after] = [is.split("\n"), shouldBe.split("\n")];
	const stale = before.flatMap((line, index) => (after.includes(line) ? [] : [`${file}:${index + 1} is stale: ${line}`]));
	const missing = after.flatMap((line, index) => (before.includes(line) ? [] : [`${file}:${index + 1} should be: ${line}`]));
	if (stale.length + missing.length > 0 || is === shouldBe) return [...stale, ...missing];
	return [`${file}:${before.findIndex((line, index) => line !== after[index]) + 1} is not in its place, or doubled.`];
}

/** All files whose blocks are not up to date, with what they should be. */
export function staleFiles(): readonly { readonly file: string; readonly text: string; readonly says: readonly string[] }[] {
	return [...blocks()].flatMap(([file, wanted]) => {
		const is = readFileSync(join(PROJECT, file), "utf8");
		const text = withBlocks(file, is, wanted);
		return is === text ? [] : [{ file, text, says: differences(file, is, text) }];
	});
}

if (import.meta.main) {
	const stale = staleFiles();
	if (process.argv.includes("--write")) {
		for (const { file, text } of stale) writeFileSync(join(PROJECT, file), text);
		console.log(
			stale.length === 0 ? "The tables of settings are as they should be." : `Written: ${stale.map(({ file }) => file).join(", ")}.`,
		);
	} else if (stale.length === 0) console.log("The tables of settings are as they should be.");
	else {
		console.error([...stale.flatMap(({ says }) => says), "`npm run settings` writes them."].join("\n"));
		process.exitCode = 1;
	}
}
