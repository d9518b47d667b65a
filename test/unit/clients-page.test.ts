import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { CLIENTS } from "../clients/table/index.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/clients.md"), "utf8");

/** The rows of the page with the mark of those that are run, as (name, version, http, https, socks5, configuration). */
const marked = PAGE.split("\n")
	.filter((line) => line.startsWith("| ● "))
	.map((line) => line.slice("| ● ".length).split(/\s*\|\s*/));

it("marks in docs/clients.md the very clients that npm run test:clients runs", () => {
	expect(marked.map(([name]) => name).sort()).toEqual(CLIENTS.map(({ name }) => name).sort());
});

it("says of each of them in docs/clients.md what is run, with the line that configures it", () => {
	const said = marked.map(([name, , http, https, socks5, configure]) => ({
		name,
		protocols: [http === "✓" ? ["http"] : [], https === "✓" ? ["https"] : [], socks5 === "✓" ? ["socks5"] : []].flat(),
		configure,
	}));
	for (const { name, protocols, configure } of CLIENTS) {
		expect(said.find((row) => row.name === name)).toEqual({ name, protocols, configure: `\`${configure}\`` });
	}
});

it("tells in docs/clients.md of at least 75 clients", () => {
	const rows = PAGE.split("\n").filter((line) => /^\| (?!client |what )/.test(line));
	expect(rows.length).toBeGreaterThanOrEqual(75);
});
