import { randomUUID } from "node:crypto";

/** EC2's answers are XML; a list is `<set><item>…</item></set>`. */

export type XmlValue = string | number | boolean | null | undefined | readonly XmlValue[] | { readonly [name: string]: XmlValue };

const NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/";

/** `<ActionResponse>` with its request id; fields that are null are left out, as EC2 does. */
export function answer(action: string, fields: { readonly [name: string]: XmlValue }): Response {
	const inner = children({ requestId: randomUUID(), ...fields });
	return xml(200, `<${action}Response xmlns="${NAMESPACE}">${inner}</${action}Response>`);
}

export function refuse(status: number, code: string, message: string): Response {
	const error = element("Error", { Code: code, Message: message });
	return xml(status, `<Response><Errors>${error}</Errors><RequestID>${randomUUID()}</RequestID></Response>`);
}

function xml(status: number, root: string): Response {
	return new Response(`<?xml version="1.0" encoding="UTF-8"?>\n${root}`, { status, headers: { "content-type": "text/xml;charset=UTF-8" } });
}

function children(fields: { readonly [name: string]: XmlValue }): string {
	return Object.entries(fields)
		.map(([name, value]) => element(name, value))
		.join("");
}

function element(name: string, value: XmlValue): string {
	if (value === null || value === undefined) return "";
	const inner = Array.isArray(value)
		? (value as readonly XmlValue[]).map((item) => element("item", item)).join("")
		: typeof value === "object"
			? children(value as { readonly [name: string]: XmlValue })
			: escape(String(value));
	return inner === "" ? `<${name}/>` : `<${name}>${inner}</${name}>`;
}

function escape(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
