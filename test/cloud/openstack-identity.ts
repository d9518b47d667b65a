import { type Call, json } from "./dialect.ts";
import { keystone, read, time } from "./openstack-answers.ts";
import { REGIONS } from "./openstack-catalogue.ts";
import { SignIn } from "./openstack-requests.ts";
import { holderOf, issueToken } from "./tokens.ts";

/** Keystone: tokens for credentials. A user or an application credential whose name and secret begin with `local` is a project. */

const TOKEN_MS = 3_600_000;
const REFUSED = "The request you have made requires authentication.";
export const PROJECT = "0a0e0000000040008000000000000001";

/** Whose a call's token is, or the refusal that stands in front of every service. */
export function holder(call: Call, nowMs: number): { readonly token: string } | Response {
	const token = holderOf(call.headers.get("x-auth-token") ?? "", nowMs);
	return token === null ? keystone(401, "Unauthorized", REFUSED) : { token };
}

/** The account that credentials are of, or Keystone's refusal. */
export async function signedIn(call: Call): Promise<string | Response> {
	let account: string | null = null;
	const answer = await read(
		call,
		SignIn,
		(message) => keystone(400, "Bad Request", message),
		({ auth: { identity, scope } }) => {
			const refused = keystone(401, "Unauthorized", REFUSED);
			const { application_credential: credential, password } = identity;
			if (identity.methods[0] === "application_credential" && credential) {
				if (scope) return keystone(401, "Unauthorized", "Application credentials cannot request a scope.");
				if (!credential.id.startsWith("local") || !credential.secret.startsWith("local")) return refused;
				account = credential.id;
			} else if (identity.methods[0] === "password" && password) {
				const { name, domain, password: given } = password.user;
				const isOfDomain = domain?.name === "Default" || domain?.id === "default";
				if (!isOfDomain || !name?.startsWith("local") || !given.startsWith("local") || !scope) return refused;
				account = name;
			} else return refused;
			return json(200, {});
		},
	);
	return account ?? answer;
}

/** The token and the catalogue. */
export function tokenFor(account: string, call: Call, mount: string, nowMs: number): Response {
	const at = (service: string) => (region: string) => ({
		id: `${service}-${region}`,
		interface: "public",
		region,
		region_id: region,
		url: `${mount}/${region}/${service}`,
	});
	const service = (type: string, name: string, path: string) => ({
		id: type,
		type,
		name,
		endpoints: REGIONS.flatMap((region) => [
			{ ...at(path)(region), interface: "internal", url: `http://10.0.0.5/${region}/${path}` },
			at(path)(region),
		]),
	});
	const identity = { id: "identity", interface: "public", region: REGIONS[0], region_id: REGIONS[0], url: `${mount}/v3` };
	const catalog = [
		service("compute", "nova", "compute/v2.1"),
		// These two without their version, as many clouds have them.
		service("network", "neutron", "network"),
		service("image", "glance", "image"),
		{ id: "identity", type: "identity", name: "keystone", endpoints: [identity] },
	];
	const token = {
		methods: ["application_credential"],
		issued_at: time(nowMs),
		expires_at: time(nowMs + TOKEN_MS),
		user: { id: "0a0e0000000040008000000000000002", name: account, domain: { id: "default", name: "Default" }, password_expires_at: null },
		project: { id: PROJECT, name: "local", domain: { id: "default", name: "Default" } },
		roles: [{ id: "1", name: "member" }],
		is_domain: false,
		...(call.query.has("nocatalog") ? {} : { catalog }),
	};
	return json(201, { token }, { "x-subject-token": issueToken(account, nowMs + TOKEN_MS), vary: "X-Auth-Token" });
}
