import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { faultIn, type HttpRequest, json, quotable, type Read } from "../base/http.ts";
import { fetchToken, type Token, Tokens } from "../base/oauth.ts";
import { type ProviderContext, ProviderError } from "../base/provider.ts";
import { Rest, type RestApi, withQuery } from "../base/rest.ts";

/** Calls of Azure Resource Manager, and the operations that they begin (https://learn.microsoft.com/rest/api/azure/). */

export interface AzureAccess {
	readonly subscription_id: string;
	readonly tenant_id: string;
	readonly client_id: string;
	readonly client_secret: string;
	readonly api_url: string;
	readonly login_url: string;
}

/** Each part of Azure has versions of its own. */
const VERSIONS = { compute: "2025-04-01", disks: "2024-03-02", network: "2025-05-01", resources: "2021-04-01" } as const;
export type Api = keyof typeof VERSIONS;

/** The outcome of what was accepted is waited for so long, and looked at as often as Azure asks for, within these bounds. */
const OUTCOME_MS = 10_000;
const LEAST_PAUSE_MS = 1000;

/** A change that was taken on. */
export interface Accepted {
	readonly status: number;
	/** Where its outcome shows; null: it is done, or Azure does not say. */
	readonly operation: string | null;
	readonly lookAfterMs: number;
}

/** For answers of which the status and the operation say all. */
export const accepted: Read<Accepted> = (_, { status, headers }) => ({
	status,
	operation: pathOf(headers.get("azure-asyncoperation")),
	lookAfterMs: Math.max(LEAST_PAUSE_MS, Number(headers.get("retry-after") ?? 0) * 1000 || 0),
});

const Operation = z.object({
	status: z.string(),
	error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
});

interface Provisioned {
	readonly properties: { readonly provisioningState?: string | null | undefined };
}

const tokens = new Tokens();

/** One account's Resource Manager. Paths begin with `/subscriptions/`. */
export class Arm {
	readonly #context: ProviderContext;
	readonly #rest: Rest;

	constructor(context: ProviderContext, access: AzureAccess) {
		this.#context = context;
		this.#rest = new Rest(context, azureApi(context, access));
	}

	call<T>(
		method: HttpRequest<T>["method"],
		api: Api,
		path: string,
		read: Read<T>,
		more: Partial<Pick<HttpRequest<T>, "body" | "confidential" | "headers">> = {},
	): Promise<T> {
		return this.#rest.call(method, versioned(api, path), read, more);
	}

	/** Every item of a list, all pages. */
	all<T>(api: Api, path: string, item: z.ZodType<T>): Promise<T[]> {
		return this.#rest.all(versioned(api, path), "value", item);
	}

	/** Something by its path, once no change of it is going on any more, or as it is after some seconds. */
	async atRest<T extends Provisioned>(api: Api, path: string, shape: z.ZodType<T>): Promise<T> {
		const { now, wait } = this.#context;
		for (const until = now() + OUTCOME_MS; ; ) {
			const found = await this.call("GET", api, path, json(shape));
			if (found.properties.provisioningState !== "Updating" || now() >= until) return found;
			await wait(LEAST_PAUSE_MS);
		}
	}

	/**
	 * Resolves when it has succeeded, and after some seconds whether it has ended or not: it goes on, and a later look shows what
	 * came of it. Throws what it failed of, and for nothing else. `confidential`: as for a request.
	 */
	async settled({ operation, lookAfterMs }: Accepted, confidential: readonly string[] = []): Promise<void> {
		if (operation === null) return;
		const { now, wait } = this.#context;
		const until = now() + OUTCOME_MS;
		while (now() < until) {
			await wait(Math.min(lookAfterMs, until - now()));
			// What cannot be seen now shows later, and is no failure of the operation.
			const seen = await this.#rest.call("GET", operation, json(Operation)).catch(() => null);
			if (seen === null || seen.status === "Succeeded") return;
			if (seen.status === "Failed" || seen.status === "Canceled") throw operationFailure(seen.error ?? {}, confidential);
		}
	}
}

const versioned = (api: Api, path: string) => withQuery(path, `api-version=${VERSIONS[api]}`);

function azureApi(context: ProviderContext, access: AzureAccess): RestApi {
	const { api_url, tenant_id, client_id, client_secret, login_url } = access;
	const account = [login_url, tenant_id, client_id, client_secret, api_url];
	return {
		provider: "Azure",
		baseUrl: api_url,
		access: tokens.access(context, account, [client_secret], () => fetchAccessToken(context, access)),
		fault,
		pages: {
			first: null,
			path: (list, next) => (next === null ? list : String(next)),
			next: ({ body }) => pathOf(Page.parse(body).nextLink ?? null),
		},
	};
}

