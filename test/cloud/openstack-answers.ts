import type { z } from "zod";
import { type Call, json } from "./dialect.ts";
import { firstComplaint } from "./requests.ts";

/** How OpenStack's services answer: each refuses in a form of its own. */

/** Nova's. */
const KINDS: Readonly<Record<number, string>> = {
	400: "badRequest",
	403: "forbidden",
	404: "itemNotFound",
	406: "computeFault",
	409: "conflictingRequest",
	413: "overLimit",
};
export const nova = (code: number, message: string): Response => json(code, { [KINDS[code] ?? "computeFault"]: { code, message } });
/** Neutron's. */
export const neutron = (status: number, type: string, message: string): Response =>
	json(status, { NeutronError: { type, message, detail: "" } });
/** Keystone's, and what stands in front of every service says of a token. */
export const keystone = (code: number, title: string, message: string): Response => json(code, { error: { code, title, message } });

export const notFound = (): Response => nova(404, "The resource could not be found.");
export const empty = (status: number): Response => new Response(null, { status });

type Complain = (message: string) => Response;
export const novaComplains: Complain = (message) => nova(400, `Invalid input received: ${message}`);
export const neutronComplains: Complain = (message) => neutron(400, "HTTPBadRequest", `Invalid input: ${message}`);

export function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	complain: Complain,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	let value: unknown;
	try {
		value = JSON.parse(call.body);
	} catch {
		return complain("Malformed request body");
	}
	const parsed = schema.safeParse(value);
	return parsed.success ? then(parsed.data) : complain(firstComplaint(parsed.error));
}

/** A page that begins behind the item that `marker` names, and where it ends too early a link to the next one, which names a host of the inside. */
export function page(call: Call, key: string, items: readonly { readonly id: string }[], most: number): Response {
	const { query } = call;
	const marker = query.get("marker");
	const from = marker === null ? 0 : items.findIndex(({ id }) => id === marker) + 1;
	if (marker !== null && from === 0) return nova(400, `marker [${marker}] not found`);
	const limit = Math.min(most, Number(query.get("limit") ?? most));
	if (!(limit >= 0)) return nova(400, `Invalid input for query parameters limit. Value: ${query.get("limit")}.`);
	const shown = items.slice(from, from + limit);
	const goesOn = from + limit < items.length && shown.length > 0;
	const links = [{ rel: "next", href: `http://10.0.0.5${call.fullPath}?marker=${shown.at(-1)?.id}` }];
	return json(200, { [key]: shown, ...(goesOn ? { [`${key}_links`]: links } : {}) });
}

/** Items that have what the query asks for, by the fields that can be asked for. */
export function narrowed<T extends { readonly id: string }>(call: Call, items: readonly T[], fields: readonly string[]): readonly T[] {
	return items.filter((item) =>
		fields.every((field) => {
			const asked = call.query.getAll(field);
			const has = String((item as Readonly<Record<string, unknown>>)[field] ?? "");
			return asked.length === 0 || asked.some((each) => each.toLowerCase() === has.toLowerCase());
		}),
	);
}

/** To the second. */
export const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
