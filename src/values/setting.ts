import type { z } from "zod";

/**
 * One setting, as the tables of settings state it: what it is read by, what the documentation says of it, whether it is a secret. The
 * deployment's and the pools' stand in `settings/table.ts`, those of a cloud's accounts in the cloud's own folder.
 */
export interface Setting<Value = unknown> {
	/**
	 * Makes the value of a trimmed text, and the default of `undefined`; where it makes none of that, the setting is required. A message ends
	 * the sentence "NAME must be …", or follows the name where it begins with "must" itself. It never holds a value.
	 */
	readonly schema: z.ZodType<Value>;
	/** What holds of a value that is wrong in part; without it the default does. */
	salvage?(given: unknown): Value;
	/** What it is, in one line of Markdown for tables: in lower case and without a full stop. Neighbours with the same line share a row. */
	readonly is: string;
	/** What holds where it is not given, in words: for a default that is no value of its own. */
	readonly usually?: string;
	/** A value to begin with, for files of settings; the default where that is one. */
	readonly example?: string;
	/** Never shown, logged, or copied from one account to another. */
	readonly isSecret?: true;
}

export type Table = Readonly<Record<string, Setting>>;
/** What the settings of a table come to, by field. */
export type Values<T extends Table> = { readonly [Field in keyof T]: z.output<T[Field]["schema"]> };

/** What a setting comes to: its value, and what is wrong. */
export interface ReadSetting<Value> {
	/** Where nothing is given or what is given is wrong: what is salvaged, or the default; undefined where there is none. */
	readonly value: Value | undefined;
	/** What follows the name in a sentence (`must be …`); null: nothing is wrong. */
	readonly fault: string | null;
	/** It is required, and there is no value. */
	readonly isMissing: boolean;
}

/** Reads `given`; undefined counts as not given. */
export function readSetting<Value>(setting: Pick<Setting<Value>, "schema" | "salvage">, given: unknown): ReadSetting<Value> {
	const { schema } = setting;
	const result = schema.safeParse(given);
	if (result.success) return { value: result.data, fault: null, isMissing: false };
	const message = result.error.issues[0]?.message ?? "something else";
	const fault = message.startsWith("must ") ? message : `must be ${message}`;
	if (given !== undefined && setting.salvage !== undefined) return { value: setting.salvage(given), fault, isMissing: false };
	const usual = schema.safeParse(undefined);
	return { value: usual.data, fault, isMissing: !usual.success };
}

/** The default. Throws where the setting is required. */
export function usualOf<Value>({ schema }: Pick<Setting<Value>, "schema">): Value {
	return schema.parse(undefined);
}

/** Every field of a table, read by `read`. */
export function readTable<T extends Table>(table: T, read: (setting: T[keyof T & string], field: keyof T & string) => unknown): Values<T> {
	const fields = Object.keys(table) as (keyof T & string)[];
	return Object.fromEntries(fields.map((field) => [field, read(table[field], field)])) as Values<T>;
}
