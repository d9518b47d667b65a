import ipaddr from "ipaddr.js";
import type { ProviderName } from "../core/model/state.ts";
import type { AccountSetting } from "../providers/base/account.ts";
import type { ProviderDefinition } from "../providers/base/provider.ts";
import { readSetting } from "../values/setting.ts";
import { definitionOf, type Sections, valueAt } from "./configuration.ts";

// Where the secrets of an endpoint's configuration are sent: whoever may name that may read them.

/** Addresses of the clouds' APIs that the deployment names (`<PROVIDER>_API_URL` and the like), by field of the cloud's settings. */
export type Addresses = Readonly<Partial<Record<ProviderName, Readonly<Record<string, string>>>>>;

/** Endings of names that mean something in somebody's own network only (RFC 6761, RFC 6762, RFC 8375, and those in wide use). */
const PRIVATE_NAME = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|home\.arpa)$/;

/**
 * The fields of a section that say where its secrets are sent, and for whom, of which `given` says something else than `stored`. What a
 * configuration does not say is what the deployment says, or the default.
 */
export function movedIn(section: string, given: Sections<unknown>, stored: Sections<unknown>, addresses: Addresses): readonly string[] {
	const definition = definitionOf(section);
	if (definition === undefined) return [];
	const provider = section.slice("cloud:".length) as ProviderName;
	return Object.entries(definition.settings).flatMap(([field, setting]) => {
		if (!setting.isAddress && !setting.isRecipient) return [];
		const usual = addresses[provider]?.[field];
		const [now, before] = [given, stored].map((configuration) => destination(setting, valueAt(configuration, section, field), usual));
		return now === before ? [] : [field];
	});
}

/** In one spelling; two that are both wrong are the same, and named as faults elsewhere. */
function destination(setting: AccountSetting, value: unknown, usual: string | undefined): string {
	const text = value === null || value === undefined ? undefined : String(value).trim() || undefined;
	return JSON.stringify(readSetting(setting, text ?? usual).value ?? null);
}

/**
 * Why a value that the API was given may not be where secrets are sent; null: it may. An address has to be public and https, unless
 * it is one that the environment names: the Worker may be able to reach what its callers are not to. A public name that leads to a private
 * address cannot be told here; the platform itself lets a Worker reach no private network.
 */
export function refusalOfAddress(
	setting: AccountSetting,
	value: unknown,
	field: string,
	provider: ProviderName,
	definition: ProviderDefinition,
	addresses: Addresses,
): string | null {
	const named = Object.entries(addresses[provider] ?? {}).flatMap(([name, text]) => {
		const { value: url } = readSetting(definition.settings[name] ?? setting, text);
		return typeof url === "string" ? [{ name, url }] : [];
	});
	const variable = (name: string) => `${provider}_${name}`.toUpperCase();
	if (setting.isAddress && typeof value === "string") {
		if (isPublicAddress(value) || named.some(({ name, url }) => name === field && url === value)) return null;
		return `must be a public https address: only the environment (${variable(field)}) may name another`;
	}
	const sentTo = setting.sentTo?.(value) ?? null;
	if (sentTo === null || isPublicAddress(sentTo) || named.some(({ url }) => originOf(url) === originOf(sentTo))) return null;
	return `must name a public https address: only the environment (${variable(field)}) may name another`;
}

/** Whether this is https, and of a host that anybody's network has. */
export function isPublicAddress(text: string): boolean {
	const url = URL.parse(text);
	if (url === null || url.protocol !== "https:") return false;
	// The parser has made one spelling of every form of an IPv4 address.
	const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
	if (ipaddr.isValid(host)) return ipaddr.process(host).range() === "unicast";
	return host.includes(".") && !PRIVATE_NAME.test(host);
}

const originOf = (text: string) => URL.parse(text)?.origin ?? null;
