/**
 * A line of the Worker's log for people: an event, which is JSON (`{"pool", "event", "proxy", "why", …}`), in words; anything else as it is.
 */
export function readableLine(text: string): string {
	const event = eventIn(text);
	if (event === null) return text;
	const { level, pool, proxy, why, event: name } = event;
	const what = [pool, proxy].filter((part) => typeof part === "string" && part !== "").join(" ");
	const reason = typeof why === "string" && why !== "" ? `: ${why}` : "";
	return `${level === "error" || level === "warn" ? "! " : ""}${what === "" ? "" : `${what} `}${String(name)}${reason}`;
}

function eventIn(text: string): Readonly<Record<string, unknown>> | null {
	if (!text.startsWith("{")) return null;
	try {
		const value = JSON.parse(text) as Readonly<Record<string, unknown>>;
		return typeof value.event === "string" ? value : null;
	} catch {
		// No event: a text that happens to begin so.
		return null;
	}
}
