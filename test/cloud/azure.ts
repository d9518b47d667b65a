import type { z } from "zod";
import type { Account } from "./account.ts";
import { operation, page, refuse, resourceNotFound } from "./azure-answers.ts";
import { isSame, type Place } from "./azure-catalogue.ts";
import { applicant, bearer, directory, isAboutDirectory, isLogin, login } from "./azure-credentials.ts";
import * as machines from "./azure-machines.ts";
import * as network from "./azure-network.ts";
import { answerCatalogue } from "./azure-offers.ts";
import * as parts from "./azure-parts.ts";
import { GroupBody, NetworkBody, SecurityGroupBody, TagsBody, VirtualMachineBody } from "./azure-requests.ts";
import { type Call, type DevAccount, type Dialect, json, type Operation } from "./dialect.ts";
import type { Limits } from "./dialects.ts";
import { bodyField, firstComplaint, maskJson } from "./requests.ts";

/**
 * Azure Resource Manager, the part about virtual machines, what belongs to them, and their networks
 * (https://learn.microsoft.com/rest/api/azure/), and the directory's token server at `/<tenant>/oauth2/v2.0/token`.
 * A client secret that begins with `local` is an account (`azure-credentials.ts`), with whatever subscriptions it asks for.
 *
 * Azure states what is left of its rate limit and neither the limit nor when it is refilled.
 */
export function azure({ requestsPerHour, pageSize = MAX_PAGE }: Limits): Dialect {
	const spent = new Map<string, number[]>();
	return {
		provider: "azure",
		operation: operationOf,
		account(call, nowMs) {
			if (isAboutDirectory(call)) return directory(call);
			return isLogin(call) ? applicant(call) : bearer(call, nowMs);
		},
		region: locationOf,
		soldOut,
		handle: (call, account) => (isLogin(call) ? token(call, account) : route(call, account, pageSize)),
		failure(status) {
			const [code, message] = FAILURES[status] ?? ["InternalServerError", "Encountered internal server error. Please try again later."];
			return refuse(status, code, message, status === 429 ? { "retry-after": "10" } : {});
		},
		meter(account, nowMs) {
			const lately = (spent.get(account.key) ?? []).filter((at) => at > nowMs - 3_600_000);
			const limit = requestsPerHour ?? 12_000;
			const isSpent = requestsPerHour !== null && lately.length >= limit;
			spent.set(account.key, isSpent ? lately : [...lately, nowMs]);
			const headers = { "x-ms-ratelimit-remaining-subscription-reads": String(Math.max(0, limit - lately.length - 1)) };
			const retryAfter = Math.ceil(((lately[0] ?? nowMs) + 3_600_000 - nowMs) / 1000);
			const refusal = isSpent ? refuse(429, "TooManyRequests", RATE, { "retry-after": String(Math.max(1, retryAfter)) }) : null;
			return { headers, refusal };
		},
		// A form is no JSON and goes as a whole.
		mask: (body) => maskJson(body, ["customData", "access_token"]),
	};
}

const MAX_PAGE = 50;
const RATE = "The request was throttled: too many requests have been received for this subscription.";

const FAILURES: Readonly<Record<number, readonly [code: string, message: string]>> = {
	401: ["InvalidAuthenticationToken", "The access token is invalid."],
	403: ["AuthorizationFailed", "The client does not have authorization to perform the action over the scope, or the scope is invalid."],
	404: ["ResourceNotFound", "The resource was not found."],
	409: ["Conflict", "The request failed due to conflict with a concurrent request."],
	429: ["TooManyRequests", RATE],
	503: ["ServiceUnavailable", "The service is unavailable."],
};

/** The account is the one that applied: it is known by now, and asked once more for its name. */
function token(call: Call, account: Account): Response {
	const who = applicant(call);
	return who instanceof Response ? who : login(who.token, account.now());
}

