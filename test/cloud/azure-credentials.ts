import { createHash } from "node:crypto";
import { link, refuse } from "./azure-answers.ts";
import { type Call, json } from "./dialect.ts";
import { holderOf, issueToken } from "./tokens.ts";

/** Applications of the local cloud's directory, and the tokens that they get. A client secret that begins with `local` is an account. */

const TOKEN_MS = 3_599_000;
const TOKEN_PATH = /^\/([^/]+)\/oauth2\/v2\.0\/token$/;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const isLogin = ({ method, path }: Call) => method === "POST" && TOKEN_PATH.test(path);

const METADATA_PATH = /^\/([^/]+)\/(?:v2\.0\/)?\.well-known\/openid-configuration$/;

/** Whether the call asks what the directory is, which anybody may. */
export const isAboutDirectory = ({ method, path }: Call) => method === "GET" && METADATA_PATH.test(path);

/** Where a tenant's tokens are had: https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc */
export function directory(call: Call): Response {
	const [, tenant = ""] = METADATA_PATH.exec(call.path) ?? [];
	if (!isTenant(tenant)) return noTenant(tenant);
	const at = (path: string) => link(call, `/${tenant}${path}`);
	return json(200, {
		token_endpoint: at("/oauth2/v2.0/token"),
		token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt", "client_secret_basic"],
		jwks_uri: at("/discovery/v2.0/keys"),
		response_modes_supported: ["query", "fragment", "form_post"],
		subject_types_supported: ["pairwise"],
		id_token_signing_alg_values_supported: ["RS256"],
		response_types_supported: ["code", "id_token", "code id_token", "id_token token"],
		scopes_supported: ["openid", "profile", "email", "offline_access"],
		issuer: at("/v2.0"),
		authorization_endpoint: at("/oauth2/v2.0/authorize"),
		device_authorization_endpoint: at("/oauth2/v2.0/devicecode"),
		end_session_endpoint: at("/oauth2/v2.0/logout"),
		claims_supported: ["sub", "iss", "aud", "exp", "iat", "tid", "ver"],
		tenant_region_scope: "EU",
		cloud_instance_name: "microsoftonline.com",
	});
}

const isTenant = (tenant: string) => GUID.test(tenant) || tenant.includes(".");
const noTenant = (tenant: string) => deny(400, "invalid_tenant", `AADSTS90002: Tenant '${tenant}' not found.`);

/** The account whose secret the call carries, or the directory's refusal. */
export function applicant(call: Call): { readonly token: string } | Response {
	const form = new URLSearchParams(call.body);
	const [, tenant = ""] = TOKEN_PATH.exec(call.path) ?? [];
	if (form.get("grant_type") !== "client_credentials")
		return deny(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.");
	if (!isTenant(tenant)) return deny(400, "invalid_request", `AADSTS90002: Tenant '${tenant}' not found.`);
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
