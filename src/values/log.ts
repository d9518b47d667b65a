// The one place that writes to the Worker's log. What callers send reaches it too, so that nothing there may begin a line of its own.

/** Causes of causes that are told. */
const MOST_CAUSES = 5;

/** Tells what was given up, and why: the error with its stack, and what caused it. No error holds a setting's value. */
export function logError(what: string, error?: unknown): void {
	console.error(lineOf(what, error));
}

/** As {@link logError}, where somebody is served nevertheless. */
export function logWarning(what: string, error?: unknown): void {
	console.warn(lineOf(what, error));
}

/** Tells an event as one line of JSON, at the console's level that it names. */
export function logEvent(event: Readonly<Record<string, string>> & { readonly level: "info" | "warn" | "error" }): void {
	// Of what JSON leaves as it is, some begins a line elsewhere.
	console[event.level](encoded(JSON.stringify(event)));
}

function lineOf(what: string, error: unknown): string {
	return error === undefined ? encoded(what) : `${encoded(what)}: ${faultOf(error)}`;
}

/** An error's name, message and stack, and those of its causes; control characters that did not come from the runtime are encoded. */
export function faultOf(error: unknown, causesLeft = MOST_CAUSES): string {
	if (!(error instanceof Error)) return encoded(String(error));
	const { name, message, cause } = error;
	const why = cause === undefined || causesLeft === 0 ? "" : `\ncaused by ${faultOf(cause, causesLeft - 1)}`;
	return `${encoded(`${name}: ${message}`)}${framesOf(error)}${why}`;
}

/** The lines of the stack alone: before them it repeats the message, which may hold anything. */
function framesOf({ stack = "", message }: Error): string {
	const after = message === "" ? 0 : stack.indexOf(message) + message.length;
	const frames = stack.slice(after).split("\n").slice(1);
	return frames
		.filter((frame) => /^\s+at /.test(frame))
		.map((frame) => `\n    ${encoded(frame.trim())}`)
		.join("");
}

/** As in a URL, so that it is one line and moves no terminal's cursor. */
function encoded(text: string): string {
	return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) =>
		// Half of a surrogate pair has no encoding.
		/\p{Cs}/u.test(character) ? "%EF%BF%BD" : encodeURIComponent(character),
	);
}
