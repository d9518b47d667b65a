import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { refuse } from "./aws-xml.ts";
import type { Call } from "./dialect.ts";

/**
 * Signatures of version 4, in a header or, for a URL that is handed on, in the query:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */

/** A signature older or younger than this is refused. */
const MAX_SKEW_MS = 5 * 60_000;

/** The secret of an access key of the local cloud; key ids that begin with `local` are each an account. */
export const secretOf = (accessKeyId: string) => `secret-of-${accessKeyId}`;

export interface Scope {
	readonly accessKeyId: string;
	readonly date: string;
	readonly region: string;
	readonly service: string;
}
interface Signed extends Scope {
	readonly signedHeaders: readonly string[];
	readonly signature: string;
	/** `20261129T120000Z` */
	readonly stamp: string;
	/** How long a URL is good for; a header is, for as long as clocks may differ. */
	readonly expiresMs: number;
}

/** What the call says that it is signed with; null: it is not signed. */
export function scopeOf(call: Call): Signed | null {
	const inQuery = call.query.has("X-Amz-Signature");
	const pattern =
		/^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z0-9]+)\/aws4_request, *SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})$/;
	const given = (name: string) => call.query.get(`X-Amz-${name}`) ?? "";
	const statement = inQuery
		? `${given("Algorithm")} Credential=${given("Credential")}, SignedHeaders=${given("SignedHeaders")}, Signature=${given("Signature")}`
		: (call.headers.get("authorization") ?? "");
	const [, accessKeyId, date, region, service, headers, signature] = pattern.exec(statement) ?? [];
	if (!accessKeyId || !date || !region || !service || !headers || !signature) return null;
	const stamp = inQuery ? given("Date") : (call.headers.get("x-amz-date") ?? "");
	const expiresMs = inQuery ? Number(given("Expires")) * 1000 : MAX_SKEW_MS;
	return { accessKeyId, date, region, service, signedHeaders: headers.split(";"), signature, stamp, expiresMs };
}

/** The access key id of a call that is signed with its secret, at this time and for EC2; else EC2's refusal. */
export function verified(call: Call, nowMs: number): { readonly token: string } | Response {
	const scope = scopeOf(call);
	if (scope === null) return refuse(401, "AuthFailure", "AWS was not able to validate the provided access credentials");
	if (!scope.accessKeyId.startsWith("local")) {
		return refuse(401, "AuthFailure", "AWS was not able to validate the provided access credentials");
	}
	const { stamp } = scope;
	const at = Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
	if (Number.isNaN(at) || stamp.slice(0, 8) !== scope.date || scope.service !== "ec2" || !scope.signedHeaders.includes("host")) {
		return refuse(400, "IncompleteSignature", "The request signature does not conform to AWS standards.");
	}
	// Not a number is no time either.
	if (!(nowMs - at <= scope.expiresMs) || at - nowMs > MAX_SKEW_MS) return refuse(400, "RequestExpired", "Request has expired.");
	const expected = signatureOf(call, scope);
	if (timingSafeEqual(Buffer.from(expected), Buffer.from(scope.signature))) return { token: scope.accessKeyId };
	return refuse(
		403,
		"SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
	);
}

function signatureOf(call: Call, scope: Signed): string {
	const header = (name: string) => (name === "host" ? call.host : (call.headers.get(name) ?? "")).trim().replace(/\s+/g, " ");
	const query = [...call.query]
		.filter(([name]) => name !== "X-Amz-Signature")
		.map(([name, value]) => [encode(name), encode(value)] as const)
		.sort(([a, x], [b, y]) => (a < b || (a === b && x < y) ? -1 : 1))
		.map(([name, value]) => `${name}=${value}`)
		.join("&");
	const canonical = [
		call.method,
		call.fullPath.split("/").map(encode).join("/"),
		query,
		...scope.signedHeaders.map((name) => `${name}:${header(name)}`),
		"",
		scope.signedHeaders.join(";"),
		sha256(call.body),
	].join("\n");
	const place = `${scope.date}/${scope.region}/${scope.service}/aws4_request`;
	const toSign = ["AWS4-HMAC-SHA256", scope.stamp, place, sha256(canonical)].join("\n");
	const key = [scope.date, scope.region, scope.service, "aws4_request"].reduce<Buffer | string>(
		(secret, part) => createHmac("sha256", secret).update(part).digest(),
		`AWS4${secretOf(scope.accessKeyId)}`,
	);
	return createHmac("sha256", key).update(toSign).digest("hex");
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** As RFC 3986 has it: encodeURIComponent leaves !'()* as they are. */
const encode = (text: string) =>
	encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
