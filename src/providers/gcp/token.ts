import { z } from "zod";
import { isPlainUrl } from "../base/fields.ts";
import { jsonOrNull } from "../base/http.ts";
import { fetchToken, type Token } from "../base/oauth.ts";
import { type ProviderContext, ProviderError } from "../base/provider.ts";

/**
 * Access tokens for a service account: a claim signed with its key is exchanged for a token that is good for an hour
 * (https://developers.google.com/identity/protocols/oauth2/service-account#httprest).
 */
const SCOPE = "https://www.googleapis.com/auth/compute";
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const LIFETIME_SECONDS = 3600;
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
		const file = KeyFile.safeParse(jsonOrNull(text));
		if (!file.success) {
			context.addIssue({ code: "custom", message: must });
			return z.NEVER;
		}
		const { client_email, private_key, private_key_id, token_uri } = file.data;
		return { text, email: client_email, keyId: private_key_id ?? null, privateKey: private_key, tokenUri: token_uri };
	});
}

/** Where the tokens of a key file that was read come from; null for anything else. */
export function tokenUriOf(key: unknown): string | null {
	return key !== null && typeof key === "object" && "tokenUri" in key && typeof key.tokenUri === "string" ? key.tokenUri : null;
}

/** Asks for one. Throws as `request` does. */
export async function fetchAccessToken(context: ProviderContext, key: ServiceAccountKey): Promise<Token> {
	const assertion = await signedClaim(key, Math.floor(context.now() / 1000) - BACKDATED_SECONDS);
	return fetchToken(context, {
		provider: "GCP",
		url: key.tokenUri,
		form: { grant_type: GRANT, assertion },
		secrets: [key.text, assertion],
		confidential: [key.privateKey],
	});
}

async function signedClaim(key: ServiceAccountKey, issuedAtSeconds: number): Promise<string> {
	const header = { alg: "RS256", typ: "JWT", ...(key.keyId === null ? {} : { kid: key.keyId }) };
	const claim = { iss: key.email, scope: SCOPE, aud: key.tokenUri, iat: issuedAtSeconds, exp: issuedAtSeconds + LIFETIME_SECONDS };
	const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
	const unsigned = `${encode(header)}.${encode(claim)}`;
	const pem = key.privateKey.replace(/-----[A-Z ]+-----/g, "");
	const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
	try {
		const privateKey = await crypto.subtle.importKey("pkcs8", Buffer.from(pem, "base64"), algorithm, false, ["sign"]);
		const signature = await crypto.subtle.sign(algorithm, privateKey, Buffer.from(unsigned));
		return `${unsigned}.${Buffer.from(signature).toString("base64url")}`;
	} catch {
		// The platform's own words may quote what it could not read.
		throw new ProviderError({ kind: "invalid", message: "GCP: the private key of GCP_SERVICE_ACCOUNT_KEY cannot be read" });
	}
}
