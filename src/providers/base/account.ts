import { z } from "zod";
import type { Setting, Values } from "../../values/setting.ts";

/** A setting's value as `GET /providers` shows it. */
export type Shown = string | number | boolean | null;

/**
 * One setting of a cloud's accounts. Its field is its name in lower case: `access_token` is `DIGITALOCEAN_ACCESS_TOKEN` in the
 * environment, and `access_token` of the section `cloud:digitalocean` in an endpoint's configuration.
 */
export interface AccountSetting<Value = unknown> extends Setting<Value> {
	/** Other spellings of the field. */
	readonly alsoSpelt?: readonly string[];
	/** Where credentials are sent: an API's scheme and host. A local cloud stands there instead. */
	readonly isAddress?: true;
	/** For whom credentials are sent there: a directory, an application. With another one they are other credentials. */
	readonly isRecipient?: true;
	/** An address within a value of which one is derived that credentials are sent to; null: none. */
	sentTo?(value: unknown): string | null;
	/** Is shown as the pool's size or region too: a plan is a size, a zone a region. */
	readonly shownAs?: "size" | "region";
	/** Another spelling of the region, which gives way to that of a place. */
	readonly isOverruled?: true;
	/** Not shown with the others, though it is no secret. */
	readonly isHidden?: true;
}

/** In the order in which it is stored and shown: what was launched with an account is told by the whole of it. */
export type AccountTable = Readonly<Record<string, AccountSetting>>;

/** All of an account at once: from trimmed texts by field. */
export function schemaOf<T extends AccountTable>(table: T): z.ZodObject<{ [Field in keyof T]: T[Field]["schema"] }> & z.ZodType<Values<T>> {
	const shape = Object.fromEntries(Object.entries(table).map(([field, { schema }]) => [field, schema]));
	return z.object(shape) as unknown as ReturnType<typeof schemaOf<T>>;
}

/** The field that `name` is, by its own or another spelling; undefined: none. Names of methods of all objects are none. */
export function fieldOf(table: AccountTable, name: string): string | undefined {
	if (Object.hasOwn(table, name)) return name;
	return Object.entries(table).find(([, { alsoSpelt }]) => alsoSpelt?.includes(name))?.[0];
}

/** Settings as operators see them, `size` and `region` among them where the account has them. Never a secret. */
export function shownOf(table: AccountTable, values: Readonly<Record<string, unknown>>): Readonly<Record<string, Shown>> {
	const shown: Record<string, Shown> = {};
	for (const [field, { isSecret, isHidden, shownAs }] of Object.entries(table)) {
		if (isSecret || isHidden) continue;
		const value = scalarOr(values[field]);
		shown[field] = value;
		if (shownAs !== undefined) shown[shownAs] = value;
	}
	return shown;
}

function scalarOr(value: unknown): Shown {
	return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}
