/** Documents name files of this tree, and chapters of each other: what moves has them say so. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const PROJECT = join(import.meta.dirname, "../..");
const PAGES = [
	...["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"],
	...["docs", "clients"].flatMap((folder) =>
		readdirSync(join(PROJECT, folder), { recursive: true, encoding: "utf8" })
			.map((file) => `${folder}/${file.replaceAll("\\", "/")}`)
			.filter((file) => file.endsWith(".md") && !file.includes("node_modules")),
	),
];
const textOf = (page: string) => readFileSync(join(PROJECT, page), "utf8");
const isThere = (path: string) => existsSync(join(PROJECT, path));

/** As GitHub makes them of headings. */
function anchorsOf(page: string): readonly string[] {
	const headings = [...textOf(page).matchAll(/^#+ +(.+)$/gm)].map(([, heading = ""]) => heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1"));
	return headings.map((heading) =>
		heading
			.trim()
			.toLowerCase()
			.replace(/[^\p{L}\p{N}_\- ]/gu, "")
			.replaceAll(" ", "-"),
	);
}

test.each(PAGES)("%s links to pages and chapters that are there", (page) => {
	const links = [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link).filter((link) => !/^[a-z]+:/.test(link));
	const wrong = links.filter((link) => {
		const [path = "", anchor] = link.split("#");
		const target = path === "" ? page : join(dirname(page), path).replaceAll("\\", "/");
		return !isThere(target) || (anchor !== undefined && target.endsWith(".md") && !anchorsOf(target).includes(anchor));
	});
	expect(wrong).toEqual([]);
});

test.each(PAGES)("%s names files that are there", (page) => {
	const named = [...textOf(page).matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|tsx|py|json|sql|sh))`/g)].map(([, path = ""]) => path);
	// What a build makes is not there before it.
	const kept = named.filter((path) => !path.startsWith("dist/"));
	// Files of the sources are named from there, tests beside the recipe's other file.
	const from = ["", "src/", "test/unit/", `${dirname(page)}/`, "test/"];
	expect(kept.filter((path) => !from.some((folder) => isThere(folder + path)))).toEqual([]);
});
