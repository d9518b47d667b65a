import type { z } from "zod";
import type { Account } from "./account.ts";
import { type Call, type DevAccount, type Dialect, json, type Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import { notFound, operation, refuse, wait } from "./gcp-answers.ts";
import { catalogue, ZONES } from "./gcp-catalogue.ts";
import { answerClaim, bearer, claimant, serviceAccountKeyFile } from "./gcp-credentials.ts";
import * as firewalls from "./gcp-firewalls.ts";
import { diskOf, insert, instances, type Place, power, remove, setLabels } from "./gcp-instances.ts";
import { FirewallBody, InsertInstance, labelFilter, partial, SetLabels } from "./gcp-requests.ts";
import type { Labels } from "./labels.ts";
import { firstComplaint, maskJson } from "./requests.ts";

/**
 * Compute Engine's API v1, the part about instances, firewall rules and operations
 * (https://cloud.google.com/compute/docs/reference/rest/v1), and Google's token server at `/token`.
 * A service account whose email begins with `local` is an account (`gcp-credentials.ts`).
 *
 * Google states no rate limit: `requestsPerHour` shows only in its refusals.
 */
export function gcp({ requestsPerHour, pageSize = MAX_PAGE }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	return {
		provider: "gcp",
		operation: operationOf,
		account(call, nowMs) {
			if (isTokenCall(call)) return claimant(call, nowMs);
			return bearer(call, nowMs) ?? unauthenticated();
		},
		region: (call) => /\/zones\/([^/]+)\/instances/.exec(call.path)?.[1] ?? null,
		// Google takes every insert, and says in its operation that there was no room.
		soldOut: (call) => (operationOf(call) === "create" ? "later" : null),
		handle: (call, account) => (isTokenCall(call) ? token(call, account) : route(call, account, pageSize)),
		failure(status) {
			const [real, reason, message] = FAILURES[status] ?? [
				status,
				"backendError",
				"Internal error. Please try again or contact Google Support.",
			];
			return refuse(real, reason, message);
		},
		meter(account, nowMs) {
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const isSpent = requestsPerHour !== null && lately.length >= requestsPerHour;
			spent.set(account.key, isSpent ? lately : [...lately, nowMs]);
			return { headers: {}, refusal: isSpent ? refuse(403, "rateLimitExceeded", RATE) : null };
		},
		// Metadata hold user data; a claim is no JSON and goes as a whole.
		mask: (body) => maskJson(body, ["value", "access_token"]),
	};
}

const MAX_PAGE = 500;
const RATE = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com'.";

/** By the status that other clouds would give: Google has a status of its own for it. */
const FAILURES: Readonly<Record<number, readonly [status: number, reason: string, message: string]>> = {
	401: [401, "authError", "Request had invalid authentication credentials."],
	403: [403, "forbidden", "Required 'compute.instances.create' permission for 'projects/local/zones/us-central1-a/instances/any'"],
	404: [404, "notFound", "The resource was not found"],
	409: [409, "alreadyExists", "The resource already exists"],
	429: [403, "rateLimitExceeded", RATE],
	503: [503, "backendError", "Internal error. Please try again or contact Google Support."],
};

const unauthenticated = () =>
	refuse(
		401,
		"authError",
		"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
	);

const isTokenCall = ({ method, path }: Call) => method === "POST" && path === "/token";

/** The account is the one that the claim was made for: it is verified by now, and answered to once more for its email. */
function token(call: Call, account: Account): Response {
	const who = claimant(call, account.now());
	return who instanceof Response ? who : answerClaim(who.token, account.now());
}

function operationOf(call: Call): Operation {
	if (/\/global\/(firewalls|operations)/.test(call.path)) return "firewall";
	if (call.path.endsWith("/aggregated/instances")) return "list";
	const [, name, action] = /\/zones\/[^/]+\/instances(?:\/([^/]+))?(?:\/([A-Za-z]+))?$/.exec(call.path) ?? [null];
	if (!/\/zones\/[^/]+\/instances/.test(call.path)) return "other";
	if (name === undefined) return call.method === "POST" ? "create" : "list";
	if (action !== undefined) return action === "setLabels" ? "retag" : "restart";
	return call.method === "DELETE" ? "delete" : "get";
}

function route(call: Call, account: Account, pageSize: number): Promise<Response> | Response {
	const [, project = "", scope = "", rest = ""] = /^\/compute\/v1\/projects\/([^/]+)\/(zones\/[^/]+|global)\/(.+)$/.exec(call.path) ?? [];
	const [collection = "", name, action] = rest.split("/").map(decodeURIComponent);
	const place: Place = { project, zone: scope.replace("zones/", "") };
	const where = `projects/${project}/${scope}`;
	if (call.method === "GET") {
		const [, owner, below] = /^\/compute\/v1\/projects\/([^/]+)(?:\/(.+))?$/.exec(call.path) ?? [];
		const known = owner === undefined ? undefined : catalogue(owner, below?.split("/").map(decodeURIComponent) ?? []);
		if (known !== undefined) return known === null ? notFound(call.path.replace(/^\/compute\/v1\//, "")) : masked(call, known);
		const [, kind] = /^aggregated\/(instances|disks)$/.exec(below ?? "") ?? [];
		if (owner !== undefined && kind !== undefined) return listAll(call, account, owner, kind, pageSize);
	}
	const what = `${call.method} ${scope === "global" ? "global" : "zone"} ${collection}${name === undefined ? "" : "/*"}${action === undefined ? "" : `/${action}`}`;
	switch (what) {
		case "POST zone instances":
			return read(call, InsertInstance, (body) => insert(account, place, body, call.query.get("requestId")));
		case "GET zone instances":
			return list(call, account, place, pageSize);
		case "GET zone instances/*": {
			const found = instances(account, place).find((one) => one.name === name || one.id === name);
			return found ? masked(call, found) : notFound(`${where}/instances/${name}`);
		}
		case "DELETE zone instances/*":
			return remove(account, place, name ?? "");
		case "POST zone instances/*/stop":
		case "POST zone instances/*/start":
		case "POST zone instances/*/reset":
			return power(account, place, name ?? "", action ?? "");
		case "POST zone instances/*/setLabels":
			return read(call, SetLabels, (body) => setLabels(account, place, name ?? "", body));
		case "GET zone operations/*":
		case "GET global operations/*":
			return shown(operation(account, where, name ?? ""), `${where}/operations/${name}`);
		case "POST zone operations/*/wait":
		case "POST global operations/*/wait":
			return wait(account, where, name ?? "").then((found) => shown(found, `${where}/operations/${name}`));
		case "GET global firewalls":
			return firewalls.list(account, project);
		case "POST global firewalls":
			return read(call, FirewallBody, (body) => firewalls.insert(account, project, body));
		case "GET global firewalls/*":
			return firewalls.get(account, project, name ?? "");
		case "PATCH global firewalls/*":
			return read(call, FirewallBody, (body) => firewalls.patch(account, project, name ?? "", body));
		case "DELETE global firewalls/*":
			return firewalls.remove(account, project, name ?? "");
		default:
			return notFound(call.path);
	}
}

function shown(found: object | null, what: string): Response {
	return found ? json(200, found) : notFound(what);
}

function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	let value: unknown;
	try {
		// To Google a field that is null is one that is not given.
		const isNew = call.method === "POST";
		value = JSON.parse(call.body, (_, field: unknown) => (isNew && field === null ? undefined : field));
	} catch {
		return refuse(400, "parseError", "Parse Error");
	}
	const parsed = schema.safeParse(value);
	return parsed.success ? then(parsed.data) : refuse(400, "invalid", `Invalid value for field 'resource.${firstComplaint(parsed.error)}'`);
}

function list(call: Call, account: Account, place: Place, pageSize: number): Response {
	return paged(call, instances(account, place), pageSize, (items) => ({
		kind: "compute#instanceList",
		id: `projects/${place.project}/zones/${place.zone}/instances`,
		// The API leaves an empty list out.
		...(items.length === 0 ? {} : { items }),
	}));
}

/** Those of all zones, by zone; a zone without any says so. */
function listAll(call: Call, account: Account, project: string, kind: string, pageSize: number): Response {
	const machines = ZONES.flatMap((zone) => instances(account, { project, zone }));
	const all: readonly Listed[] = kind === "disks" ? machines.map(diskOf) : machines;
	const none = (zone: string) => ({
		warning: {
			code: "NO_RESULTS_ON_PAGE",
			message: `There are no results for scope 'zones/${zone}' on this page.`,
			data: [{ key: "scope", value: `zones/${zone}` }],
		},
	});
	return paged(call, all, pageSize, (items) => ({
		kind: `compute#${kind.slice(0, -1)}AggregatedList`,
		id: `projects/${project}/aggregated/${kind}`,
		items: Object.fromEntries(
			ZONES.map((zone) => {
				const there = items.filter((one) => one.zone.endsWith(`/zones/${zone}`));
				return [`zones/${zone}`, there.length === 0 ? none(zone) : { [kind]: there }];
			}),
		),
	}));
}

interface Listed {
	readonly zone: string;
	readonly labels: Labels;
}

/** One page of what is asked for, in the form that `show` gives it. */
function paged(call: Call, some: readonly Listed[], pageSize: number, show: (items: readonly Listed[]) => object): Response {
	const filter = call.query.get("filter");
	const label = filter === null ? null : labelFilter(filter);
	if (filter !== null && label === null)
		return refuse(400, "invalid", `Invalid value for field 'filter': '${filter}'. Invalid list filter expression.`);
	const asked = Number(call.query.get("maxResults") ?? MAX_PAGE);
	if (!Number.isInteger(asked) || asked < 0 || asked > MAX_PAGE) {
		return refuse(400, "invalid", `Invalid value for field 'maxResults': '${asked}'. Value must be between 0 and 500.`);
	}
	const all = some.filter((one) => label === null || one.labels[label.key] === label.value);
	const from = Number(Buffer.from(call.query.get("pageToken") ?? "", "base64url").toString());
	const to = from + Math.min(asked, pageSize);
	return masked(call, {
		...show(all.slice(from, to)),
		...(to < all.length ? { nextPageToken: Buffer.from(String(to)).toString("base64url") } : {}),
	});
}

/** The whole answer, or what `fields` asks of it. */
function masked(call: Call, body: object): Response {
	const mask = call.query.get("fields");
	const chosen = mask === null ? body : partial(body, mask);
	return chosen === null ? refuse(400, "invalidParameter", `Invalid field selection ${mask}`) : json(200, chosen);
}

export const devAccount: DevAccount = async (mount) => {
	const email = "local-dev@muster-local.iam.gserviceaccount.com";
	return { PROJECT: "muster-local", SERVICE_ACCOUNT_KEY: serviceAccountKeyFile(email, `${mount}/token`) };
};
