import { bodyLimit } from "hono/body-limit";
import { hasControls } from "../../core/model/bounds.ts";
import type { AppContext } from "./context.ts";
import { BadRequest, PayloadTooLarge } from "./errors.ts";

/** Reads at most `maxBytes` of the request's body, so that nothing after it can be made to hold more. Throws PayloadTooLarge. */
export async function boundBody(c: AppContext, maxBytes: number): Promise<void> {
	if (c.req.raw.body === null) return;
	const tooLarge = () => {
		throw new PayloadTooLarge(maxBytes);
	};
	await bodyLimit({ maxSize: maxBytes, onError: tooLarge })(c, async () => {});
}

/**
 * Refuses a body that is not JSON: chanfana takes one that cannot be parsed for `{}`, and any content type. No body at all
 * is left to the route's schema. Throws BadRequest.
 */
export async function requireJson(c: AppContext, isTypeEnforced: boolean): Promise<void> {
	// Most requests have none, and to copy one costs more than all else that is done for it.
	if (c.req.raw.body === null) return;
	const text = new TextDecoder().decode(await c.req.raw.clone().arrayBuffer());
	if (text === "") return;
	const type = (c.req.header("Content-Type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
	if (isTypeEnforced && type !== "application/json" && !/^application\/[^/]+\+json$/.test(type))
		throw new BadRequest(`The body must be sent as Content-Type: application/json${type === "" ? "" : `, not ${type.slice(0, 100)}`}.`);
	try {
		JSON.parse(text);
	} catch {
		throw new BadRequest("The body is not JSON.");
	}
}

/** Refuses control characters, line breaks too: what callers name stands in logs and terminals. Throws BadRequest. */
export function requirePrintable(text: string, what: string): void {
	if (hasControls(text)) throw new BadRequest(`The ${what} must not have control characters, nor line breaks.`);
}

/** Refuses a request without a body, which chanfana takes for `{}`. Throws BadRequest. */
export async function requireBody(c: AppContext): Promise<void> {
	const isEmpty = c.req.raw.body === null || (await c.req.raw.clone().arrayBuffer()).byteLength === 0;
	if (isEmpty) throw new BadRequest("The body is empty.");
}
