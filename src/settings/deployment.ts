import type { Rolling } from "../core/model/state.ts";
import { isEverywhere } from "../values/addresses.ts";
import { type Env, textOf, trimmedOf } from "../values/environment.ts";
import { readSetting, readTable, type Values } from "../values/setting.ts";
import { isPublicAddress } from "./destinations.ts";
import { INSECURE_URL_RULE, isInsecureOrigin } from "./kinds.ts";
import { DEPLOYMENT, type DeploymentSetting, TIMES } from "./table.ts";

export type Timing = Values<typeof TIMES>;
type Read = Values<typeof DEPLOYMENT>;
/** What `Global` has in another form. */
type Composed =
	| keyof Timing
	| `alertWebhook${"Url" | "Secret" | "Format"}`
	| "proxyUsername"
	| "proxyPassword"
	| "rollingEnabled"
	| "rollingMinAvailable"
	| "rollingBatchSize";

/** What holds for the whole deployment: the settings of the table under their names there, but for those that belong together. */
export interface Global extends Omit<Read, Composed> {
	/** What clients of the proxies present; null: proxies ask for none (then only `hostIps` may use them). */
	readonly proxyCredentials: { readonly username: string; readonly password: string } | null;
	/** HOST_IP as it was given, or null. */
	readonly hostIpGiven: string | null;
	/** Who is told of alerts; null: nobody. */
	readonly alertWebhook: { readonly url: string; readonly secret: string | null; readonly format: "json" | "slack" | "discord" } | null;
	/** True only where no admin key is set in the environment, not even a bad one. One set through the API still closes the deployment. */
	readonly allowAnonymous: boolean;
	/** Requests a day that the plan includes. */
	readonly dailyRequests: number;
	readonly rolling: Rolling;
	/** For pools that name none of their own. */
	readonly timing: Timing;
}

/** Worker requests included a day: the free plan's daily limit; the paid plan's 10 million a month, by the day. https://developers.cloudflare.com/workers/platform/pricing/ */
const DAILY_REQUESTS = { free: 100_000, paid: 333_333 } as const;

/** `suspending` holds what every pool rests on and cannot rest on as it is; `problems` what is wrong besides, with a safe default in its place. */
export function readGlobal(env: Env): { global: Global; suspending: string[]; problems: string[] } {
	const { values, faults } = readVariables(env);
	const { proxyUsername, proxyPassword, rollingEnabled, rollingMinAvailable, rollingBatchSize, ...others } = values;
	const { alertWebhookUrl, alertWebhookSecret, alertWebhookFormat, ...rest } = others;
	const timing = readTable(TIMES, (_, field) => values[field]);
	const isUrlRefused = values.publicUrl !== null && isInsecureOrigin(values.publicUrl) && !values.allowInsecureUrl;
	const isWebhookRefused = alertWebhookUrl !== null && !values.allowInsecureUrl && !isPublicAddress(alertWebhookUrl);
	// A signature that was asked for and cannot be made is not left out.
	const isUnsigned = faults.has("alertWebhookSecret");
	const plain = Object.fromEntries(Object.entries(rest).filter(([field]) => !(field in TIMES))) as Omit<Read, Composed>;

	const suspending: string[] = [];
	const problems: string[] = [];
	for (const [field, setting] of Object.entries<DeploymentSetting>(DEPLOYMENT)) {
		const fault = faults.get(field);
		if (fault === undefined) continue;
		const isSuspending = setting.suspends || (field === "hostIps" && values.onlyHostIp);
		(isSuspending ? suspending : problems).push(fault);
	}
	suspending.push(...accessFaults(env, values, faults));
	if (isUrlRefused) suspending.push(`${DEPLOYMENT.publicUrl.variable} ${INSECURE_URL_RULE}`);
	if (isWebhookRefused)
		problems.push(`${DEPLOYMENT.alertWebhookUrl.variable} must be a public https address (ALLOW_INSECURE_URL=True takes any)`);
	const global: Global = {
		...plain,
		publicUrl: isUrlRefused ? null : plain.publicUrl,
		proxyCredentials: proxyUsername !== null && proxyPassword !== null ? { username: proxyUsername, password: proxyPassword } : null,
		alertWebhook:
			alertWebhookUrl === null || isWebhookRefused || isUnsigned
				? null
				: { url: alertWebhookUrl, secret: alertWebhookSecret, format: alertWebhookFormat },
		hostIpGiven: textOf(env, DEPLOYMENT.hostIps.variable) ?? null,
		// A key that is set and does not count must not leave the deployment open.
		allowAnonymous: values.allowAnonymous && trimmedOf(env, DEPLOYMENT.authKey.variable) === undefined,
		dailyRequests: DAILY_REQUESTS[values.plan],
		rolling: { enabled: rollingEnabled, minAvailable: rollingMinAvailable, batchSize: rollingBatchSize },
		timing,
	};
	return { global, suspending, problems };
}

/** What each variable says; `faults` holds a sentence for each that is wrong, by field. */
function readVariables(env: Env): { values: Read; faults: ReadonlyMap<string, string> } {
	const faults = new Map<string, string>();
	const values = readTable<typeof DEPLOYMENT>(DEPLOYMENT, (setting: DeploymentSetting, field) => {
		const { variable, subject = variable, isVerbatim } = setting;
		const { value, fault } = readSetting(setting, isVerbatim ? textOf(env, variable) : trimmedOf(env, variable));
		if (fault !== null) faults.set(field, `${subject} ${fault}`);
		return value;
	});
	return { values, faults };
}

/** Whether only some addresses may use the proxies, so that these may do without credentials. */
export function isRestrictedTo({ onlyHostIp, hostIps }: Pick<Read, "onlyHostIp" | "hostIps">): boolean {
	return onlyHostIp && hostIps.length > 0 && !hostIps.some(isEverywhere);
}

/** What is wrong with how the settings that say who may use the proxies go together. */
function accessFaults(env: Env, values: Read, faults: ReadonlyMap<string, string>): readonly string[] {
	const { onlyHostIp, proxyUsername, proxyPassword } = values;
	const all: string[] = [];
	const hasUsername = textOf(env, DEPLOYMENT.proxyUsername.variable) !== undefined;
	const hasPassword = textOf(env, DEPLOYMENT.proxyPassword.variable) !== undefined;
	if (hasUsername !== hasPassword) {
		all.push(`PROXY_USERNAME and PROXY_PASSWORD must be set together: ${hasUsername ? "the second" : "the first"} is missing`);
	}
	if (onlyHostIp && trimmedOf(env, DEPLOYMENT.hostIps.variable) === undefined) {
		all.push("ONLY_HOST_IP needs HOST_IP: one or more addresses or CIDRs, comma-separated");
	}
	const isRestricted = isRestrictedTo(values);
	const isWrong = all.length > 0 || ["proxyUsername", "proxyPassword", "onlyHostIp"].some((field) => faults.has(field));
	const hasCredentials = proxyUsername !== null && proxyPassword !== null;
	if (!hasCredentials && !isRestricted && !isWrong && !(onlyHostIp && faults.has("hostIps"))) {
		all.push(
			"Anyone could use the proxies: set PROXY_USERNAME and PROXY_PASSWORD, or ONLY_HOST_IP=True with a HOST_IP that does not admit every address",
		);
	}
	return all;
}
