import { readSetting, usualOf } from "../values/setting.ts";
import { type EndpointConfiguration, type Faults, type Value, valueAt } from "./configuration.ts";
import type { PoolSetting } from "./table.ts";

/**
 * Reads a configuration's values, section by section. One that is wrong leaves a fault, which says what it must be and never what it
 * is, and gives its default. Missing, null and empty values are not wrong: they give the default too.
 */
export class Reader {
	readonly #configuration: EndpointConfiguration;
	readonly #faults = new Map<string, Map<string, string>>();

	constructor(configuration: EndpointConfiguration) {
		this.#configuration = configuration;
	}

	get faults(): Faults {
		return Object.fromEntries([...this.#faults].map(([section, values]) => [section, Object.fromEntries(values)]));
	}

	fault(section: string, key: string, message: string): void {
		const known = this.#faults.get(section) ?? new Map<string, string>();
		if (!known.has(key)) known.set(key, message);
		this.#faults.set(section, known);
	}

	/** The value as it is given; undefined where there is none. */
	value(section: string, key: string): Value | undefined {
		const value = valueAt(this.#configuration, section, key);
		return value === null || value === "" ? undefined : value;
	}

	has(section: string, key: string): boolean {
		return this.value(section, key) !== undefined;
	}

	/** Whether nothing is wrong with what stands at its place, or nothing stands there. Leaves no fault. */
	isRight(setting: Placed<unknown>): boolean {
		const [section, key] = setting.at;
		const given = this.value(section, key);
		return given === undefined || readSetting(setting, textsOf(given, setting)).fault === null;
	}

	/**
	 * What the setting at its place comes to; `usual` (its default, if that is left out) where it is not given or wrong. Numbers and booleans
	 * are taken as they would be written, and for a list, text with commas.
	 */
	read<Value>(setting: Placed<Value>, usual?: Value): Value {
		const [section, key] = setting.at;
		const given = this.value(section, key);
		const { value, fault } = readSetting(setting, given === undefined ? undefined : textsOf(given, setting));
		if (fault !== null) this.fault(section, key, fault);
		const isDefault = given === undefined || (fault !== null && setting.salvage === undefined);
		return isDefault ? (usual ?? usualOf(setting)) : (value as Value);
	}
}

/** A setting that has a place in a configuration. */
export type Placed<Value> = PoolSetting<Value> & { readonly at: readonly [section: string, key: string] };

/** What a schema reads: text, without the white space around it unless that counts, or a list's items, of which empty ones are left out. */
function textsOf(value: Value, { isList, isVerbatim }: PoolSetting): unknown {
	if (isList) {
		const items = typeof value === "object" && value !== null ? value : String(value).split(",");
		return items.map((item) => String(item ?? "").trim()).filter((item) => item !== "");
	}
	if (typeof value === "object") return value;
	return isVerbatim ? String(value) : String(value).trim();
}
