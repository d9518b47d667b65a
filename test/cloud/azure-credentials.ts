import { createHash } from "node:crypto";
import { refuse } from "./azure-answers.ts";
import { type Call, json } from "./dialect.ts";
import { holderOf, issueToken } from "./tokens.ts";

/** Applications of the local cloud's directory, and the tokens that they get. A client secret that begins with `local` is an account. */

const TOKEN_MS = 3_599_000;
const TOKEN_PATH = /^\/([^/]+)\/oauth2\/v2\.0\/token$/;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const isLogin = ({ method, path }: Call) => method === "POST" && TOKEN_PATH.test(path);

/** The account whose secret the call carries, or the directory's refusal. */
export function applicant(call: Call): { readonly token: string } | Response {
	const form = new URLSearchParams(call.body);
	const [, tenant = ""] = TOKEN_PATH.exec(call.path) ?? [];
	if (form.get("grant_type") !== "client_credentials")
		return deny(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.");
	if (!GUID.test(tenant) && !tenant.includes(".")) return deny(400, "invalid_request", `AADSTS90002: Tenant '${tenant}' not found.`);
	if (!GUID.test(form.get("client_id") ?? ""))
		return deny(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory.");
	if (form.get("scope") !== "https://management.azure.com/.default")
		return deny(
			400,
			"invalid_scope",
			"AADSTS1002012: The provided value for scope is not valid. Client credential flows must have '/.default'.",
		);
	const secret = form.get("client_secret") ?? "";
	if (secret.startsWith("local")) return { token: createHash("sha256").update(secret).digest("hex") };
	return deny(
		401,
		"invalid_client",
		"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the client secret value.",
	);
}

function deny(status: number, error: string, description: string): Response {
	const [, code = "0"] = /^AADSTS(\d+)/.exec(description) ?? [];
	return json(status, { error, error_description: description, error_codes: [Number(code)] });
}

/** The answer to an applicant. */
export function login(holder: string, nowMs: number): Response {
	const seconds = TOKEN_MS / 1000;
	const token = { token_type: "Bearer", expires_in: seconds, ext_expires_in: seconds };
	return json(200, { ...token, access_token: `eyJ0.${issueToken(holder, nowMs + TOKEN_MS)}` });
}

/** The account of the call's token, or Resource Manager's refusal. */
export function bearer(call: Call, nowMs: number): { readonly token: string } | Response {
	const header = call.headers.get("authorization");
	if (header === null) return refuse(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.");
	const holder = holderOf(/^Bearer eyJ0\.(.+)$/.exec(header)?.[1] ?? "", nowMs);
	return holder === null ? refuse(401, "InvalidAuthenticationToken", "The access token is invalid or expired.") : { token: holder };
}
