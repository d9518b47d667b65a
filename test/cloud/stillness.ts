/** Calls of Web Crypto that are under way: their work is done on other threads, in time of its own. */
let signing = 0;

const { subtle } = crypto;
for (const name of ["digest", "sign", "importKey", "exportKey", "generateKey"] as const) {
	const original = subtle[name] as (...args: unknown[]) => Promise<unknown>;
	const counted = (...args: unknown[]) => {
		signing++;
		return original.apply(subtle, args).finally(() => signing--);
	};
	Object.assign(subtle, { [name]: counted });
}

/** Resolves once everything has happened that needs no time of a test's clock, however busy the machine is. */
export async function stillness(): Promise<void> {
	for (let turns = 0; turns < 20 || signing > 0; turns++) await new Promise((resolve) => setImmediate(resolve));
}
