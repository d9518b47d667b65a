import type { Settings } from "../core/model/command.ts";
import type { CloudName } from "../core/model/state.ts";
import type { ProviderDefinition, Shown } from "../providers/base/provider.ts";
import { readAmount, readBoolean, readWhole } from "../values/settings-text.ts";
import { type Account, DEFAULT } from "./accounts.ts";
import { type Global, MAX_SCALING, readTiming, TIMINGS } from "./deployment.ts";

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

/** Settings that every provider has besides those of its schema. */
export const COMMON_SETTINGS: readonly string[] = [
	"ENABLED",
	"MIN_SCALING",
	"MAX_SCALING",
	"DISPLAY_NAME",
	"MAX_HOURLY_COST",
	...Object.values(TIMINGS).map(({ name }) => name),
];
/** What tells accounts apart is not copied from the default one. */
const NEVER_COPIED = ["ENABLED", "DISPLAY_NAME"];
const USUAL_SCALING = 2;

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
	const setting = (name: string) => lookUp(source, name);

	const enabledSetting = setting("ENABLED");
	const wanted = readBoolean(enabledSetting.variable, enabledSetting.text, false, problems);
	const isUnreadable = enabledSetting.text !== undefined && problems.length > account.problems.length;
	const isWanted = wanted || isUnreadable;
	if (isWanted && definition === undefined) {
		problems.splice(
			0,
			problems.length,
			`${enabledSetting.variable}: ${providerTitle} cannot be driven by this version, only ${source.drivable}`,
		);
	}
	const { min, max } = readScaling(source, problems);
	const cost = setting("MAX_HOURLY_COST");
	const maxHourlyCost = readAmount(cost.variable, cost.text, problems);
	const timing = readTiming(setting, (key) => global.timing[key], problems);
	const displayName = readDisplayName(source, problems);
	const { values, shown, isComplete } = readAccount(source, problems);

	// What is not to run has no fault that matters; it may still have to be emptied, so its own faults do not suspend it.
	const own = isWanted ? problems : [];
	const all = [...source.suspending, ...own];
	const settings: Settings = {
		spec: {
			min,
			max,
			...timing,
			ageLimitSeconds: global.ageLimitSeconds,
			rolling: global.rolling,
			canProbe: !global.onlyHostIp,
			twoStepRestart: definition?.twoStepRestart ?? false,
			billedSeconds: definition?.billedSeconds ?? 0,
			maxHourlyCost,
			finishesCreate: definition?.finishesCreate ?? false,
			rules: [],
			statics: [],
			rampLimit: 5,
			scaleInWindowSeconds: 300,
			metricsSource: null,
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
		enabledVariable: enabledSetting.variable,
		displayName,
		endpoint: `${provider}-${account.name}`,
		settings,
		account: isComplete ? values : null,
		shown,
		problem: isWanted ? settings.suspended : null,
	};
	return { pool, own };
}

/** The account's own text, else the default account's; `variable` is where it stands, or would have to. */
function lookUp({ account, defaults }: PoolSource, name: string, isCopied = !NEVER_COPIED.includes(name)) {
	const found = account.values.get(name) ?? (isCopied ? defaults.values.get(name) : undefined);
	return { variable: found?.variable ?? account.prefix + name, text: found?.text, isOwn: account.values.has(name) };
}

/** A bound that is less firmly stated (copied, or not given at all) follows the other where it would contradict it. */
function readScaling(source: PoolSource, problems: string[]): { min: number; max: number } {
	const problemsBefore = problems.length;
	const read = (name: string) => {
		const { variable, text, isOwn } = lookUp(source, name);
		const value = readWhole(variable, text, USUAL_SCALING, { min: 0, max: MAX_SCALING }, problems);
		return { variable, value, firmness: text === undefined ? 0 : isOwn ? 2 : 1 };
	};
	const min = read("MIN_SCALING");
	const max = read("MAX_SCALING");
	if (max.value >= min.value) return { min: min.value, max: max.value };
	if (min.firmness === max.firmness && problems.length === problemsBefore) {
		problems.push(`${max.variable} must not be less than ${min.variable}`);
	}
	const firmer = min.firmness > max.firmness ? min.value : max.value;
	return { min: firmer, max: firmer };
}

function readDisplayName(source: PoolSource, problems: string[]): string {
	const { account, providerTitle } = source;
	const { variable, text } = lookUp(source, "DISPLAY_NAME");
	const usual = account.name === DEFAULT ? providerTitle : `${providerTitle} ${account.name}`;
	if (text === undefined) return usual;
	if (text.length <= 100 && !/\p{C}/u.test(text)) return text;
	problems.push(`${variable} must be up to 100 printable characters`);
	return usual;
}

/**
 * The provider's own settings, field by field: one that is wrong is named and takes its default, so that a pool suspended for it
 * still sees and deletes its VMs. `isComplete` is false where one has no default to take.
 */
function readAccount(source: PoolSource, problems: string[]) {
	const { definition, account } = source;
	const values: Record<string, unknown> = {};
	const open: Record<string, unknown> = {};
	if (definition === undefined) return { values, shown: { size: null, region: null }, isComplete: false };
	let isComplete = true;
	for (const [key, field] of Object.entries(definition.schema.shape)) {
		const isSecret = definition.secrets.includes(key);
		const { variable, text } = lookUp(source, key.toUpperCase(), !isSecret);
		let result = field.safeParse(text);
		if (!result.success) {
			// Schemas' messages say what is allowed and never hold a value.
			const must = result.error.issues[0]?.message ?? "something else";
			const notCopied = isSecret && account.name !== DEFAULT ? " (secrets are not copied from the default account)" : "";
			problems.push(text === undefined ? `${variable} is missing${notCopied}: it must be ${must}` : `${variable} must be ${must}`);
			result = field.safeParse(undefined);
		}
		if (!result.success) isComplete = false;
		else {
			values[key] = result.data;
			if (!isSecret) open[key] = result.data;
		}
	}
	return { values, shown: { size: null, region: null, ...definition.shown(open) }, isComplete };
}
