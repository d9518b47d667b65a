import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Bearer tokens of the local cloud's own token servers. They say whose they are and until when; those of an earlier run are refused. */

const key = randomBytes(32);
const sign = (text: string) => createHmac("sha256", key).update(text).digest("base64url");

/** `expiresAt`: milliseconds since the epoch. */
export function issueToken(holder: string, expiresAt: number): string {
	const text = `${Buffer.from(holder).toString("base64url")}.${expiresAt}`;
	return `${text}.${sign(text)}`;
}

/** Whose it is; null: it is none of ours, or over. */
export function holderOf(token: string, nowMs: number): string | null {
	const [, holder = "", expiresAt = "", signature = ""] = /^([\w-]+)\.(\d+)\.([\w-]+)$/.exec(token) ?? [];
	const expected = Buffer.from(sign(`${holder}.${expiresAt}`));
	const given = Buffer.from(signature);
	if (given.length !== expected.length || !timingSafeEqual(given, expected) || Number(expiresAt) <= nowMs) return null;
	return Buffer.from(holder, "base64url").toString("utf8");
}
