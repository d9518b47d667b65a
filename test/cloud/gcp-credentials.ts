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

/** Google's token server goes by these, and clients that have one of them built in send it wherever they are told to go. */
const AUDIENCES = [
	"https://oauth2.googleapis.com/token",
	"https://accounts.google.com/o/oauth2/token",
	"https://www.googleapis.com/oauth2/v4/token",
];

const Claim = z.object({ iss: z.string(), scope: z.string(), aud: z.string(), iat: z.number(), exp: z.number() });

/** The account that a claim is signed for, or the token server's refusal. */
export function claimant(call: Call, nowMs: number): { readonly token: string } | Response {
	const form = new URLSearchParams(call.body);
	if (form.get("grant_type") !== GRANT) return refuseToken("unsupported_grant_type", "Invalid grant_type: ");
	const payload = signedPart(form.get("assertion") ?? "");
	if (payload === null) return refuseToken("invalid_grant", "Invalid JWT Signature.");
	const claim = Claim.safeParse(payload);
	if (!claim.success) return refuseToken("invalid_grant", "Bad Request");
	const { iss, scope, aud, iat, exp } = claim.data;
	const now = nowMs / 1000;
	if (!aud.endsWith(call.fullPath) && !AUDIENCES.includes(aud)) return refuseToken("invalid_grant", "Invalid JWT: Failed audience check.");
	if (exp - iat > 3600 || exp <= now || iat > now + MAX_SKEW_SECONDS) {
		const sentence =
			"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
		return refuseToken("invalid_grant", sentence);
	}
	if (!scope.split(" ").some((one) => SCOPES.includes(one)))
		return refuseToken("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
	return iss.startsWith("local") ? { token: iss } : refuseToken("invalid_grant", "Invalid grant: account not found");
}

/** What a JWT says, where one of our keys signed it; else null. */
function signedPart(jwt: string): Record<string, unknown> | null {
	const [header = "", payload = "", signature = ""] = jwt.split(".");
	const isSigned = verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, "base64url"));
	return isSigned && readPart(header)?.alg === "RS256" ? readPart(payload) : null;
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

const SelfSigned = z.object({
	iss: z.string().startsWith("local"),
	sub: z.string(),
	iat: z.number(),
	exp: z.number(),
	aud: z.string().optional(),
	scope: z.string().optional(),
});

/**
 * The account of a token that is good now; null: it is none. A claim that a key signed for this API is as good as a token:
 * https://developers.google.com/identity/protocols/oauth2/service-account#jwt-auth
 */
export function bearer(call: Call, nowMs: number): { readonly token: string } | null {
	const [, token = ""] = /^Bearer (.+)$/.exec(call.headers.get("authorization") ?? "") ?? [];
	if (token.startsWith("ya29.")) {
		const email = holderOf(token.slice("ya29.".length), nowMs);
		return email === null ? null : { token: email };
	}
	const claim = SelfSigned.safeParse(signedPart(token));
	if (!claim.success) return null;
	const { iss, sub, iat, exp, aud, scope = "" } = claim.data;
	const isForUs =
		["https://compute.googleapis.com/", `${call.origin}/`].includes(aud ?? "") || scope.split(" ").some((one) => SCOPES.includes(one));
	return isForUs && iss === sub && exp * 1000 > nowMs && exp - iat <= 3600 ? { token: iss } : null;
}
