import { z } from "zod";
import type { FailureKind } from "../../core/model/failure.ts";
import { type Fault, faultIn } from "../base/http.ts";
import { bearer, type RestApi, withQuery } from "../base/rest.ts";
import type { LinodeAccount } from "./settings.ts";

/** How Linode's API is called: its pages, its filters, its errors. */

const Page = z.object({ page: z.number().int(), pages: z.number().int() });

/** https://techdocs.akamai.com/linode-api/reference/pagination: 500 is the most that it gives at once. */
export const api = ({ api_url, access_token }: LinodeAccount): RestApi => ({
	provider: "Linode",
	baseUrl: api_url,
	access: bearer(access_token),
	fault,
	pages: {
		first: 1,
		path: (list, page) => withQuery(list, `page=${page}&page_size=500`),
		next({ body }) {
			const { page, pages } = Page.parse(body);
			return page < pages ? page + 1 : null;
		},
	},
});

/** What a list shall be narrowed to. https://techdocs.akamai.com/linode-api/reference/filtering-and-sorting */
export const filteredBy = (fields: Readonly<Record<string, string | boolean>>): Readonly<Record<string, string>> => ({
	"x-filter": JSON.stringify(fields),
});

/** By their sentences; the status says the rest. https://techdocs.akamai.com/linode-api/reference/errors */
const KINDS: readonly (readonly [RegExp, FailureKind])[] = [
	[/not currently available/i, "capacity"],
	[/account limit reached/i, "quota"],
	[/\bmust be unique\b|\bLinode busy\b/i, "conflict"],
];

const Refusal = z.object({ errors: z.array(z.object({ reason: z.string(), field: z.string().nullish() })).min(1) });

const fault = faultIn(Refusal, ({ errors }, status): Fault => {
	const message = errors.map(({ reason, field }) => (field ? `${field}: ${reason}` : reason)).join("; ");
	const kind = status === 400 || status === 403 ? KINDS.find(([words]) => words.test(message))?.[1] : undefined;
	return { message, kind: kind ?? null };
});
