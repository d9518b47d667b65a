/** How long a query may take before it counts as failed: readers then fall back on what they have, or say so. */
export const DATABASE_DEADLINE_MS = 3_000;

/** D1 did not answer, or refused. The cause is in the log, not in the answer. */
export class DatabaseUnavailable extends Error {
	constructor(cause: unknown) {
		super("The database does not answer.", { cause });
		this.name = "DatabaseUnavailable";
	}
}

/**
 * Runs one piece of work on D1, bounded in time. Throws {@link DatabaseUnavailable} when it fails or takes longer than
 * `deadlineMs` (a write may then have happened nevertheless: every write here may be repeated).
 */
export async function onDatabase<T>(work: () => Promise<T>, deadlineMs = DATABASE_DEADLINE_MS): Promise<T> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
	});
	try {
		return await Promise.race([work(), late]);
	} catch (error) {
		throw new DatabaseUnavailable(error);
	} finally {
		clearTimeout(timer);
	}
}

/** Parses a JSON column that only Muster writes; `fallback` where there is none. */
export function fromJson<T>(text: string | null, fallback: T): T {
	return text === null ? fallback : (JSON.parse(text) as T);
}