const Page = z.object({ nextLink: z.string().nullish() });

/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
function fetchAccessToken(
	context: ProviderContext,
	{ tenant_id, client_id, client_secret, api_url, login_url }: AzureAccess,
): Promise<Token> {
	return fetchToken(context, {
		provider: "Azure",
		url: `${login_url}/${encodeURIComponent(tenant_id)}/oauth2/v2.0/token`,
		form: { grant_type: "client_credentials", client_id, client_secret, scope: `${audienceOf(api_url)}/.default` },
		secrets: [client_secret],
	});
}

/** What a token is for. A sovereign cloud's Resource Manager has an audience of its own; behind any other address is the public one. */
function audienceOf(apiUrl: string): string {
	const isSovereign = apiUrl === "https://management.usgovcloudapi.net" || apiUrl === "https://management.chinacloudapi.cn";
	return isSovereign ? apiUrl : "https://management.azure.com";
}

/**
 * Path and query of a link of Azure's, from `/subscriptions/` on; null: it is none. The host is left out: the answer does not decide
 * where the token goes.
 */
function pathOf(link: string | null): string | null {
	const url = link === null ? null : URL.parse(link);
	if (url === null) return null;
	const path = url.pathname + url.search;
	const from = path.indexOf("/subscriptions/");
	return from < 0 ? null : path.slice(from);
}

/**
 * What Azure's error codes mean where the status does not tell: 409 is anything from a full quota to a missing registration.
 * https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
 * https://learn.microsoft.com/azure/virtual-machines/error-codes
 */
const KINDS: readonly (readonly [RegExp, FailureKind])[] = [
	[/^(InvalidAuthenticationToken\w*|ExpiredAuthenticationToken|AuthenticationFailed\w*)$/, "auth"],
	[/^(AuthorizationFailed|LinkedAuthorizationFailed|SubscriptionNotFound|InvalidSubscriptionId|ReadOnlyDisabledSubscription)$/, "auth"],
	[/^(SkuNotAvailable|(Zonal)?AllocationFailed|Overconstrained(Zonal)?AllocationRequest\w*)$/, "capacity"],
	[/Quota|CountLimit|LimitReached|LimitExceeded/, "quota"],
	[/^(ResourceNotFound|ResourceGroupNotFound|NotFound|ParentResourceNotFound|InvalidResourceReference)$/, "notFound"],
	[/^(Conflict|PreconditionFailed|PropertyChangeNotAllowed|OperationPreempted|AnotherOperationInProgress)$/, "conflict"],
	[/^(NicInUse|NicReservedForAnotherVm|(InUse)?PublicIPAddressCannotBeDeleted)$/, "conflict"],
	[/^(Retryable\w*|ReferencedResourceNotProvisioned|ResourceGroupBeingDeleted|Internal\w*|NetworkingInternalOperationError)$/, "transient"],
	[/^(RequestDisallowedByPolicy|MissingSubscriptionRegistration|InvalidResourceLocation|\w*ImageNotFound)$/, "invalid"],
];

function kindOf(code: string, message: string): FailureKind | null {
	// One code for what the account may not have more of and for what cannot be done at all.
	if (code === "OperationNotAllowed") return /quota|limit/i.test(message) ? "quota" : "invalid";
	return KINDS.find(([pattern]) => pattern.test(code))?.[1] ?? null;
}

const ErrorBody = z.object({ error: z.object({ code: z.string().nullish(), message: z.string().nullish() }) });

/** What an answer that is no success says. */
const fault = faultIn(ErrorBody, ({ error }, status) => {
	const code = error.code ?? "";
	const message = error.message ?? "";
	const kind = kindOf(code, message);
	// Too many calls have many names. And whether a server's fault has done something depends on what was asked.
	const isTold = status === 429 ? kind === "conflict" || kind === "transient" : status < 500;
	return { message: message || code || null, kind: isTold ? kind : null, code };
});

/** What an operation failed of that was accepted before. */
function operationFailure(
	error: { readonly code?: string | null | undefined; readonly message?: string | null | undefined },
	confidential: readonly string[],
): ProviderError {
	const code = error.code ?? "";
	const said = error.message ?? "";
	const message = quotable(`${code}: ${said}`, { provider: "Azure", secrets: [], confidential });
	return new ProviderError({ kind: kindOf(code, said) ?? "invalid", message }, code);
}
