import { goodList } from "../settings/kinds.ts";

/** Lists of proxies that are fetched: over https, so long and so large at the most, and never from where an answer leads on to. */

const DEADLINE_MS = 10_000;
const MOST_BYTES = 1024 * 1024;

/** The list's text; null where it cannot be had, or holds no proxy: then what was known before holds. Never throws. */
export async function fetchList(url: string): Promise<string | null> {
	try {
		const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(DEADLINE_MS), headers: { accept: "text/plain" } });
		if (!response.ok || response.body === null) return null;
		const text = await bounded(response.body);
		return text !== null && goodList([text]).length > 0 ? text : null;
	} catch {
		// The platform's own words may quote the address.
		return null;
	}
}

async function bounded(body: ReadableStream<Uint8Array>): Promise<string | null> {
	const decoder = new TextDecoder();
	let text = "";
	let bytes = 0;
	for await (const chunk of body) {
		bytes += chunk.byteLength;
		if (bytes > MOST_BYTES) return null;
		text += decoder.decode(chunk, { stream: true });
	}
	return text + decoder.decode();
}
