import { hasControls } from "../core/model/bounds.ts";
import { fieldOf } from "../providers/base/account.ts";
import type { ProviderDefinition } from "../providers/base/provider.ts";
import { PROVIDERS, type Registry } from "../providers/index.ts";
import { seal, unseal } from "../values/secrets.ts";
import { parseIni, UnreadableIni } from "./ini.ts";

/** One value of a configuration, as it was given: numbers may be numbers or text, lists may be lists or comma-separated text. */
export type Scalar = string | number | boolean | null;
export type Value = Scalar | readonly Scalar[];
export type Sections<V> = Readonly<Record<string, Readonly<Record<string, V>>>>;

/** An endpoint's or a manager's configuration, by section and key. Holds secrets in clear: never logged, stored or answered. */
export type EndpointConfiguration = Sections<Value>;
/** What is stored: secrets are encrypted, each for its own place (`secrets.ts`). */
export type StoredConfiguration = Sections<Value | Sealed>;
export interface Sealed {
	readonly sealed: string;
}
/** What is wrong with a configuration: sentences by section and key, which never hold a value. */
export type Faults = Sections<string>;

/** Stands for a secret in answers; given back it keeps the secret that is stored. */
export const MASK = "********";

/** As it was copied out of an answer, blanks about it included. */
export function isMask(value: unknown): boolean {
	return typeof value === "string" && value.trim() === MASK;
}

/** A configuration that cannot be read at all. The message names no value. */
export class UnreadableConfiguration extends Error {}

/** Keys of the sections that Muster reads, of which none is a secret. */
const OPEN_SECTIONS = ["endpoint", "scaling", "manager"];
/** A list of bought proxies holds their passwords, and the address that it is fetched from may hold a key. */
const STATIC_SECRETS = ["list", "url"];
/** How secrets are named where nothing says which keys are some. */
const SECRET_NAME = /pass(wor[dt]|wd|phrase)?$|secret|token|credential|(^|[_-])key$/i;
const MAX_NAME_LENGTH = 200;

/**
 * Reads a request's body: a JSON object `{section: {key: value}}`, INI text, or either of them in a JSON string. An empty body is an
 * empty configuration. Throws UnreadableConfiguration.
 */
export function parseConfiguration(body: string): EndpointConfiguration {
	let given: unknown = body;
	// Twice: the original client sends what it was given, whatever that is, as a JSON string.
	for (let turn = 0; turn < 2 && typeof given === "string"; turn++) given = given.trim() === "" ? {} : parseText(given);
	if (given === null || typeof given !== "object" || Array.isArray(given)) {
		throw new UnreadableConfiguration("A configuration is a JSON object of sections, each an object of keys and values, or INI text.");
	}
	return Object.fromEntries(Object.entries(given).map(([section, values]) => [section, readSection(section, values)]));
}

function parseText(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		try {
			return parseIni(text);
		} catch (error) {
			if (error instanceof UnreadableIni) throw new UnreadableConfiguration(`The body is not JSON, and as INI text: ${error.message}.`);
			throw error;
		}
	}
}

function readSection(section: string, values: unknown): Readonly<Record<string, Value>> {
	const name = JSON.stringify(section.slice(0, MAX_NAME_LENGTH));
	if (section.length > MAX_NAME_LENGTH) throw new UnreadableConfiguration(`The section ${name}… has too long a name.`);
	if (values === null) return {};
	if (typeof values !== "object" || Array.isArray(values)) {
		throw new UnreadableConfiguration(`The section ${name} must be an object of keys and values.`);
	}
	if (hasControls(section)) throw new UnreadableConfiguration(`The section ${name} has control characters in its name.`);
	for (const [key, value] of Object.entries(values)) {
		if (hasControls(key)) throw new UnreadableConfiguration(`The section ${name} has a key with control characters in its name.`);
		if (hasOddControls(value)) throw new UnreadableConfiguration(`${section}.${key} must not have control characters.`);
		if (key.length > MAX_NAME_LENGTH) throw new UnreadableConfiguration(`The section ${name} has a key that is too long.`);
		if (!isScalar(value) && !(Array.isArray(value) && value.every(isScalar))) {
			throw new UnreadableConfiguration(`${section}.${key} must be text, a number, true, false, null or a list of these.`);
		}
	}
	return values as Readonly<Record<string, Value>>;
}

/** A value may have several lines: some clouds' keys do. */
function hasOddControls(value: unknown): boolean {
	if (Array.isArray(value)) return value.some(hasOddControls);
	return typeof value === "string" && hasControls(value.replace(/[\t\n\r]/g, ""));
}

