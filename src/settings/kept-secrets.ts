import {
	type Faults,
	isMask,
	isSealed,
	isSecret,
	MASK,
	mapValues,
	type Sealed,
	type StoredConfiguration,
	type Value,
	valueAt,
	withoutEmpty,
} from "./configuration.ts";
import { type Addresses, movedIn } from "./destinations.ts";

/**
 * `given` with its masks replaced by what is stored there; `faults` where a mask has nothing to stand for, or where the secret would be
 * sent elsewhere than it was given for: else whoever may post a configuration could have a secret sent to himself that he cannot read.
 */
export function withKeptSecrets(
	given: StoredConfiguration,
	stored: StoredConfiguration,
	addresses: Addresses,
): { readonly merged: StoredConfiguration; readonly faults: Faults } {
	const isKept = (value: Value | Sealed, section: string, key: string) => isMask(value) && isSecret(section, key);
	const kept = (section: string, key: string) => {
		const value = valueAt(stored, section, key);
		return value !== undefined && isSealed(value) ? value : undefined;
	};
	const refusal = (section: string, key: string): string | undefined => {
		if (kept(section, key) === undefined) return `is the mask, ${MASK}, and there is no stored secret that it could stand for`;
		const moved = movedIn(section, given, stored, addresses);
		if (moved.length === 0) return undefined;
		return `is the mask, ${MASK}, which keeps a secret only for where it was given: ${moved.join(" and ")} changed, so give the secret again`;
	};
	const merged = mapValues(given, (value, section, key) => (isKept(value, section, key) ? kept(section, key) : value));
	const faults = mapValues(given, (value, section, key) => (isKept(value, section, key) ? refusal(section, key) : undefined));
	return { merged, faults: withoutEmpty(faults) };
}