const GROUP_PATH = /^\/subscriptions\/([^/]+)\/resourcegroups\/([^/]+)(\/.*)?$/i;
const MACHINES = "/providers/Microsoft.Compute/virtualMachines";

/** Of a VM that exists its own, of one that is being made the one that is asked for. */
function locationOf(call: Call, account: Account): string | null {
	const [, subscription = "", group = "", rest = ""] = GROUP_PATH.exec(call.path) ?? [];
	const [, name] = /\/virtualMachines\/([^/]+)/i.exec(rest) ?? [];
	if (name === undefined) return call.method === "PUT" ? bodyField(call, "location") : null;
	const machine = machines.machineNamed(account, { subscription, group: decodeURIComponent(group) }, name);
	return machine?.details.location ?? bodyField(call, "location");
}

function soldOut(call: Call): Response | null {
	if (operationOf(call) !== "create") return null;
	const location = bodyField(call, "location");
	const sentence = `The requested VM size is currently not available in location '${location}'. Please try another size or deploy to a different location or different zone. See https://aka.ms/azureskunotavailable for details.`;
	return refuse(409, "SkuNotAvailable", sentence);
}

function operationOf(call: Call): Operation {
	const { method } = call;
	const [, , , rest = ""] = GROUP_PATH.exec(call.path) ?? [];
	if (/\/networkSecurityGroups\/|\/virtualNetworks\//.test(rest) || (GROUP_PATH.test(call.path) && rest === "")) return "firewall";
	if (/\/providers\/Microsoft\.Resources\/tags\/default$/.test(rest)) return "retag";
	const [, name, action] = /\/virtualMachines(?:\/([^/]+))?(?:\/([A-Za-z]+))?$/.exec(call.path) ?? [];
	if (/\/virtualMachines(\/|$)/.test(call.path)) {
		if (name === undefined) return "list";
		if (action === "instanceView") return "get";
		if (action !== undefined) return "restart";
		return method === "PUT" ? "create" : method === "DELETE" ? "delete" : "get";
	}
	return method === "GET" && /\/(publicIPAddresses|resources)$/.test(rest) ? "list" : "other";
}

function route(call: Call, account: Account, pageSize: number): Promise<Response> | Response {
	if (!/^\d{4}-\d{2}-\d{2}$/.test(call.query.get("api-version") ?? ""))
		return refuse(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.");
	const [, subscription = ""] = /^\/subscriptions\/([0-9a-f-]{36})(?:\/|$)/.exec(call.path) ?? [];
	if (subscription === "") return refuse(404, "SubscriptionNotFound", "The subscription could not be found.");
	const [, operationId] = /^\/subscriptions\/[^/]+\/providers\/Microsoft\.\w+\/locations\/\w+\/operations\/([^/]+)$/.exec(call.path) ?? [];
	if (operationId !== undefined) return operation(account, operationId);
	if (call.method === "GET" && call.path === `/subscriptions/${subscription}${MACHINES}`) {
		const isStatusOnly = call.query.get("statusOnly") === "true";
		const all = machines.machines(account, subscription);
		return page(call, isStatusOnly ? all.map(machines.status) : all.map((one) => machines.shown(one, false)), pageSize);
	}
	const [, location, below] = /^\/subscriptions\/[^/]+\/providers\/Microsoft\.Compute\/locations\/([^/]+)\/(.+)$/i.exec(call.path) ?? [];
	if (location !== undefined && below !== undefined && call.method === "GET") return answerCatalogue(call, subscription, location, below);
	const [, , group, rest = ""] = GROUP_PATH.exec(call.path) ?? [];
	if (group === undefined) return refuse(404, "InvalidResourceType", `The resource type could not be found: ${call.path}.`);
	const place = { subscription, group: decodeURIComponent(group) };
	if (rest === "" && call.method === "PUT") return read(call, GroupBody, (body) => network.putGroup(account, place, body));
	if (rest === "" && call.method === "GET") return network.getGroup(account, place);
	const missing = network.groupComplaint(account, place);
	if (missing) return missing;
	if (rest === "/resources" && call.method === "GET") return parts.resources(call, account, place, pageSize);
	const [, type = "", name, more] = /^\/providers\/(Microsoft\.\w+\/\w+)(?:\/([^/]+))?(\/.+)?$/.exec(rest) ?? [];
	if (isSame(type, machines.TYPE)) return routeMachine(call, account, place, name, more, pageSize);
	if (type === network.SECURITY_GROUP && name !== undefined && more === undefined) {
		if (call.method === "GET") return network.get(account, place, type, name);
		if (call.method === "PUT") return read(call, SecurityGroupBody, (body) => network.put(call, account, place, type, name, body));
	}
	if (type === network.NETWORK && name !== undefined && more === undefined) {
		if (call.method === "GET") return network.get(account, place, type, name);
		if (call.method === "PUT") return read(call, NetworkBody, (body) => network.put(call, account, place, type, name, body));
	}
	if (parts.isPart(type) && more === undefined) {
		if (call.method === "GET" && name === undefined) return parts.list(call, account, place, type, pageSize);
		if (call.method === "GET" && name !== undefined) return parts.get(call, account, place, type, name);
		if (call.method === "DELETE" && name !== undefined) return parts.remove(account, place, type, name);
	}
	return refuse(404, "InvalidResourceType", `The resource type could not be found: ${call.method} ${call.path}.`);
}

function routeMachine(
	call: Call,
	account: Account,
	place: Place,
	name: string | undefined,
	more: string | undefined,
	pageSize: number,
): Promise<Response> | Response {
	switch (`${call.method} ${name === undefined ? "" : "*"}${more ?? ""}`) {
		case "GET ": {
			const all = machines.machines(account, place.subscription, place.group);
			return page(
				call,
				all.map((one) => machines.shown(one, false)),
				pageSize,
			);
		}
		case "GET *": {
			const found = machines.machineNamed(account, place, name ?? "");
			if (!found) return resourceNotFound(machines.TYPE, name ?? "", place.group);
			return json(200, machines.shown(found, call.query.get("$expand") === "instanceView"));
		}
		case "GET */instanceView": {
			const found = machines.machineNamed(account, place, name ?? "");
			return found ? json(200, machines.instanceView(found)) : resourceNotFound(machines.TYPE, name ?? "", place.group);
		}
		case "PUT *":
			return read(call, VirtualMachineBody, (body) => machines.put(call, account, place, name ?? "", body));
		case "DELETE *": {
			const doomed = machines.machineNamed(account, place, name ?? "");
			if (doomed?.provisioning === "Failed") parts.leaveBehind(account, doomed);
			return machines.remove(call, account, place, name ?? "");
		}
		case "POST */restart":
			return machines.restart(call, account, place, name ?? "");
		case "PATCH */providers/Microsoft.Resources/tags/default":
			return read(call, TagsBody, (body) => machines.retag(account, place, name ?? "", body.operation, body.properties.tags));
		default:
			return refuse(404, "InvalidResourceType", `The resource type could not be found: ${call.method} ${call.path}.`);
	}
}

function read<T extends z.ZodType>(
	call: Call,
	schema: T,
	then: (body: z.output<T>) => Promise<Response> | Response,
): Promise<Response> | Response {
	let value: unknown;
	try {
		value = JSON.parse(call.body);
	} catch {
		return refuse(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.");
	}
	const parsed = schema.safeParse(value);
	return parsed.success ? then(parsed.data) : refuse(400, "InvalidParameter", `The request is invalid: ${firstComplaint(parsed.error)}`);
}

export const devAccount: DevAccount = async () => ({
	SUBSCRIPTION_ID: "10ca1de0-0000-4000-8000-000000000001",
	TENANT_ID: "10ca1de0-0000-4000-8000-000000000002",
	CLIENT_ID: "10ca1de0-0000-4000-8000-000000000003",
	CLIENT_SECRET: "local-dev",
});
