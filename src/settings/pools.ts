import type { Settings } from "../core/model/command.ts";
import type { CloudName } from "../core/model/state.ts";
import type { Shown } from "../providers/base/account.ts";
import { firstOf, isPlaceField, readPlaces, shownPlaces, withPlaces } from "../providers/base/places.ts";
import type { ProviderDefinition } from "../providers/base/provider.ts";
import { readSetting, readTable } from "../values/setting.ts";
import { type Account, DEFAULT } from "./accounts.ts";
import type { EndpointConfiguration, Value } from "./configuration.ts";
import type { Global } from "./deployment.ts";
import { ACCOUNT, type PoolSetting, TUNING, type Tuning } from "./table.ts";

/** One account on one provider, as the environment describes it. */
export interface PoolConfig {
	readonly provider: CloudName;
	/** Lower case; `default` for the account without a name. */
	readonly name: string;
	/** Also true where `_ENABLED` cannot be read: a spelling mistake must not delete a fleet. */
	readonly enabled: boolean;
	/** The variable that says so. */
	readonly enabledVariable: string;
	readonly displayName: string;
	/** `<provider>-<name>`. */
	readonly endpoint: string;
	/** For the pool's `configure`; `agentUrl` is the pool's to fill in. */
	readonly settings: Settings;
	/** What the provider's schema made of the settings, secrets included; only its own `create` knows the type. Null where some are missing or the provider has no driver. */
	readonly account: unknown;
	/** Without secrets; always with `size` and `region`. */
	readonly shown: Readonly<Record<string, Shown>>;
	/** Why the pool is suspended or cannot be enabled, in sentences; null: nothing is wrong. */
	readonly problem: string | null;
}

export interface PoolSource {
	readonly provider: CloudName;
	/** As operators read it: "DigitalOcean". */
	readonly providerTitle: string;
	/** Undefined: Muster knows the cloud and cannot drive it. */
	readonly definition: ProviderDefinition | undefined;
	/** What can be driven, for the sentence that says so. */
	readonly drivable: string;
	readonly account: Account;
	/** The provider's default account, of which unset settings are copied. */
	readonly defaults: Account;
	readonly global: Global;
	/** Why no pool can run. */
	readonly suspending: readonly string[];
}

/** `own` holds the pool's own problems, those of the whole deployment left out. */
export function readPool(source: PoolSource): { pool: PoolConfig; own: readonly string[] } {
	const { provider, providerTitle, definition, account, global } = source;
	const problems: string[] = [...account.problems];

	const enabled = lookUp(source, ACCOUNT.enabled);
	const { value: isEnabled, fault } = readSetting(ACCOUNT.enabled, enabled.text);
	const isWanted = isEnabled === true || fault !== null;
	if (isWanted && definition === undefined) {
		problems.splice(0, problems.length, `${enabled.variable}: ${providerTitle} cannot be driven by this version, only ${source.drivable}`);
	} else if (fault !== null) problems.push(`${enabled.variable} ${fault}`);
	const tuning = readTuning(source, problems);
	const displayName = readDisplayName(source, problems);
	const { values, shown, places, isComplete } = readAccount(source, problems);

	// What is not to run has no fault that matters; it may still have to be emptied, so its own faults do not suspend it.
	const own = isWanted ? problems : [];
	const all = [...source.suspending, ...own];
	const settings: Settings = {
		spec: {
			...tuning,
			ageLimitSeconds: global.ageLimitSeconds,
			rolling: global.rolling,
			canProbe: !global.onlyHostIp,
			twoStepRestart: definition?.twoStepRestart ?? false,
			billedSeconds: definition?.billedSeconds ?? 0,
			finishesCreate: definition?.finishesCreate ?? false,
			repeatsCreate: definition !== undefined && definition.absence.repeat !== "second",
			places,
			statics: [],
			unresolved: [],
		},
		suspended: all.length === 0 ? null : all.join(". "),
		agentUrl: null,
		credentials: global.proxyCredentials,
		allow: global.onlyHostIp ? global.hostIps : [],
		fromEnvironment: true,
	};
	const pool: PoolConfig = {
		provider,
		name: account.name,
		enabled: isWanted && definition !== undefined,
		enabledVariable: enabled.variable,
		displayName,
		endpoint: `${provider}-${account.name}`,
		settings,
		account: isComplete ? values : null,
		shown,
		problem: isWanted ? settings.suspended : null,
	};
	return { pool, own };
}

