import type { Account } from "./account.ts";
import { json } from "./dialect.ts";
import type { Json } from "./inventory.ts";

/** How Compute Engine says what went wrong, and what goes on after its answers. */

export const SELF = "https://www.googleapis.com/compute/v1";

export function refuse(status: number, reason: string, message: string): Response {
	return json(status, { error: { code: status, message, errors: [{ message, domain: "global", reason }] } });
}

export const notFound = (what: string) => refuse(404, "notFound", `The resource '${what}' was not found`);
export const exists = (what: string) => refuse(409, "alreadyExists", `The resource '${what}' already exists`);
export const notReady = (what: string) => refuse(400, "resourceNotReady", `The resource '${what}' is not ready`);

interface Record extends Readonly<{ [key: string]: Json }> {
	readonly name: string;
	readonly id: string;
	readonly type: string;
	/** `projects/p/zones/z` or `projects/p/global`. */
	readonly where: string;
	/** `projects/p/zones/z/instances/n` */
	readonly target: string;
	/** What goes on; null: it was done when it was answered. */
	readonly task: number | null;
	readonly at: number;
}

const REMEMBERED = 200;
const recordsOf = (account: Account) => account.collection<Record>("operations");

/** Begins an operation and answers it as the API does: it never says at once that it is done. */
export function begin(
	account: Account,
	wanted: Pick<Record, "type" | "where" | "target" | "task">,
): { readonly name: string; readonly answer: Response } {
	const id = String(account.number());
	const record: Record = { ...wanted, id, name: `operation-${id}`, at: account.now() };
	const records = recordsOf(account);
	records.set(record.name, record);
	for (const { name } of records.all().slice(0, -REMEMBERED)) records.delete(name);
	return { name: record.name, answer: json(200, { ...shown(record, account), status: "RUNNING", progress: 0 }) };
}

/** Null: there is no such operation there. */
export function operation(account: Account, where: string, name: string): object | null {
	const record = recordsOf(account).get(name);
	return record?.where === where ? shown(record, account) : null;
}

/** The operation once it is done, or after two minutes, as it is. */
export async function wait(account: Account, where: string, name: string): Promise<object | null> {
	const record = recordsOf(account).get(name);
	if (record?.task !== null && record?.task !== undefined) await account.ended(record.task, 120_000);
	return operation(account, where, name);
}

function shown(record: Record, account: Account): object {
	const task = record.task === null ? null : account.task(record.task);
	const isRunning = task?.status === "running";
	const zone = record.where.includes("/zones/") ? { zone: `${SELF}/${record.where}` } : {};
	return {
		kind: "compute#operation",
		id: record.id,
		name: record.name,
		operationType: record.type,
		targetLink: `${SELF}/${record.target}`,
		status: isRunning ? "RUNNING" : "DONE",
		progress: isRunning ? 50 : 100,
		insertTime: new Date(record.at).toISOString(),
		startTime: new Date(record.at).toISOString(),
		selfLink: `${SELF}/${record.where}/operations/${record.name}`,
		...zone,
		...(task?.status === "failed"
			? { httpErrorStatusCode: 503, httpErrorMessage: "SERVICE UNAVAILABLE", error: { errors: [stockOut(record)] } }
			: {}),
	};
}

/** An insert that fails after its 200 does so for want of room. */
function stockOut({ where }: Record): object {
	const message = `The zone '${where}' does not have enough resources available to fulfill the request.  Try a different zone, or try again later.`;
	return { code: "ZONE_RESOURCE_POOL_EXHAUSTED", message };
}
