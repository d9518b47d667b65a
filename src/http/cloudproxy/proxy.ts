import { AGENT_PORT } from "../../agent/protocol.ts";
import { PROVIDER_NAMES } from "../../providers/index.ts";
import type { PublishedProxy } from "../../read-model/proxies.ts";
import type { CredentialsByVersion, PublishedPool, ReadyProxy } from "../../read-model/ready.ts";
import type { Proxy } from "./shapes.ts";

/** A ready proxy; version 0 of the credentials is its word that it asks for none. */
export function readyProxy({ pool, entry: [, address, version, port] }: ReadyProxy): Proxy {
	return proxyObject(address, port ?? AGENT_PORT, pool, version === 0 ? null : credentialsOf(pool.credentials, version));
}

/** Any proxy; one that has not acknowledged credentials yet will accept the newest. */
export function publishedProxy(proxy: PublishedProxy): Proxy {
	return proxyObject(proxy.address, AGENT_PORT, proxy, credentialsOf(proxy.credentials, proxy.credentialsVersion));
}

type Owner = Pick<PublishedPool, "provider" | "name" | "summary">;
type UsernameAndPassword = readonly [username: string, password: string];

function proxyObject(address: string, port: number, owner: Owner, credentials: UsernameAndPassword | null): Proxy {
	return {
		ip: address,
		port,
		auth_enabled: credentials !== null,
		url: proxyUrl(address, port, credentials),
		provider: owner.provider,
		instance: owner.name,
		display_name: owner.summary?.displayName ?? PROVIDER_NAMES[owner.provider] ?? owner.provider,
	};
}

/** The URL that a client gives to its HTTP library. Everything but letters, digits and `-._~` is percent-encoded. */
export function proxyUrl(address: string, port: number, credentials: UsernameAndPassword | null): string {
	const host = address.includes(":") ? `[${address}]` : address;
	const user = credentials ? `${credentials.map(encode).join(":")}@` : "";
	return `http://${user}${host}:${port}`;
}

/** The version that the proxy acknowledged, else the newest; null where that has no name, which says that none are asked for. */
function credentialsOf(known: CredentialsByVersion, version: number): UsernameAndPassword | null {
	const newest = Object.keys(known).reduce((most, key) => Math.max(most, Number(key)), 0);
	const credentials = known[version] ?? known[newest];
	return credentials === undefined || credentials[0] === "" ? null : credentials;
}

function encode(text: string): string {
	return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