/** The keys of an endpoint's configuration that the environment can name of each pool, beside its bounds, and what it says there. */
export function environmentSays({ settings }: PoolConfig): EndpointConfiguration {
	const says: Record<string, Record<string, Value>> = {};
	for (const field of Object.keys(TUNING) as (keyof Tuning)[]) {
		const { variable, at }: PoolSetting = TUNING[field];
		const value = settings.spec[field];
		if (variable === undefined || at === undefined || field === "min" || field === "max" || value === null) continue;
		const [section, key] = at;
		says[section] = { ...says[section], [key]: value };
	}
	return says;
}

/** The account's own text, else the default account's; `variable` is where it stands, or would have to. */
function lookUp({ account, defaults }: PoolSource, setting: { readonly variable: string; readonly isNotCopied?: true }) {
	const { variable: name, isNotCopied } = setting;
	const found = account.values.get(name) ?? (isNotCopied ? undefined : defaults.values.get(name));
	return { variable: found?.variable ?? account.prefix + name, text: found?.text, isOwn: account.values.has(name) };
}

/** What shapes the pool. What the account does not say is the deployment's, where that has it too, or the default. */
function readTuning(source: PoolSource, problems: string[]): Tuning {
	const usual: Readonly<Record<string, unknown>> = source.global.timing;
	const faulty = new Set<string>();
	const read = readTable<typeof TUNING>(TUNING, (setting: PoolSetting, field) => {
		if (setting.variable === undefined) return readSetting(setting, undefined).value;
		const { variable, text } = lookUp(source, { ...setting, variable: setting.variable });
		const { value, fault } = readSetting(setting, text);
		if (fault === null) return text === undefined ? (usual[field] ?? value) : value;
		problems.push(`${variable} ${fault}`);
		faulty.add(field);
		return usual[field] ?? value;
	});
	return { ...read, ...reconciled(source, read, faulty.has("min") || faulty.has("max"), problems) };
}

/** A bound that is less firmly stated (copied, or not given at all) follows the other where it would contradict it. */
function reconciled(source: PoolSource, { min, max }: Tuning, isFaulty: boolean, problems: string[]): { min: number; max: number } {
	if (max >= min) return { min, max };
	const [least, most] = [lookUp(source, TUNING.min), lookUp(source, TUNING.max)];
	const firmness = ({ text, isOwn }: ReturnType<typeof lookUp>) => (text === undefined ? 0 : isOwn ? 2 : 1);
	if (firmness(least) === firmness(most) && !isFaulty) problems.push(`${most.variable} must not be less than ${least.variable}`);
	const firmer = firmness(least) > firmness(most) ? min : max;
	return { min: firmer, max: firmer };
}

function readDisplayName(source: PoolSource, problems: string[]): string {
	const { account, providerTitle } = source;
	const { variable, text } = lookUp(source, ACCOUNT.displayName);
	const { value, fault } = readSetting(ACCOUNT.displayName, text);
	if (fault !== null) problems.push(`${variable} ${fault}`);
	return value ?? (account.name === DEFAULT ? providerTitle : `${providerTitle} ${account.name}`);
}

/**
 * The provider's own settings, field by field: one that is wrong is named and takes its default, so that a pool suspended for it
 * still sees and deletes its VMs. `isComplete` is false where one has no default to take.
 */
function readAccount(source: PoolSource, problems: string[]) {
	const { definition, account } = source;
	const values: Record<string, unknown> = {};
	const open: Record<string, unknown> = {};
	if (definition === undefined) return { values, shown: { size: null, region: null }, places: [], isComplete: false };
	const texts: Record<string, string | undefined> = {};
	const variables: Record<string, string> = {};
	let isComplete = true;
	for (const [field, setting] of Object.entries(definition.settings)) {
		const { isSecret } = setting;
		const { variable, text } = lookUp(source, { variable: field.toUpperCase(), ...(isSecret && { isNotCopied: true }) });
		texts[field] = text;
		variables[field] = variable;
		// Of a list each item is read below.
		const { value, fault, isMissing } = readSetting(setting, isPlaceField(definition.settings, field) ? firstOf(text) : text);
		if (fault !== null) {
			const notCopied = isSecret && account.name !== DEFAULT ? " (secrets are not copied from the default account)" : "";
			problems.push(text === undefined ? `${variable} is missing${notCopied}: it ${fault}` : `${variable} ${fault}`);
		}
		if (isMissing) isComplete = false;
		else {
			values[field] = value;
			if (!isSecret) open[field] = value;
		}
	}
	const { places, faults } = readPlaces(definition.settings, { texts, values });
	for (const [field, fault] of faults) problems.push(`${variables[field]} ${fault}`);
	const shown = { size: null, region: null, ...definition.shown(open), ...shownPlaces(places) };
	return { values: withPlaces(definition.settings, values, places), shown, places, isComplete };
}
