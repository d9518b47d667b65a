import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { shipped } from "../../scripts/shipped.ts";
import type { Boot, Unit } from "./userdata.ts";

const SOURCES = join(import.meta.dirname, "../../src/agent");
const digest = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");

/**
 * What the VMs of a local cloud may run: whoever reaches its port could otherwise have any program run as the user who started it. That is
 * the agent and the unit of this checkout, byte for byte, whatever they are called; those that it had before they were edited count as
 * well, since VMs were made with them. Nothing may lie beside them: Python would load it in a library's place.
 */
export class ShippedAgent {
	readonly #agents = new Set<string>();
	readonly #units = new Set<string>();

	readonly #sources: string;

	/** `sources` has agent.py and its unit. */
	constructor(sources = SOURCES) {
		this.#sources = sources;
		this.#look();
	}

	/** Why a VM does not run, in one sentence; null: all that it would run is ours. */
	refusalOf(boot: Boot): string | null {
		this.#look();
		const paths = boot.files.map(({ path }) => at(path));
		const needed = boot.units.flatMap((unit) => [unitFile(unit), programOf(unit), ...unit.credentials.map(({ path }) => at(path))]);
		const fileAt = (path: string) => boot.files[paths.indexOf(path)]?.content ?? "";
		if (!boot.units.every((unit) => this.#units.has(digest(fileAt(unitFile(unit)))))) return "its unit is not this checkout's";
		if (!boot.units.every((unit) => this.#agents.has(digest(fileAt(programOf(unit)))))) return "its agent is not this checkout's";
		const other = paths.find((path, index) => !needed.includes(path) || paths.indexOf(path) !== index);
		return other === undefined ? null : `its user data has another file, ${other}`;
	}

	#look(): void {
		this.#agents.add(digest(shipped(readFileSync(join(this.#sources, "agent.py"), "utf8"))));
		this.#units.add(digest(readFileSync(join(this.#sources, "muster-agent.service"))));
	}
}

const at = (path: string) => normalize(join("/", path));
const unitFile = (unit: Unit) => `/etc/systemd/system/${unit.name}`;
/** Its interpreter is the machine's: no file of the user data can take its place. */
const programOf = (unit: Unit) => at(unit.command.at(-1) ?? "");
