import type { z } from "zod";
import { type Call, json } from "./dialect.ts";
import { firstComplaint } from "./requests.ts";

/** How Linode's dialect answers: refusals, pages and filters. */

export const refuse = (status: number, reason: string, field?: string): Response =>
	json(status, { errors: [field === undefined ? { reason } : { reason, field }] });
export const notFound = (): Response => refuse(404, "Not found");
export const done = (): Response => json(200, {});

/** Times are in UTC and say so nowhere. */
export const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19);

export function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	let value: unknown;
	try {
		value = JSON.parse(call.body === "" ? "{}" : call.body);
	} catch {
		return refuse(400, "Invalid JSON");
	}
	const parsed = schema.safeParse(value);
	if (parsed.success) return then(parsed.data);
	const field = parsed.error.issues[0]?.path.map(String).join(".");
	return refuse(400, firstComplaint(parsed.error), field === "" ? undefined : field);
}

/** One page of a list, narrowed by the header `X-Filter` to items that have these fields; a list has a field when it has the value in it. */
export function page(call: Call, items: readonly object[], filterable: readonly string[]): Response {
	const filter = filterOf(call);
	if (filter === null) return refuse(400, "X-Filter must be a JSON object");
	const other = Object.keys(filter).find((field) => !filterable.includes(field) && !field.startsWith("+order"));
	if (other !== undefined) return refuse(400, `Cannot filter on ${other}`);
	const shown = items.filter((item) => Object.entries(filter).every(([field, wanted]) => hasIt(item, field, wanted)));
	const size = Number(call.query.get("page_size") ?? 100);
	if (!Number.isInteger(size) || size < 25 || size > 500) return refuse(400, "Must be 25-500", "page_size");
	const number = Number(call.query.get("page") ?? 1);
	const perPage = Math.min(size, Number(call.query.get("most") ?? size));
	const pages = Math.max(1, Math.ceil(shown.length / perPage));
	if (!Number.isInteger(number) || number < 1 || number > pages) return notFound();
	return json(200, { data: shown.slice((number - 1) * perPage, number * perPage), page: number, pages, results: shown.length });
}

function filterOf(call: Call): Readonly<Record<string, unknown>> | null {
	try {
		const value: unknown = JSON.parse(call.headers.get("x-filter") ?? "{}");
		return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : null;
	} catch {
		return null;
	}
}

/** The one text that a list is narrowed to by this field; null: it is not. */
export function filteredTo(call: Call, field: string): string | null {
	const value = filterOf(call)?.[field];
	return typeof value === "string" ? value : null;
}

function hasIt(item: object, field: string, wanted: unknown): boolean {
	if (field.startsWith("+order")) return true;
	const value = (item as Readonly<Record<string, unknown>>)[field];
	const contains = (wanted as { readonly "+contains"?: unknown } | null)?.["+contains"];
	if (typeof contains === "string") return String(value).toLowerCase().includes(contains.toLowerCase());
	return Array.isArray(value) ? value.includes(wanted) : value === wanted;
}
