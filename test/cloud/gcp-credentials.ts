import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Call } from "./dialect.ts";
import { json } from "./dialect.ts";
import { holderOf, issueToken } from "./tokens.ts";

/** Service accounts of the local cloud, and the tokens that they get for signed claims. */

/** The one key of all its service accounts. It is published with this file, and good for nothing else. */
const privateKey = readFileSync(join(import.meta.dirname, "gcp-key.pem"), "utf8");
const publicKey = createPublicKey(privateKey);
const TOKEN_MS = 3_599_000;
const MAX_SKEW_SECONDS = 300;
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPES = ["https://www.googleapis.com/auth/compute", "https://www.googleapis.com/auth/cloud-platform"];

/** The key file of a service account; an email that begins with `local` is an account. `tokenUri`: the local cloud's `/gcp/token`. */
export function serviceAccountKeyFile(email: string, tokenUri: string, key = privateKey): string {
	return JSON.stringify({ type: "service_account", client_email: email, private_key_id: "local-1", private_key: key, token_uri: tokenUri });
}

const Claim = z.object({ iss: z.string(), scope: z.string(), aud: z.string(), iat: z.number(), exp: z.number() });

/** The account that a claim is signed for, or the token server's refusal. */
export function claimant(call: Call, nowMs: number): { readonly token: string } | Response {
	const form = new URLSearchParams(call.body);
	if (form.get("grant_type") !== GRANT) return refuseToken("unsupported_grant_type", "Invalid grant_type: ");
	const [header = "", payload = "", signature = ""] = (form.get("assertion") ?? "").split(".");
	const isSigned = verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, "base64url"));
	if (!isSigned || readPart(header)?.alg !== "RS256") return refuseToken("invalid_grant", "Invalid JWT Signature.");
	const claim = Claim.safeParse(readPart(payload));
	if (!claim.success) return refuseToken("invalid_grant", "Bad Request");
	const { iss, scope, aud, iat, exp } = claim.data;
	const now = nowMs / 1000;
	if (!aud.endsWith(call.fullPath)) return refuseToken("invalid_grant", "Invalid JWT: Failed audience check.");
	if (exp - iat > 3600 || exp <= now || iat > now + MAX_SKEW_SECONDS) {
		const sentence =
			"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
		return refuseToken("invalid_grant", sentence);
	}
	if (!scope.split(" ").some((one) => SCOPES.includes(one)))
		return refuseToken("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
	return iss.startsWith("local") ? { token: iss } : refuseToken("invalid_grant", "Invalid grant: account not found");
}

function readPart(part: string): Record<string, unknown> | null {
	try {
		return JSON.parse(Buffer.from(part, "base64url").toString("utf8")) as Record<string, unknown>;
	} catch {
		return null; // no claim
	}
}

function refuseToken(error: string, description: string): Response {
	return json(400, { error, error_description: description });
}

/** The token server's answer to a claim of that account. */
export function answerClaim(email: string, nowMs: number): Response {
	const token = issueToken(email, nowMs + TOKEN_MS);
	return json(200, { access_token: `ya29.${token}`, expires_in: TOKEN_MS / 1000, token_type: "Bearer" });
}

/** The account of a token that is good now; null: it is none. */
export function bearer(call: Call, nowMs: number): { readonly token: string } | null {
	const [, token = ""] = /^Bearer ya29\.(.+)$/.exec(call.headers.get("authorization") ?? "") ?? [];
	const email = holderOf(token, nowMs);
	return email === null ? null : { token: email };
}
