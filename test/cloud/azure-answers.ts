import type { Account } from "./account.ts";
import { type Call, json } from "./dialect.ts";
import type { Json } from "./inventory.ts";

/** How Azure Resource Manager says what went wrong, and what goes on after its answers. */

export function refuse(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}): Response {
	return json(status, { error: { code, message } }, headers);
}

export const resourceNotFound = (type: string, name: string, group: string) =>
	refuse(
		404,
		"ResourceNotFound",
		`The Resource '${type}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
	);

/** A link to something of this API, as the caller reaches it. */
export function link(call: Call, path: string): string {
	return `${call.origin}${call.fullPath.slice(0, call.fullPath.length - call.path.length)}${path}`;
}

interface Operation extends Readonly<{ [key: string]: Json }> {
	readonly id: string;
	readonly at: number;
	/** What goes on; null: it ends by itself, at `endsAt`. */
	readonly task: number | null;
	readonly endsAt: number;
}

const REMEMBERED = 500;
const operationsOf = (account: Account) => account.collection<Operation>("operations");

/** Begins an operation; the headers that say where its outcome shows, and when it is worth a look. `where`: its namespace and location. */
export function begin(
	call: Call,
	account: Account,
	where: { readonly subscription: string; readonly namespace: string; readonly location: string; readonly version: string },
	ends: { readonly task: number } | { readonly afterMs: number },
): Record<string, string> {
	const id = guid(account.number());
	const operations = operationsOf(account);
	const at = account.now();
	operations.set(id, { id, at, task: "task" in ends ? ends.task : null, endsAt: at + ("afterMs" in ends ? ends.afterMs : 0) });
	for (const { id: old } of operations.all().slice(0, -REMEMBERED)) operations.delete(old);
	const { subscription, namespace, location, version } = where;
	const path = `/subscriptions/${subscription}/providers/${namespace}/locations/${location}/operations/${id}?api-version=${version}`;
	return { "azure-asyncoperation": link(call, path), "retry-after": "1" };
}

/** What an operation came to; 404: there is none of that id. */
export function operation(account: Account, id: string): Response {
	const found = operationsOf(account).get(id);
	if (!found) return refuse(404, "NotFound", `The entity was not found: operation ${id}.`);
	const task = found.task === null ? null : account.task(found.task);
	const isGoingOn = found.task === null ? account.now() < found.endsAt : task?.status === "running";
	const isFailed = task?.status === "failed";
	return json(
		200,
		{
			startTime: new Date(found.at).toISOString(),
			...(isGoingOn ? {} : { endTime: new Date(task?.endedAt ?? found.endsAt).toISOString() }),
			status: isGoingOn ? "InProgress" : isFailed ? "Failed" : "Succeeded",
			...(isFailed ? { error: ALLOCATION } : {}),
			name: id,
		},
		{ "retry-after": "1" },
	);
}

/** A create that fails after its 201 does so for want of room. */
export const ALLOCATION = {
	code: "AllocationFailed",
	message:
		"Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
};

/** Always the same for a number. */
export const guid = (number: number) => `5ca1ab1e-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;

/** One page of a list, with a link to the next. */
export function page(call: Call, items: readonly object[], pageSize: number): Response {
	const from = Number(call.query.get("$skiptoken") ?? 0);
	const to = from + pageSize;
	const query = new URLSearchParams(call.query);
	query.set("$skiptoken", String(to));
	return json(200, {
		value: items.slice(from, to),
		...(to < items.length ? { nextLink: link(call, `${call.path}?${query}`) } : {}),
	});
}
