/** The proxies' credentials over time: what agents shall ask for, and what those ask for that have not heard of it yet. */
import { FORMER_CREDENTIALS_SECONDS } from "./pool.ts";
import type { Credentials, OrderedCredentials, State } from "./state.ts";

/** What clients present; null: they are asked for nothing. */
export type Login = { readonly username: string; readonly password: string } | null;

/** A proxy that has missed so many changes is shown with the newest. */
const KEPT_CREDENTIALS = 100;

/** What agents shall ask clients for; null: nothing. */
export function credentialsAsked({ credentials }: Pick<State, "credentials">): Credentials | null {
	const newest = credentials.at(-1);
	return newest === undefined || newest.username === "" ? null : newest;
}

/** What agents are told to ask clients for, and for how long those that it replaces stay good where that is not as usual. */
export function credentialsTold(state: State): (Credentials & { readonly former?: number }) | null {
	const asked = credentialsAsked(state);
	const { is, formerSeconds } = state.orderedCredentials;
	return asked === null || is !== "set" || formerSeconds === FORMER_CREDENTIALS_SECONDS ? asked : { ...asked, former: formerSeconds };
}

/** What a proxy that has acknowledged this version (0: none) accepts; null: it asks for nothing, or is yet to hear what to ask for. */
export function credentialsOfVersion(state: Pick<State, "credentials">, version: number): Credentials | null {
	return state.credentials.find((one) => one.version === version && one.username !== "") ?? credentialsAsked(state);
}

/**
 * The list after a change of what is asked for. Older versions stay while a proxy still goes by them. That nothing is asked for any more
 * is an entry too, with an empty name: without it a version would be given twice, and agents that have an old one would keep it.
 */
export function withAsked(state: State, asked: Login): readonly Credentials[] {
	const newest = state.credentials.at(-1);
	const now = credentialsAsked(state);
	if (now?.username === asked?.username && now?.password === asked?.password) return state.credentials;
	const inUse = new Set([...state.proxies.values()].map((proxy) => proxy.credentials));
	const kept = state.credentials.filter((one) => one === newest || inUse.has(one.version));
	return [...kept.slice(1 - KEPT_CREDENTIALS), { version: (newest?.version ?? 0) + 1, ...(asked ?? { username: "", password: "" }) }];
}

/**
 * Whether an order that a pool is told of is later than the one that it knows. They are told by whoever has read one, at any time, twice, late and
 * in any order: an earlier one must bring nothing back.
 */
export function isLaterOrder(known: OrderedCredentials, told: OrderedCredentials): boolean {
	if (told.revision !== known.revision) return told.revision > known.revision;
	return known.is === "unread" && told.is !== "unread";
}

/** What proxies shall ask for where `own` are the deployment's credentials: what an operator ordered stands over them. */
export function askedOf(state: State, own: Login): Login {
	const { is, username, password } = state.orderedCredentials;
	if (is === "set") return { username, password };
	// Where nothing was asked for so far, the deployment's own are no less strict.
	return is === "unread" ? (credentialsAsked(state) ?? own) : own;
}

/** Why a pool cannot know what its proxies shall ask for, or null: what was ordered cannot be read, and nothing was asked for before. */
export function whyUnasked({ orderedCredentials, credentials }: State): string | null {
	if (orderedCredentials.is !== "unread" || credentials.length > 0) return null;
	return "The proxies' credentials that were set by PUT /auth cannot be decrypted: give ENCRYPTION_KEY its former key besides, or set them again";
}
