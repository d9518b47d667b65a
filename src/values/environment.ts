/** Text of single variables. */

/** What the platform hands over: strings, and from configuration files numbers and booleans, beside bindings that are none of ours. */
export type Env = Readonly<Record<string, unknown>>;

/** Text of a variable, as given; undefined where it is unset, empty, or a binding. */
export function textOf(env: Env, name: string): string | undefined {
	const value = env[name];
	if (typeof value === "number" || typeof value === "boolean") return String(value);
	return typeof value === "string" && value !== "" ? value : undefined;
}

/** As `textOf`, without the white space around it. */
export function trimmedOf(env: Env, name: string): string | undefined {
	return textOf(env, name)?.trim() || undefined;
}