function isScalar(value: unknown): value is Scalar {
	return value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** What stands there; undefined where nothing does. Names of methods of all objects find nothing. */
export function valueAt<V>(configuration: Sections<V>, section: string, key: string): V | undefined {
	const values = Object.hasOwn(configuration, section) ? configuration[section] : undefined;
	return values !== undefined && Object.hasOwn(values, key) ? values[key] : undefined;
}

/** Each value replaced by what `change` makes of it; undefined leaves it out. */
export function mapValues<From, To>(
	configuration: Sections<From>,
	change: (value: From, section: string, key: string) => To | undefined,
): Sections<To> {
	const sections = Object.entries(configuration).map(([section, values]) => {
		const changed = Object.entries(values).flatMap(([key, value]) => {
			const to = change(value, section, key);
			return to === undefined ? [] : [[key, to] as const];
		});
		return [section, Object.fromEntries(changed)] as const;
	});
	return Object.fromEntries(sections);
}

/** The provider's definition that a section's keys are of, where it is one of `cloud:<provider>`. */
export function definitionOf(section: string, registry: Registry = PROVIDERS): ProviderDefinition | undefined {
	const provider = /^cloud:(.+)$/.exec(section)?.[1];
	return provider !== undefined && Object.hasOwn(registry, provider) ? registry[provider as keyof Registry] : undefined;
}

/** Whether what stands there is a secret: the provider says so, or, where nobody says what it is, its name does. */
export function isSecret(section: string, key: string): boolean {
	if (OPEN_SECTIONS.includes(section)) return false;
	if (section === "static") return STATIC_SECRETS.includes(key);
	const definition = definitionOf(section);
	if (definition === undefined) return SECRET_NAME.test(key);
	const field = fieldOf(definition.settings, key);
	return field === undefined ? SECRET_NAME.test(key) : definition.settings[field]?.isSecret === true;
}

const isNothing = (value: Value): boolean => value === null || value === "";
/** Whether a stored value is an encrypted secret. */
export const isSealed = (value: Value | Sealed): value is Sealed => value !== null && typeof value === "object" && "sealed" in value;

/**
 * A configuration as it may be stored in the pool `object`: its secrets encrypted with the first of `keys`, masks left as they are.
 * Where there is a secret and no key, `faults` says so of each and there is nothing to store.
 */
export function sealSecrets(
	keys: readonly string[],
	object: string,
	configuration: EndpointConfiguration,
): { readonly stored: StoredConfiguration; readonly faults: null } | { readonly stored: null; readonly faults: Faults } {
	const mustSeal = (value: Value, section: string, key: string) => isSecret(section, key) && !isNothing(value) && !isMask(value);
	if (keys.length === 0) {
		const message = "cannot be stored: it is a secret, and this deployment has no ENCRYPTION_KEY (npx wrangler secret put ENCRYPTION_KEY)";
		const faults = withoutEmpty(mapValues(configuration, (value, section, key) => (mustSeal(value, section, key) ? message : undefined)));
		if (Object.keys(faults).length > 0) return { stored: null, faults };
	}
	const stored = mapValues<Value, Value | Sealed>(configuration, (value, section, key) =>
		mustSeal(value, section, key) ? { sealed: seal(keys, { object, section, key }, JSON.stringify(value)) } : value,
	);
	return { stored, faults: null };
}

/** Decrypts what is stored. `unreadable` names what none of the keys opens; it is left out. */
export function openSecrets(
	keys: readonly string[],
	object: string,
	stored: StoredConfiguration,
): { readonly configuration: EndpointConfiguration; readonly unreadable: readonly string[] } {
	const unreadable: string[] = [];
	const configuration = mapValues<Value | Sealed, Value>(stored, (value, section, key) => {
		if (!isSealed(value)) return value;
		const text = unseal(keys, { object, section, key }, value.sealed);
		if (text === null) unreadable.push(`${section}.${key}`);
		return text === null ? undefined : (JSON.parse(text) as Value);
	});
	return { configuration, unreadable };
}

/** What is stored with every secret masked. */
export function masked(stored: StoredConfiguration): EndpointConfiguration {
	return mapValues<Value | Sealed, Value>(stored, (value) => (isSealed(value) ? MASK : value));
}

/** The sealed values of a configuration, each with its place. */
export function sealedIn(stored: StoredConfiguration): readonly string[] {
	return Object.values(stored).flatMap((values) => Object.values(values).flatMap((value) => (isSealed(value) ? [value.sealed] : [])));
}

/** Both; where both say something of one key, `more` does. */
export function joinedFaults(faults: Faults, more: Faults): Faults {
	const sections = new Set([...Object.keys(faults), ...Object.keys(more)]);
	return Object.fromEntries([...sections].map((section) => [section, { ...faults[section], ...more[section] }]));
}

/** Without sections in which nothing is wrong. */
export function withoutEmpty(faults: Faults): Faults {
	return Object.fromEntries(Object.entries(faults).filter(([, values]) => Object.keys(values).length > 0));
}
