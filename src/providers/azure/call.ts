import { z } from "zod";
import { type HttpRequest, json, type Read, request } from "../base/http.ts";
import { fetchToken, type Token, Tokens } from "../base/oauth.ts";
import { allPages } from "../base/pages.ts";
import type { ProviderContext } from "../base/provider.ts";
import { faultOf, operationFailure } from "./failures.ts";

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
	readonly #access: AzureAccess;

	constructor(context: ProviderContext, access: AzureAccess) {
		this.#context = context;
		this.#access = access;
	}

	call<T>(
		method: HttpRequest<T>["method"],
		api: Api,
		path: string,
		read: Read<T>,
		more: Partial<Pick<HttpRequest<T>, "body" | "confidential" | "headers">> = {},
	): Promise<T> {
		return this.#send(method, `${path}${path.includes("?") ? "&" : "?"}api-version=${VERSIONS[api]}`, read, more);
	}

	/** Every item of a list, all pages. */
	async all<T extends z.ZodType>(api: Api, path: string, item: T): Promise<z.output<T>[]> {
		const Page = z.object({ value: z.array(item), nextLink: z.string().nullish() });
		return allPages<z.output<T>, string>("Azure: the pages of a list", "", async (next) => {
			const page = next === "" ? await this.call("GET", api, path, json(Page)) : await this.#send("GET", next, json(Page), {});
			return { items: page.value, next: pathOf(page.nextLink ?? null) };
		});
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
			const seen = await this.#send("GET", operation, json(Operation), {}).catch(() => null);
			if (seen === null || seen.status === "Succeeded") return;
			if (seen.status === "Failed" || seen.status === "Canceled") throw operationFailure(seen.error ?? {}, confidential);
		}
	}

	#send<T>(
		method: HttpRequest<T>["method"],
		path: string,
		read: Read<T>,
		{ headers, ...more }: Partial<Pick<HttpRequest<T>, "body" | "confidential" | "headers">>,
	): Promise<T> {
		const { api_url, tenant_id, client_id, client_secret, login_url } = this.#access;
		const account = JSON.stringify([login_url, tenant_id, client_id, client_secret, api_url]);
		return tokens.use(
			this.#context,
			account,
			() => this.#token(),
			(token) =>
				request(this.#context, {
					provider: "Azure",
					baseUrl: api_url,
					path,
					method,
					headers: { ...headers, authorization: `Bearer ${token}` },
					read,
					secrets: [token, client_secret],
					fault: faultOf,
					...more,
				}),
		);
	}

	/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
	#token(): Promise<Token> {
		const { tenant_id, client_id, client_secret, api_url, login_url } = this.#access;
		return fetchToken(this.#context, {
			provider: "Azure",
			url: `${login_url}/${encodeURIComponent(tenant_id)}/oauth2/v2.0/token`,
			form: { grant_type: "client_credentials", client_id, client_secret, scope: `${audienceOf(api_url)}/.default` },
			secrets: [client_secret],
		});
	}
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
