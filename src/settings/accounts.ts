import { type Env, trimmedOf } from "../values/settings-text.ts";

/** The settings of one account of one provider, before anything is made of them. */
export interface Account {
	/** Lower case; `default` for the one without a name. */
	readonly name: string;
	/** By setting (`ACCESS_TOKEN`): the variable that gave it, and its text, trimmed and not empty. */
	readonly values: Map<string, { readonly variable: string; readonly text: string }>;
	/** How its variables begin: `DIGITALOCEAN_`, `DIGITALOCEAN_NYC_` or `DIGITALOCEAN_INSTANCE_NYC_`. */
	prefix: string;
	readonly problems: string[];
}

export const DEFAULT = "default";
const NAME = /^[a-z0-9][a-z0-9_-]{0,39}$/;

/**
 * Sorts the variables of one provider by account. `P_VAR` and `P_DEFAULT_VAR` are the default account's, `P_INSTANCE_NAME_VAR` and
 * `P_NAME_VAR` those of another. A name may hold the words of a setting (an account called ACCESS): what ends in a known
 * setting's name is that setting, the longest that fits, and what stands before it is the account.
 * @param settings upper-case names (`ACCESS_TOKEN`); aliases map other spellings to them.
 */
export function readAccounts(
	env: Env,
	provider: string,
	settings: readonly string[],
	aliases: Readonly<Record<string, string>>,
	problems: string[],
): Map<string, Account> {
	const start = `${provider.toUpperCase()}_`;
	const known = [...settings, ...Object.keys(aliases)].sort((a, b) => b.length - a.length);
	const accounts = new Map<string, Account>([[DEFAULT, { name: DEFAULT, values: new Map(), prefix: start, problems: [] }]]);
	for (const variable of Object.keys(env).sort()) {
		const text = trimmedOf(env, variable);
		const place = text !== undefined && variable.startsWith(start) ? locate(variable.slice(start.length), known) : null;
		if (text === undefined || place === null) continue;
		if (!NAME.test(place.name)) {
			if (place.setting === "ENABLED")
				problems.push(`${variable}: an account's name is up to 40 letters, digits, _ and -, a letter or digit first`);
			continue;
		}
		const prefix = variable.slice(0, -place.setting.length);
		const account: Account = accounts.get(place.name) ?? { name: place.name, values: new Map(), prefix, problems: [] };
		accounts.set(place.name, account);
		const setting = aliases[place.setting] ?? place.setting;
		const other = account.values.get(setting);
		if (other !== undefined) {
			account.problems.push(`${other.variable} and ${variable} are two spellings of one setting: keep one`);
			continue;
		}
		account.values.set(setting, { variable, text });
		if (setting === "ENABLED") account.prefix = prefix;
	}
	return accounts;
}

/** Whose and which setting a variable is, its provider taken off; null: none that is known. */
function locate(rest: string, known: readonly string[]): { name: string; setting: string } | null {
	const instance = /^INSTANCE_(.*)$/.exec(rest)?.[1];
	const place = (instance === undefined ? null : split(instance, known)) ?? split(rest, known);
	if (place !== null) return place;
	return known.includes(rest) ? { name: DEFAULT, setting: rest } : null;
}

/** `NYC_ACCESS_TOKEN` → nyc, ACCESS_TOKEN; null where no name is left before the longest setting that it ends in. */
function split(text: string, known: readonly string[]): { name: string; setting: string } | null {
	const setting = known.find((candidate) => text === candidate || text.endsWith(`_${candidate}`));
	if (setting === undefined || text === setting) return null;
	return { name: text.slice(0, -setting.length - 1).toLowerCase(), setting };
}
