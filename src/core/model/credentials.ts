/** The proxies' credentials over time: what agents shall ask for, and what those ask for that have not heard of it yet. */
import { FORMER_CREDENTIALS_SECONDS } from "./pool.ts";
import type { Credentials, KnownCredentials, OrderedCredentials, State } from "./state.ts";

/** What clients present; null: they are asked for nothing. */
export type Login = { readonly username: string; readonly password: string } | null;

/** A proxy that has missed so many changes is shown with the newest. */
const KEPT_CREDENTIALS = 100;

/** What agents shall ask clients for; null: nothing. */
export function credentialsAsked({ credentials }: Pick<State, "credentials">): Credentials | null {
	const newest = credentials.at(-1);
	return newest === undefined || newest.username === "" ? null : bare(newest);
}

/**
 * What an agent that goes by `version` (0: none) is told to ask clients for, and for how long those that it replaces stay good where that is not as usual: as
 * short as any of the orders said that it has not heard of. The newest alone would have it take on what an earlier one had refused.
 */
export function credentialsTold(state: State, version: number): (Credentials & { readonly former?: number }) | null {
	const asked = credentialsAsked(state);
	if (asked === null) return null;
	const known = state.credentials.find((one) => one.version >= version);
	const former = Math.min(state.orderedCredentials.formerSeconds, known?.formerSeconds ?? FORMER_CREDENTIALS_SECONDS);
	return former === FORMER_CREDENTIALS_SECONDS ? asked : { ...asked, former };
}

/** What a proxy that has acknowledged this version (0: none) accepts; null: it asks for nothing, or is yet to hear what to ask for. */
export function credentialsOfVersion(state: Pick<State, "credentials">, version: number): Credentials | null {
	const known = state.credentials.find((one) => one.version === version && one.username !== "");
	return known === undefined ? credentialsAsked(state) : bare(known);
}

const bare = ({ version, username, password }: Credentials): Credentials => ({ version, username, password });

/**
 * The list after a change of what is asked for; `formerSeconds`: how long those before stay good. Older versions stay while a proxy still goes by them. That
 * nothing is asked for any more is an entry too, with an empty name: without it a version would be given twice, and agents that have an old one would keep it.
 */
export function withAsked(state: State, asked: Login, formerSeconds = FORMER_CREDENTIALS_SECONDS): readonly KnownCredentials[] {
	const newest = state.credentials.at(-1);
	const now = credentialsAsked(state);
	const isSame = now?.username === asked?.username && now?.password === asked?.password;
	const isShortened = (one: KnownCredentials) => one.formerSeconds > formerSeconds && !(isSame && one === newest);
	const known = state.credentials.some(isShortened)
		? state.credentials.map((one) => (isShortened(one) ? { ...one, formerSeconds } : one))
		: state.credentials;
	if (isSame) return known;
	const inUse = new Set([...state.proxies.values()].map((proxy) => proxy.credentials));
	const kept = known.filter((one) => one.version === newest?.version || inUse.has(one.version));
	const { username, password } = asked ?? { username: "", password: "" };
	const next = { version: (newest?.version ?? 0) + 1, username, password, formerSeconds: FORMER_CREDENTIALS_SECONDS };
	return [...kept.slice(1 - KEPT_CREDENTIALS), next];
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
export function loginInForce(state: State, own: Login): Login {
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
