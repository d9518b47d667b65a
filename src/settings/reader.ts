import { type EndpointConfiguration, type Faults, type Value, valueAt } from "./configuration.ts";

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

	fault(section: string, key: string, say: string): void {
		const known = this.#faults.get(section) ?? new Map<string, string>();
		if (!known.has(key)) known.set(key, say);
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

	/** Trimmed text; numbers and booleans are taken as they would be written. `isGood` decides, `must` says what it decides by. */
	text<Usual extends string | null>(
		section: string,
		key: string,
		usual: Usual,
		must: string,
		isGood: (text: string) => boolean,
	): string | Usual {
		const value = this.value(section, key);
		if (value === undefined) return usual;
		const text = typeof value === "object" ? null : String(value).trim();
		if (text !== null && text !== "" && isGood(text)) return text;
		this.fault(section, key, `must be ${must}`);
		return usual;
	}

	/** A whole number, as a number or in decimal digits. */
	whole(
		section: string,
		key: string,
		usual: number,
		range: { readonly min: number; readonly max: number; readonly unit?: string },
	): number {
		const { min, max, unit } = range;
		const must = `a whole number${unit === undefined ? "" : ` of ${unit}`} from ${min} to ${max}`;
		const isGood = (text: string) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max;
		const text = this.text(section, key, null, must, isGood);
		return text === null ? usual : Number(text);
	}

	/** A list, or comma-separated text: its items, trimmed, empty ones left out. */
	list(section: string, key: string): readonly string[] {
		const value = this.value(section, key);
		if (value === undefined) return [];
		const items = typeof value === "object" && value !== null ? value : String(value).split(",");
		return items.map((item) => String(item ?? "").trim()).filter((item) => item !== "");
	}
}
