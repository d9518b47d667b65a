import { normaliseCidr } from "../../values/addresses.ts";
import { as, asBeforeCreate, isFailure } from "./failures.ts";
import { Once } from "./once.ts";
import { type Protection, type ProviderContext, ProviderError } from "./provider.ts";

/** The firewall that each deployment has at a cloud, for the drivers: when it is seen to, whom it lets in, and which of two it is. */

/**
 * A cloud's firewalls, and what seeing to one gave (its id). Each is seen to once per isolate, account and deployment, however many
 * creates ask at once, and again ten minutes later.
 */
export class Firewalls<T = void> {
	readonly #once = new Once<T>();

	/**
	 * `account` is what tells accounts apart, and places where firewalls belong to one. Throws as {@link asBeforeCreate}: whatever goes
	 * wrong here, no VM was made. `how` is part of what is wanted: who may do more must not be told what one was told who may not.
	 */
	async ensure(context: ProviderContext, account: Account, wanted: Protection, make: () => Promise<T>, how = ""): Promise<T> {
		const wish = JSON.stringify([wanted.port, [...wanted.allow].sort(), how]);
		try {
			return await this.#once.ensure(context, keyOf(account, wanted), wish, make);
		} catch (error) {
			throw asBeforeCreate(error);
		}
	}

	/** A create found that it is not there any more: the next one sees to it anew. */
	forget(account: Account, wanted: Protection, value: T): void {
		this.#once.forget(keyOf(account, wanted), value);
	}

	/**
	 * What a create that named it failed of. Where the cloud does not know what the request names, that may be the firewall, which someone removed
	 * since it was seen: the next create sees to it anew. To ask for what does not exist is then a wrong request.
	 */
	blamed(account: Account, wanted: Protection, value: T, error: unknown): unknown {
		if (isFailure(error, "notFound", "invalid")) this.forget(account, wanted, value);
		return as(error, { notFound: "invalid" });
	}
}

type Account = readonly (string | null)[];

const keyOf = (account: Account, { tags }: Protection) => JSON.stringify([...account, tags.deployment]);

/** Its name, by which it is found again. */
export const firewallName = (deployment: string) => `muster-${deployment}`;

/** Whom it lets in where nobody is named. */
export const EVERYWHERE: readonly string[] = ["0.0.0.0/0", "::/0"];

/**
 * The IPv4 networks among `allow`, for clouds whose rules take IPv4 or IPv6 networks and not both; null: everyone. The proxies have IPv4
 * addresses only, so that IPv6 networks have no use. Throws where none is left, since a rule without any would let nobody in, or everyone.
 */
export function ipv4Sources(provider: string, allow: readonly string[]): readonly string[] | null {
	if (allow.length === 0) return null;
	const sources = allow.filter((cidr) => !cidr.includes(":"));
	if (sources.length > 0) return sources;
	throw new ProviderError({ kind: "invalid", message: `${provider}: proxies are reached over IPv4, and HOST_IP names no IPv4 address` });
}

/** One spelling for each network; what is none stays as it is. */
export const plainSource = (cidr: string): string => normaliseCidr(cidr) ?? cidr;

/** Whether two lists name the same, in whatever order and spelling. */
export function isSameSources(one: readonly string[], other: readonly string[]): boolean {
	const plain = (list: readonly string[]) => [...new Set(list.map(plainSource))].sort().join();
	return plain(one) === plain(other);
}

/**
 * The id of the one firewall that shall be, where a cloud's names need not be unique: two isolates that each made one agree on the
 * oldest, and the other is taken back.
 * @param look the id of the oldest, null where there is none.
 * @param make makes one more, and gives its id.
 */
export async function agreedId(
	look: () => Promise<string | null>,
	make: () => Promise<string>,
	remove: (id: string) => Promise<void>,
): Promise<string> {
	const found = await look();
	if (found !== null) return found;
	const made = await make();
	const oldest = await look();
	if (oldest === null || oldest === made) return made;
	// What nothing uses yet must not stay behind; if it does, it is empty and costs nothing.
	await remove(made).catch(() => undefined);
	return oldest;
}
