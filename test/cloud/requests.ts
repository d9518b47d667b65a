import { z } from "zod";
import type { Call } from "./dialect.ts";

/** What dialects do alike with requests and answers. */

/** The token of `Authorization: Bearer`, where it is one that the local cloud knows as an account; else null. */
export function localToken(call: Call): string | null {
	const [, token] = /^Bearer (.+)$/.exec(call.headers.get("authorization") ?? "") ?? [];
	return token?.startsWith("local") ? token : null;
}

/** The first thing wrong, as one sentence that names the field. */
export function firstComplaint(error: z.ZodError): string {
	const issue = error.issues[0];
	if (!issue) return "The request is invalid.";
	const at = issue.path.map(String).join(".");
	if (issue.code === "unrecognized_keys") return `${at ? `${at}: ` : ""}unknown field ${issue.keys.join(", ")}`;
	// What the checker says by itself no cloud would say.
	const sentence = /^(Invalid |Too (big|small))/.test(issue.message) ? "is invalid" : issue.message;
	return at === "" ? sentence : `${at} ${sentence}`;
}

/** One field of a JSON body, where it is a text or a number; null: there is none, or the body is no JSON. */
export function bodyField(call: Call, field: string): string | null {
	try {
		const value = (JSON.parse(call.body) as { readonly [field: string]: unknown } | null)?.[field];
		return typeof value === "string" || typeof value === "number" ? String(value) : null;
	} catch {
		return null;
	}
}

/** A network of its own for each VM that has IPv6, of the range for documentation: nothing is ever reached there. */
export function ipv6Network(number: number): { readonly network: string; readonly address: string; readonly size: number } {
	const group = (shift: number) => ((number >>> shift) & 0xffff).toString(16);
	const network = `2001:db8:${group(16)}:${group(0)}::`;
	return { network, address: `${network}1`, size: 64 };
}

/** An address or a network, as firewalls take it. */
export const Cidr = z.union([z.cidrv4(), z.cidrv6()], "is not in CIDR notation");

/** The call as if it had asked for no more than this on a page (`per_page`). */
export function shortPages(call: Call, pageSize: number): Call {
	const asked = call.query.get("per_page");
	if (asked === null || !(Number(asked) > pageSize)) return call;
	const query = new URLSearchParams(call.query);
	query.set("per_page", String(pageSize));
	return { ...call, query };
}

/** A JSON body with the values of these fields, wherever in it, made unreadable: for the journal. */
export function maskJson(body: string, fields: readonly string[]): string {
	try {
		return JSON.stringify(JSON.parse(body), (key, value: unknown) => {
			if (!fields.includes(key)) return value;
			return typeof value === "string" ? "x".repeat(value.length) : null;
		});
	} catch {
		// Not JSON: nobody knows where in it a secret is.
		return "x".repeat(body.length);
	}
}

/** To the second, with the offset that several clouds write. */
export function rfc3339(ms: number): string {
	return `${new Date(ms).toISOString().slice(0, 19)}+00:00`;
}
