/*
 * Rendezvous hashing (Thaler and Ravishankar, 1998, https://doi.org/10.1109/90.663936): each proxy has a score for each session,
 * and the highest wins. A proxy that goes moves only the sessions that it had, and one that comes takes an equal share of
 * each other's; nothing has to be remembered of any session. The Worker and the gateway rank by this one file, which imports nothing.
 */

/** 64 bits, as two halves. */
export type Hash = readonly [high: number, low: number];

/** How well a proxy suits a session: the highest wins. Both are given as {@link hash64} of what names them. */
export function scoreOf(high: number, low: number, session: Hash): number {
	return scatter(high ^ session[0]) * 2 ** 20 + (scatter(low ^ session[1]) >>> 12);
}

/** What names a proxy in all of a deployment, for {@link hash64}: its pool's object and its id there. */
export function nameOf(object: string, id: string): string {
	return `${object}/${id}`;
}

/** The 16 hexadecimal digits by which lists name a proxy (`id`). */
export function digitsOf([high, low]: Hash): string {
	return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The hash that {@link digitsOf} wrote. */
export function hashOf(digits: string): Hash {
	return [Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16)];
}

/** Those of a list from the session's best to its worst. `hashOfOne`: the hash of a proxy's name. */
export function rankedFor<T>(session: string, proxies: readonly T[], hashOfOne: (proxy: T) => Hash): T[] {
	const key = hash64(session);
	const scored = proxies.map((proxy) => {
		const hash = hashOfOne(proxy);
		return { proxy, hash, score: scoreOf(hash[0], hash[1], key) };
	});
	return scored.sort((a, b) => b.score - a.score || a.hash[0] - b.hash[0] || a.hash[1] - b.hash[1]).map(({ proxy }) => proxy);
}

/** 64 bits of a text: FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) from two beginnings, scattered. */
export function hash64(text: string): Hash {
	let [a, b] = [0x811c9dc5, 0x9747b28c];
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		a = Math.imul(a ^ code, 0x01000193);
		b = Math.imul(b ^ code, 0x85ebca6b);
		b = (b << 13) | (b >>> 19);
	}
	return [scatter(a), scatter(b)];
}

/** The finaliser of MurmurHash3 (public domain, https://github.com/aappleby/smhasher): each bit of the input moves half of the output's. */
function scatter(value: number): number {
	let mixed = value;
	mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
	mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
	return (mixed ^ (mixed >>> 16)) >>> 0;
}
