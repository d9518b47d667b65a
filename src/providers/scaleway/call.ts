import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { type Fault, type HttpRequest, json, request } from "../base/http.ts";
import { allPages } from "../base/pages.ts";
import type { ProviderContext } from "../base/provider.ts";

/** Calls of Scaleway's Instances API v1 and Block Storage API v1 (https://www.scaleway.com/en/developers/api/instances/). */

export interface ScalewayAccess {
	readonly access_key: string;
	readonly secret_key: string;
	readonly api_url: string;
}

/** The most that the API gives at once. */
const PAGE_SIZE = 100;

/** `path` begins with its product: `/instance/v1/zones/fr-par-1/servers`. */
export function scaleway<T>(
	context: ProviderContext,
	access: ScalewayAccess,
	method: HttpRequest<T>["method"],
	path: string,
	read: HttpRequest<T>["read"],
	more: Pick<HttpRequest<T>, "body" | "confidential" | "deadlineMs"> = {},
): Promise<T> {
	return request(context, {
		provider: "Scaleway",
		baseUrl: access.api_url,
		path,
		method,
		headers: { "x-auth-token": access.secret_key, ...(typeof more.body === "string" ? { "content-type": "text/plain" } : {}) },
		read,
		secrets: [access.secret_key, access.access_key],
		fault,
		...more,
	});
}

/** Every item of a list under `key`, all pages; the answers' `X-Total-Count` says how many there are. */
export function allOf<T>(
	context: ProviderContext,
	access: ScalewayAccess,
	path: string,
	query: Readonly<Record<string, string>>,
	key: string,
	item: z.ZodType<T>,
): Promise<T[]> {
	let seen = 0;
	return allPages<T, number>(`Scaleway: the pages of ${path}`, 1, async (page) => {
		const asked = new URLSearchParams({ ...query, per_page: String(PAGE_SIZE), page: String(page) });
		const { items, total } = await scaleway(context, access, "GET", `${path}?${asked}`, (text, { headers }) => ({
			items: z.array(item).parse(json(z.looseObject({}))(text)[key]),
			total: Number(headers.get("x-total-count") ?? Number.NaN),
		}));
		seen += items.length;
		// Where no total is stated, a page that is not full is the last.
		const hasMore = items.length > 0 && (Number.isNaN(total) ? items.length === PAGE_SIZE : seen < total);
		return { items, next: hasMore ? page + 1 : null };
	});
}

/** By the error's type, which says more than its status. https://www.scaleway.com/en/developers/api/#errors */
const KINDS: Readonly<Record<string, FailureKind>> = {
	quotas_exceeded: "quota",
	out_of_stock: "capacity",
	denied_authentication: "auth",
	permissions_denied: "auth",
	too_many_requests: "rate",
	not_found: "notFound",
	unknown_resource: "notFound",
	transient_state: "conflict",
	locked: "conflict",
	conflict: "conflict",
	resource_still_in_use: "conflict",
	invalid_arguments: "invalid",
	invalid_request_error: "invalid",
};

const ErrorBody = z.object({
	type: z.string().nullish(),
	message: z.string().nullish(),
	/** The older form of what is wrong with a request. */
	fields: z.record(z.string(), z.array(z.string())).nullish(),
	details: z.array(z.record(z.string(), z.unknown())).nullish(),
});

function fault({ text }: { text: string }): Fault {
	let error: z.infer<typeof ErrorBody>;
	try {
		error = json(ErrorBody)(text);
	} catch {
		return { say: null, kind: null }; // a gateway's page: its status is all that it says
	}
	const fields = Object.entries(error.fields ?? {}).map(([name, says]) => `${name} ${says.join(", ")}`);
	const details = (error.details ?? []).map((detail) =>
		["argument_name", "action", "resource", "reason", "help_message"]
			.map((key) => detail[key])
			.filter((part) => typeof part === "string" && part !== "")
			.join(" "),
	);
	const more = [...fields, ...details].filter((part) => part !== "").join("; ");
	const message = error.message ?? error.type ?? null;
	// An older part of the API says so of a quota.
	const isQuota = error.type === "invalid_request_error" && /\bquota exceeded\b/i.test(message ?? "");
	return {
		say: message === null || more === "" ? message : `${message}: ${more}`,
		kind: isQuota ? "quota" : (KINDS[error.type ?? ""] ?? null),
	};
}
