import { z } from "zod";
import { base64Url } from "./base64.ts";
import { isPlainUrl } from "./fields.ts";
import { type Fault, json, request } from "./http.ts";
import { Once } from "./once.ts";
import { type ProviderContext, ProviderError } from "./provider.ts";

/**
 * Access tokens for a service account: a claim signed with its key is exchanged for a token that is good for an hour
 * (https://developers.google.com/identity/protocols/oauth2/service-account#httprest).
 */
const SCOPE = "https://www.googleapis.com/auth/compute";
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const LIFETIME_SECONDS = 3600;
/** A token is renewed so long before it ends: what is sent with it may wait on its way. */
const EARLY_MS = 5 * 60_000;
/** Google's clock may be behind ours, and refuses claims of the future. */
const BACKDATED_SECONDS = 10;

/** What a service account's key file says; `text` is the file. */
export interface ServiceAccountKey {
	readonly text: string;
	readonly email: string;
	readonly keyId: string | null;
	/** PKCS #8 in PEM. */
	readonly privateKey: string;
	readonly tokenUri: string;
}

const KeyFile = z.object({
	client_email: z.string().min(3).max(320),
	private_key: z.string().regex(/^-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END PRIVATE KEY-----\s*$/),
	private_key_id: z.string().max(200).optional(),
	token_uri: z.string().refine(isPlainUrl).default("https://oauth2.googleapis.com/token"),
});

/** The setting that holds a key file. */
export function serviceAccountKey() {
	const must = "the JSON of a service account's key, with client_email, private_key and token_uri";
	return z.string(must).transform((text, context): ServiceAccountKey => {
		const file = KeyFile.safeParse(parsed(text));
		if (!file.success) {
			context.addIssue({ code: "custom", message: must });
			return z.NEVER;
		}
		const { client_email, private_key, private_key_id, token_uri } = file.data;
		return { text, email: client_email, keyId: private_key_id ?? null, privateKey: private_key, tokenUri: token_uri };
	});
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return null; // told as what the setting must be
	}
}

interface Token {
	readonly text: string;
	readonly expiresAt: number;
}
const tokens = new Once<Token>(({ expiresAt }, _, now) => now < expiresAt - EARLY_MS);
const cacheKey = ({ email, keyId, tokenUri, privateKey }: ServiceAccountKey) => JSON.stringify([email, keyId, tokenUri, privateKey]);

/** A token that is good for some minutes more, shared by all who ask in this isolate. Throws as `request` does. */
export function accessToken(context: ProviderContext, key: ServiceAccountKey): Promise<Token> {
	return tokens.ensure(context, cacheKey(key), "", () => fetchToken(context, key));
}

/** The token was refused before its time: the next call fetches another. */
export function forgetToken(key: ServiceAccountKey, token: Token): void {
	tokens.forget(cacheKey(key), token);
}

async function fetchToken(context: ProviderContext, key: ServiceAccountKey): Promise<Token> {
	const assertion = await signedClaim(key, Math.floor(context.now() / 1000) - BACKDATED_SECONDS);
	const { origin, pathname, search } = new URL(key.tokenUri);
	const { access_token, expires_in } = await request(context, {
		provider: "GCP",
		baseUrl: origin,
		path: pathname + search,
		method: "POST",
		headers: { "content-type": "application/x-www-form-urlencoded" },
		body: new URLSearchParams({ grant_type: GRANT, assertion }).toString(),
		// Another token changes nothing.
		reads: true,
		read: json(z.object({ access_token: z.string().min(1), expires_in: z.number().positive() })),
		secrets: [key.text, assertion],
		confidential: [key.privateKey],
		fault,
	});
	return { text: access_token, expiresAt: context.now() + expires_in * 1000 };
}

async function signedClaim(key: ServiceAccountKey, issuedAtSeconds: number): Promise<string> {
	const header = { alg: "RS256", typ: "JWT", ...(key.keyId === null ? {} : { kid: key.keyId }) };
	const claim = { iss: key.email, scope: SCOPE, aud: key.tokenUri, iat: issuedAtSeconds, exp: issuedAtSeconds + LIFETIME_SECONDS };
	const encode = (part: object) => base64Url(new TextEncoder().encode(JSON.stringify(part)));
	const unsigned = `${encode(header)}.${encode(claim)}`;
	const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
	try {
		const privateKey = await crypto.subtle.importKey("pkcs8", bytesOf(key.privateKey), algorithm, false, ["sign"]);
		const signature = await crypto.subtle.sign(algorithm, privateKey, new TextEncoder().encode(unsigned));
		return `${unsigned}.${base64Url(new Uint8Array(signature))}`;
	} catch {
		// The platform's own words may quote what it could not read.
		throw new ProviderError({ kind: "invalid", say: "GCP: the private key of GCP_SERVICE_ACCOUNT_KEY cannot be read" });
	}
}

function bytesOf(pem: string): Uint8Array<ArrayBuffer> {
	const text = pem.replace(/-----[A-Z ]+-----/g, "").replace(/\s+/g, "");
	return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

const Refusal = z.object({ error: z.string(), error_description: z.string().optional() });

/** Google's token server says 400 to a key that it does not know. */
function fault({ status, text }: { status: number; text: string }): Fault {
	const body = Refusal.safeParse(parsed(text));
	if (!body.success) return { say: null, kind: null };
	const say = [body.data.error, body.data.error_description].filter((part) => part !== undefined).join(": ");
	return { say, kind: status === 400 ? "auth" : null };
}
