import { normaliseCidr } from "../../values/addresses.ts";
import { ProviderError } from "./provider.ts";

/** Whom a firewall rule lets in, for clouds whose rules take IPv4 or IPv6 networks and not both. */

/**
 * The IPv4 networks among `allow`; null: everyone. The proxies have IPv4 addresses only, so that IPv6 networks have no use.
 * Throws where none is left, since a rule without any would let nobody in, or everyone.
 */
export function ipv4Sources(provider: string, allow: readonly string[]): readonly string[] | null {
	if (allow.length === 0) return null;
	const sources = allow.filter((cidr) => !cidr.includes(":"));
	if (sources.length > 0) return sources;
	throw new ProviderError({ kind: "invalid", say: `${provider}: proxies are reached over IPv4, and HOST_IP names no IPv4 address` });
}

/** Whether two lists name the same, in whatever order and spelling. */
export function isSameSources(one: readonly string[], other: readonly string[]): boolean {
	const plain = (list: readonly string[]) => [...new Set(list.map((text) => normaliseCidr(text) ?? text))].sort().join();
	return plain(one) === plain(other);
}
