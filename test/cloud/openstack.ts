import type { Account } from "./account.ts";
import { type Call, type DevAccount, type Dialect, json, type Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import { keystone, narrowed, notFound, page } from "./openstack-answers.ts";
import { IMAGES, REGIONS } from "./openstack-catalogue.ts";
import { holder, signedIn, tokenFor } from "./openstack-identity.ts";
import { answerNetwork } from "./openstack-network.ts";
import { answerCompute, versions } from "./openstack-servers.ts";
import { maskJson } from "./requests.ts";

/**
 * An OpenStack of two regions: Keystone v3 at `/v3`, and in each region Nova 2.1 (`/RegionOne/compute/v2.1`), Neutron 2.0 and Glance 2, the part about
 * servers, security groups and floating IPs. Paths, fields and limits are those of https://docs.openstack.org/api-ref/ and of Nova's schemas;
 * sentences are the real ones where they are known.
 *
 * `requestsPerHour`: how often an account may call within an hour; null: no limit. OpenStack itself states none, clouds set their own.
 */
export function openstack({ requestsPerHour, pageSize = Number.POSITIVE_INFINITY }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	return {
		provider: "openstack",
		operation: operationOf,
		account(call, nowMs) {
			// Signing in is checked where it is answered: its credentials are in the body.
			return isPublic(call) ? { token: accountAsked(call) ?? "local-nobody" } : holder(call, nowMs);
		},
		region: (call) => placeOf(call)?.region ?? null,
		soldOut: (call) => (operationOf(call) === "create" ? "later" : null),
		handle: (call, account) => route(call, account, pageSize),
		failure(status) {
			const [title, message] = FAILURES[status] ?? ["Internal Server Error", "Unexpected API Error."];
			const answer = keystone(status, title, message);
			if (status === 429) answer.headers.set("retry-after", "30");
			return answer;
		},
		meter(account, nowMs) {
			if (requestsPerHour === null) return { headers: {}, refusal: null };
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const isSpent = lately.length >= requestsPerHour;
			spent.set(account.key, isSpent ? lately : [...lately, nowMs]);
			const refusal = keystone(429, "Too Many Requests", "This request was rate-limited.");
			refusal.headers.set("retry-after", String(Math.ceil(((lately[0] ?? nowMs) + 3_600_000 - nowMs) / 1000)));
			return { headers: {}, refusal: isSpent ? refusal : null };
		},
		mask: (body) => maskJson(body, ["user_data", "secret", "password", "adminPass"]),
	};
}

export const devAccount: DevAccount = async (mount) => ({
	AUTH_URL: mount,
	APPLICATION_CREDENTIAL_ID: "local-dev",
	APPLICATION_CREDENTIAL_SECRET: "local-dev-secret",
	SIZE: "m1.tiny",
	NETWORK: "private",
	FLOATING_NETWORK: "public",
	HOURLY_PRICE: "0.01",
});

const FAILURES: Readonly<Record<number, readonly [title: string, message: string]>> = {
	400: ["Bad Request", "The server could not comply with the request since it is either malformed or otherwise incorrect."],
	401: ["Unauthorized", "The request you have made requires authentication."],
	403: ["Forbidden", "You are not authorized to perform the requested action."],
	404: ["Not Found", "The resource could not be found."],
	429: ["Too Many Requests", "This request was rate-limited."],
	503: ["Service Unavailable", "The service is unavailable."],
};

/** `/RegionOne/compute/v2.1/servers/ID` */
function placeOf(call: Call) {
	const [, region = "", service = "", rest = ""] = /^\/([A-Za-z]+)\/(compute|network|image)(?:\/(.*))?$/.exec(call.path) ?? [];
	const [version = "", ...parts] = rest.split("/");
	return REGIONS.some((each) => each === region) ? { region, service, version, parts: parts.map(decodeURIComponent) } : null;
}

/** Who signs in, and who asks which versions there are. */
function isPublic(call: Call): boolean {
	const place = placeOf(call);
	return place === null ? true : place.version === "" || (place.parts[0] ?? "") === "";
}

/** Whose a sign-in would be: its faults are an account's as well. */
function accountAsked(call: Call): string | null {
	const [, name] = /"(?:id|name)":"(local[\w-]*)"/.exec(call.body) ?? [];
	return name ?? null;
}

function operationOf(call: Call): Operation {
	const place = placeOf(call);
	if (place?.service === "network") return place.parts[0]?.startsWith("security-group") ? "firewall" : "other";
	if (place?.service !== "compute" || place.parts[0] !== "servers") return "other";
	const [, id, sub] = place.parts;
	if (call.method === "POST") return id === undefined ? "create" : "restart";
	if (call.method === "PUT") return "retag";
	if (call.method === "DELETE") return "delete";
	return (id === undefined || id === "detail") && !call.query.has("name") ? "list" : sub === undefined ? "get" : "other";
}

async function route(call: Call, account: Account, pageSize: number): Promise<Response> {
	const place = placeOf(call);
	if (place === null) return identity(call, account);
	const { region, service, version, parts } = place;
	if (service === "compute")
		return version === "" ? versions(call) : version === "v2.1" ? answerCompute(call, account, region, parts, pageSize) : notFound();
	if (service === "network") {
		if (version === "") return json(200, { versions: [versionOf(call, "v2.0", "v2.0")] });
		return version === "v2.0" ? answerNetwork(call, account, region, parts) : notFound();
	}
	return version === "" ? json(200, { versions: [versionOf(call, "v2.9", "v2/")] }) : version === "v2" ? images(call, parts) : notFound();
}

const versionOf = (call: Call, id: string, path: string) => ({
	id,
	status: "CURRENT",
	links: [{ rel: "self", href: `${call.origin}${call.fullPath.replace(/\/?$/, "/")}${path}` }],
});

async function identity(call: Call, account: Account): Promise<Response> {
	const mount = `${call.origin}${call.fullPath.slice(0, call.fullPath.length - call.path.length)}`;
	const version = { id: "v3.14", status: "stable", updated: "2020-04-07T00:00:00Z", links: [{ rel: "self", href: `${mount}/v3/` }] };
	switch (`${call.method} ${call.path.replace(/\/$/, "")}`) {
		case "POST /v3/auth/tokens": {
			const who = await signedIn(call);
			return typeof who === "string" ? tokenFor(who, call, mount, account.now()) : who;
		}
		case "GET /v3":
			return json(200, { version });
		case "GET ":
			return json(300, { versions: { values: [version] } });
		default:
			return keystone(404, "Not Found", "The resource could not be found.");
	}
}

function images(call: Call, [collection, id]: readonly string[]): Response {
	if (collection !== "images" || call.method !== "GET") return notFound();
	if (id === undefined) return page(call, "images", narrowed(call, IMAGES, ["name", "status", "visibility"]), 1000);
	const image = IMAGES.find((each) => each.id === id);
	return image ? json(200, image) : notFound();
}
