import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const SOURCES = join(import.meta.dirname, "../../src");

/**
 * The rooms of `src`, the lowest floor first: a room may import from rooms of a lower floor only, and the rooms of one floor know nothing
 * of each other. A file belongs to the longest name that its path begins with.
 */
const FLOORS: readonly (readonly string[])[] = [
	["core/model"],
	["core/facts"],
	["core/planning"],
	["core/effects"],
	["core"],
	["controller", "values", "agent"],
	["providers/base"],
	clouds(),
	["providers"],
	["settings"],
	["rpc"],
	["d1"],
	["read-model"],
	["calls"],
	["fleet", "pool"],
	["http/base"],
	["http/cloudproxy", "http/reactor", "http/agent"],
	["http/console", "http/monitoring"],
	["http"],
	// Two programs: the Worker, and the gateway that runs beside clients.
	["worker.ts", "gateway"],
];
const ROOMS = FLOORS.flat();

/** A folder each; none knows another's. */
function clouds(): string[] {
	const folders = readdirSync(join(SOURCES, "providers"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
	return folders.filter(({ name }) => name !== "base").map(({ name }) => `providers/${name}`);
}

/** What may be imported from outside the sources; the latter is made of the agent's before each build. */
const OUTSIDE = ["../package.json", "../dist/agent.txt"];

interface Arrow {
	readonly from: string;
	readonly to: string;
}

function roomOf(file: string): string | undefined {
	return ROOMS.filter((room) => file === room || file.startsWith(`${room}/`)).sort((a, b) => b.length - a.length)[0];
}

function floorOf(room: string): number {
	return FLOORS.findIndex((rooms) => rooms.includes(room));
}

const FILES = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
	.map((file) => file.replaceAll("\\", "/"))
	.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts") && !file.startsWith("ui/"));

function importsOf(file: string): readonly string[] {
	const text = readFileSync(join(SOURCES, file), "utf8");
	const specifiers = [...text.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)].flatMap(([, specifier]) => specifier ?? []);
	return specifiers;
}

function arrows(): readonly Arrow[] {
	return FILES.flatMap((from) =>
		importsOf(from)
			.filter((specifier) => specifier.startsWith("."))
			.map((specifier) => ({ from, to: relative(SOURCES, join(SOURCES, dirname(from), specifier)).replaceAll("\\", "/") }))
			.filter(({ to }) => !OUTSIDE.includes(to)),
	);
}

function runsUp({ from, to }: Arrow): boolean {
	const [above, below] = [roomOf(from), roomOf(to)];
	if (above === undefined || below === undefined) return true;
	return above !== below && floorOf(above) <= floorOf(below);
}

test("every file of the sources stands in a room", () => {
	expect(FILES.filter((file) => roomOf(file) === undefined)).toEqual([]);
	expect(FILES.length).toBeGreaterThan(100);
});

test("no import runs up a floor, or across one", () => {
	expect(arrows().filter(runsUp)).toEqual([]);
});

test("every import names a file that is there", () => {
	expect(arrows().filter(({ to }) => !existsSync(join(SOURCES, to)))).toEqual([]);
});

test("the console knows the rest by the API alone, and its own floors hold", () => {
	const floors = ["generated", "model", "parts", "views"];
	const floorOfFile = (file: string) => floors.findIndex((floor) => file.startsWith(`ui/${floor}/`));
	const files = readdirSync(join(SOURCES, "ui"), { recursive: true, encoding: "utf8" }).map((file) => `ui/${file}`);
	const wrong = files
		.filter((file) => /\.tsx?$/.test(file) && !file.endsWith(".d.ts") && file !== "ui/main.tsx")
		.flatMap((from) => {
			const local = importsOf(from).filter((specifier) => specifier.startsWith("."));
			const targets = local.map((specifier) => relative(SOURCES, join(SOURCES, dirname(from), specifier)));
			return targets.filter((to) => floorOfFile(to) === -1 || floorOfFile(to) > floorOfFile(from)).map((to) => `${from} imports ${to}`);
		});
	expect(wrong).toEqual([]);
});

test("the core and the controller import nothing but the core", () => {
	const strangers = FILES.filter((file) => file.startsWith("core/") || file.startsWith("controller/")).flatMap((file) =>
		importsOf(file)
			.filter((specifier) => !specifier.startsWith("."))
			.map((specifier) => `${file} imports ${specifier}`),
	);
	expect(strangers).toEqual([]);
});

test("the check sees an arrow that runs up, and one that runs across", () => {
	expect(runsUp({ from: "core/plan.ts", to: "rpc/pool.ts" })).toBe(true);
	expect(runsUp({ from: "providers/aws/driver.ts", to: "providers/gcp/driver.ts" })).toBe(true);
	expect(runsUp({ from: "pool/pool.ts", to: "core/plan.ts" })).toBe(false);
});
