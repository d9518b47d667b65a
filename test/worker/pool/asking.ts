import { exports } from "cloudflare:workers";
import type { PoolUnderTest } from "./harness.ts";

export interface Answer {
	readonly status: number;
	readonly headers: Headers;
	// biome-ignore lint/suspicious/noExplicitAny: each test looks at a shape of its own
	readonly body: any;
}

/** Asks the Worker as it is deployed, with real pools behind it. */
export async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
	const init = body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
	const response = await exports.default.fetch(new Request(`https://muster.test${path}`, { redirect: "manual", ...init }));
	const text = await response.text();
	const isJson = response.headers.get("Content-Type")?.startsWith("application/json") ?? false;
	return { status: response.status, headers: response.headers, body: isJson && text !== "" ? JSON.parse(text) : text };
}

/** Asks while the pool's alarm runs, as it does by itself outside of tests. */
export async function askRunning(pool: PoolUnderTest, method: string, path: string, body?: unknown): Promise<Answer> {
	let answer: Answer | null = null;
	const asked = ask(method, path, body).then((given) => {
		answer = given;
	});
	await pool.until(() => answer !== null, `an answer to ${method} ${path}`);
	await asked;
	if (answer === null) throw new Error("unreachable");
	return answer;
}
