import type { VmTags } from "../../core/model/state.ts";
import type { CreateRequest } from "./provider.ts";

/**
 * How a VM says whose it is. Clouds know tags either as a list of words or as labels with values; the words and the
 * labels' names are the same on all of them.
 */

/** On every VM that any Muster made: what lists are filtered by. */
export const TAG = "muster";
export const DEPLOYMENT_TAG = "muster-deployment";
const POOL_TAG = "muster-pool";
const INTENT_TAG = "muster-intent";

/** `["muster", "muster-deployment:ID", …]` */
export function tagList({ deployment, pool, intent }: CreateRequest["tags"]): string[] {
	return [TAG, `${DEPLOYMENT_TAG}:${deployment}`, `${POOL_TAG}:${pool}`, `${INTENT_TAG}:${intent}`];
}

/** Whether a tag is one of ours, whichever Muster's. */
export function isOurTag(tag: string): boolean {
	return tag === TAG || [DEPLOYMENT_TAG, POOL_TAG, INTENT_TAG].some((name) => tag.startsWith(`${name}:`));
}

/** All tags that a VM shall have: of ours exactly these (null: none), and others as they are. Null: it has them. */
export function retagged(has: readonly string[], tags: CreateRequest["tags"] | null): string[] | null {
	const wanted = tags === null ? [] : tagList(tags);
	const ours = has.filter(isOurTag);
	const isSo = ours.length === wanted.length && wanted.every((tag) => ours.includes(tag));
	return isSo ? null : [...has.filter((tag) => !isOurTag(tag)), ...wanted];
}

export function readTagList(tags: readonly string[]): VmTags {
	return { deployment: only(tags, DEPLOYMENT_TAG), pool: only(tags, POOL_TAG), intent: only(tags, INTENT_TAG) };
}

/** `{"muster": "true", "muster-deployment": "ID", …}`: names and values that every cloud's label rules allow. */
export function labels({ deployment, pool, intent }: CreateRequest["tags"]): Record<string, string> {
	return { [TAG]: "true", [DEPLOYMENT_TAG]: deployment, [POOL_TAG]: pool, [INTENT_TAG]: intent };
}

/** As {@link retagged}, for labels. */
export function relabelled(has: Readonly<Record<string, string>>, tags: CreateRequest["tags"] | null): Record<string, string> | null {
	const wanted = tags === null ? {} : labels(tags);
	const others = Object.entries(has).filter(([name]) => !isOurLabel(name));
	const isSo =
		others.length + Object.keys(wanted).length === Object.keys(has).length &&
		Object.entries(wanted).every(([name, value]) => has[name] === value);
	return isSo ? null : { ...Object.fromEntries(others), ...wanted };
}

/** Whether a label is one of ours, whichever Muster's. */
export function isOurLabel(name: string): boolean {
	return [TAG, DEPLOYMENT_TAG, POOL_TAG, INTENT_TAG].includes(name);
}

export function readLabels(found: Readonly<Record<string, string>>): VmTags {
	return { deployment: found[DEPLOYMENT_TAG] ?? null, pool: found[POOL_TAG] ?? null, intent: found[INTENT_TAG] ?? null };
}

/** The rest of the one tag that begins so. Two of them contradict each other: then it is no one's. */
function only(tags: readonly string[], name: string): string | null {
	const [first, ...others] = new Set(tags.filter((tag) => tag.startsWith(`${name}:`)));
	return first === undefined || others.length > 0 ? null : first.slice(name.length + 1);
}
