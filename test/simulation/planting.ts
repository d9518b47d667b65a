/**
 * Plants a bug in a core of its own. Modules that are loaded as `….ts?planted` load what they import in the same way, so that the planted core
 * and the sound one, by which the simulation judges it, stand side by side. What is planted replaces an export for every module that imports
 * it; inside its own module the original stays in use.
 */
import { readdir } from "node:fs/promises";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { ScenarioOptions } from "./scenario.ts";

/** Added to the URL of a module of the planted core. */
export const PLANTED = "?planted";
/** And to that of the module that an export was taken from. */
const ORIGINAL = `${PLANTED}&original`;

const SOURCES = new URL("../../src/", import.meta.url);
/** What of the sources a simulation runs. */
const ROOMS = ["core", "controller", "calls"] as const;

/** An export of a module, and what stands in its place. */
export interface Plant {
	readonly module: object;
	readonly name: string;
	readonly instead: (original: never, module: never) => unknown;
}

/** A bug that a fleet controller had, or a slip of our own: what it changes of the core, and what brings it to light. */
export interface Bug {
	readonly name: string;
	readonly plants: readonly Plant[];
	/** The faults that show it, where it hides from most; all if missing. */
	readonly focus?: NonNullable<ScenarioOptions["focus"]>;
	/** It shows only where a pool has several places. */
	readonly isPlaced?: boolean;
	/** It shows only where cost is bounded. */
	readonly isBounded?: boolean;
	/** It shows only where an operator has all proxies replaced. */
	readonly isRolled?: boolean;
	/** Only agents with lines show it. */
	readonly isLined?: boolean;
	/** Only a pool with rules shows it. */
	readonly isDemanding?: boolean;
	/** The cloud that brings it to light, where the others cannot; all if missing. */
	readonly provider?: NonNullable<ScenarioOptions["provider"]>;
}

/** A constant may be another number. */
type Kind<Value> = Value extends number ? number : Value;

/**
 * `module`: a namespace of the sound core (`import * as … from`); the compiler holds `name` and `instead` against it. `instead` is given the
 * original export, and the planted core's own module: a measure of a table (table.ts) must be that of the core which the table is of.
 */
export function plant<Module extends object, Name extends keyof Module & string>(
	module: Module,
	name: Name,
	instead: (original: Module[Name], module: Module) => Kind<Module[Name]>,
): Plant {
	return { module, name, instead };
}

let planted: ReadonlyMap<string, readonly Plant[]> = new Map();

/** From now on the modules of the planted core have this bug. Once in a thread. */
export async function sow(bug: Bug): Promise<void> {
	const byUrl = new Map<string, Plant[]>();
	for (const one of bug.plants) {
		const url = await urlOf(one.module);
		byUrl.set(url, [...(byUrl.get(url) ?? []), one]);
	}
	planted = byUrl;
	registerHooks({
		resolve(specifier, context, nextResolve) {
			const resolved = nextResolve(specifier, context);
			const isOfPlanted = specifier.startsWith(".") && context.parentURL?.includes(PLANTED);
			return isOfPlanted ? { ...resolved, url: resolved.url + PLANTED } : resolved;
		},
		load(url, context, nextLoad) {
			const plants = url.endsWith(PLANTED) ? byUrl.get(url.slice(0, -PLANTED.length)) : undefined;
			if (plants === undefined) return nextLoad(url, context);
			return { format: "module", shortCircuit: true, source: wrapper(url.slice(0, -PLANTED.length), plants) };
		},
	});
}

/** A module with everything that the original exports, and the plants in their places. */
function wrapper(url: string, plants: readonly Plant[]): string {
	const [self, original] = [JSON.stringify(import.meta.url), JSON.stringify(url + ORIGINAL)];
	return [
		`import { grown } from ${self};`,
		`import * as original from ${original};`,
		`export * from ${original};`,
		...plants.map(({ name }) => `export const ${name} = grown(${JSON.stringify(url)}, ${JSON.stringify(name)}, original);`),
	].join("\n");
}

/** For wrapped modules alone: what stands in the place of an export. */
export function grown(url: string, name: string, original: Readonly<Record<string, unknown>>): unknown {
	const one = planted.get(url)?.find((plant) => plant.name === name);
	if (one === undefined || !Object.hasOwn(original, name)) throw new Error(`nothing is planted as ${name} of ${url}`);
	return (one.instead as (original: unknown, module: unknown) => unknown)(original[name], original);
}

/** A namespace is one object for each module. */
async function urlOf(module: object): Promise<string> {
	for (const room of ROOMS) {
		for (const file of await readdir(fileURLToPath(new URL(`${room}/`, SOURCES).href), { recursive: true })) {
			const { href } = new URL(`${room}/${file}`, SOURCES);
			if (file.endsWith(".ts") && (await import(href)) === module) return href;
		}
	}
	throw new Error(`a plant is not in ${ROOMS.join(", ")}`);
}
