import ipaddr from "ipaddr.js";
import { z } from "zod";
import type { Hosts } from "../settings/endpoint.ts";

/*
 * Host names to addresses. A Worker has no resolver of its own; it asks Cloudflare's over HTTPS, in JSON
 * (https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json/).
 */
const RESOLVER = "https://cloudflare-dns.com/dns-query";
/** All names of a pool together, from the first question on (milliseconds). */
const DEADLINE_MS = 3_000;
/** An address each for a pool that is one host name. */
const MOST_ADDRESSES = 32;
const AT_A_TIME = 6;
/** RFC 1035, 4.1.1, and RFC 1035, 3.2.2 and RFC 3596, 2.1. */
const NO_ERROR = 0;
const NO_SUCH_NAME = 3;
const TYPES = { A: 1, AAAA: 28 } as const;

const Answer = z.object({ Status: z.number(), Answer: z.array(z.object({ type: z.number(), data: z.string() })).optional() });

/** Looks all names up: none for a name that has none, and nothing for one of which the resolver did not tell; IPv4 before IPv6, which is asked for only where there is no other. Never throws, and never takes longer than 3 s. */
export async function resolveAll(names: readonly string[]): Promise<Hosts> {
	const signal = AbortSignal.timeout(DEADLINE_MS);
	const waiting = [...names];
	const found: [string, readonly string[]][] = [];
	const worker = async () => {
		for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
			const addresses = await resolve(name, signal);
			if (addresses !== null) found.push([name, addresses]);
		}
	};
	await Promise.all(Array.from({ length: Math.min(AT_A_TIME, names.length) }, worker));
	return Object.fromEntries(found);
}

async function resolve(name: string, signal: AbortSignal): Promise<readonly string[] | null> {
	const four = await ask(name, "A", signal);
	return four === null || four.length > 0 ? four : ask(name, "AAAA", signal);
}

/** Sorted, so that the same answer in another order is the same; null: nobody knows now. */
async function ask(name: string, type: keyof typeof TYPES, signal: AbortSignal): Promise<readonly string[] | null> {
	try {
		const response = await fetch(`${RESOLVER}?name=${encodeURIComponent(name)}&type=${type}`, {
			headers: { Accept: "application/dns-json" },
			signal,
		});
		if (!response.ok) return null;
		const { Status: status, Answer: records = [] } = Answer.parse(await response.json());
		if (status === NO_SUCH_NAME) return [];
		if (status !== NO_ERROR) return null;
		const addresses = records.filter((record) => record.type === TYPES[type] && ipaddr.isValid(record.data)).map(({ data }) => data);
		return [...new Set(addresses.map((address) => ipaddr.parse(address).toString()))].sort().slice(0, MOST_ADDRESSES);
	} catch {
		// It does not answer, in time or at all: what was known before holds.
		return null;
	}
}
