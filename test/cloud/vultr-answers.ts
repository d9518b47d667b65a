import type { z } from "zod";
import { type Call, json } from "./dialect.ts";
import { firstComplaint } from "./requests.ts";

/** How Vultr's dialect answers: refusals and pages. */

export const refuse = (status: number, error: string): Response => json(status, { error, status });

export function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	let value: unknown;
	try {
		value = JSON.parse(call.body);
	} catch {
		return refuse(400, "Invalid JSON.");
	}
	const parsed = schema.safeParse(value);
	return parsed.success ? then(parsed.data) : refuse(400, `Invalid request: ${firstComplaint(parsed.error)}.`);
}

/** One page of a list; a cursor is opaque, and empty where there is no page. */
export function page(call: Call, key: string, items: readonly unknown[]): Response {
	const size = Number(call.query.get("per_page") ?? 100);
	if (!Number.isInteger(size) || size < 1 || size > 500) return refuse(400, "Invalid per_page.");
	const cursor = call.query.get("cursor");
	const [, digits] = /^at:(\d+)$/.exec(cursor === null || cursor === "" ? "at:0" : Buffer.from(cursor, "base64url").toString()) ?? [];
	if (digits === undefined) return refuse(400, "Invalid cursor.");
	const from = Number(digits);
	const cursorAt = (at: number) => Buffer.from(`at:${at}`).toString("base64url");
	const links = {
		next: from + size < items.length ? cursorAt(from + size) : "",
		prev: from > 0 ? cursorAt(Math.max(0, from - size)) : "",
	};
	return json(200, { [key]: items.slice(from, from + size), meta: { total: items.length, links } });
}
