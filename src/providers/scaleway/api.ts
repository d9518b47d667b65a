import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { faultIn } from "../base/http.ts";
import { always, numbered, type Page, type RestApi } from "../base/rest.ts";

export interface ScalewayAccess {
	readonly access_key: string;
	readonly secret_key: string;
	readonly api_url: string;
}

/** The most that the API gives at once. */
const PAGE_SIZE = 100;

/**
 * The Instances API v1 and the Block Storage API v1 (https://www.scaleway.com/en/developers/api/instances/). Paths begin with their
 * product: `/instance/v1/zones/fr-par-1/servers`.
 */
export const scalewayApi = ({ api_url, access_key, secret_key }: ScalewayAccess): RestApi => ({
	provider: "Scaleway",
	baseUrl: api_url,
	access: always({ "x-auth-token": secret_key }, [secret_key, access_key]),
	fault,
	pages: { ...numbered(PAGE_SIZE), next },
});

/** The answers' `X-Total-Count` says how many there are. Where no total is stated, a page that is not full is the last. */
function next({ headers, cursor, count, soFar }: Page): number | null {
	const total = Number(headers.get("x-total-count") ?? Number.NaN);
	const hasMore = count > 0 && (Number.isNaN(total) ? count === PAGE_SIZE : soFar < total);
	return hasMore ? Number(cursor) + 1 : null;
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

const fault = faultIn(ErrorBody, (error) => {
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
		message: message === null || more === "" ? message : `${message}: ${more}`,
		kind: isQuota ? "quota" : (KINDS[error.type ?? ""] ?? null),
	};
});
