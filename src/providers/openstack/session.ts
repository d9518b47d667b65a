import { z } from "zod";
import { isFailure } from "../base/failures.ts";
import { request } from "../base/http.ts";
import { Once } from "../base/once.ts";
import { type ProviderContext, ProviderError } from "../base/provider.ts";
import { type Access, Rest, withQuery } from "../base/rest.ts";
import { fault, REFUSED } from "./faults.ts";
import type { OpenStackAccount } from "./settings.ts";

/**
 * Signing in (https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management): credentials are exchanged for a token,
 * whose answer lists the addresses of the other services.
 */

export type Service = "compute" | "network" | "image";

interface Session {
	readonly token: string;
	/** Milliseconds since the epoch. */
	readonly expiresAt: number;
	readonly endpoints: readonly Endpoint[];
}
interface Endpoint {
	readonly type: string;
	readonly region: string;
	readonly url: string;
}

/** A token is renewed so long before it ends: what is sent with it may wait on its way. */
const EARLY_MS = 5 * 60_000;
const sessions = new Once<Session>(({ expiresAt }, _, now) => now < expiresAt - EARLY_MS);

const Signed = z.object({
	token: z.object({
		expires_at: z.iso.datetime({ offset: true }),
		catalog: z
			.array(
				z.object({
					type: z.string(),
					endpoints: z.array(
						z.object({ interface: z.string(), region: z.string().nullish(), region_id: z.string().nullish(), url: z.string() }),
					),
				}),
			)
			.default([]),
	}),
});

/** The client of one service in a region. Throws `invalid` where the catalogue has none there, or has it where no token may go. */
export async function serviceAt(context: ProviderContext, account: OpenStackAccount, service: Service, region: string): Promise<Rest> {
	const { endpoints } = await sessionOf(context, account);
	return new Rest(context, {
		provider: "OpenStack",
		baseUrl: baseUrl(account, service, region, endpoints),
		access: access(context, account),
		fault,
		pages: {
			first: null,
			path: (list, cursor) => (cursor === null ? list : withQuery(list, `marker=${encodeURIComponent(cursor)}`)),
			next: ({ body }) => nextMarker(body),
		},
	});
}

/** Microversions are asked for in each call; without that Nova speaks as in 2015. The second name is for Novas that do not know the first. */
export const nova = ({ microversion }: OpenStackAccount) => ({
	"openstack-api-version": `compute ${microversion}`,
	"x-openstack-nova-api-version": microversion,
});

/** A session that is refused before its time is forgotten: the next call signs in anew. */
function access(context: ProviderContext, account: OpenStackAccount): Access {
	return async (call) => {
		const session = await sessionOf(context, account);
		try {
			return await call({ headers: { "x-auth-token": session.token }, secrets: [session.token, ...secretsOf(account)] });
		} catch (error) {
			if (isFailure(error, "auth") && error.code === REFUSED) sessions.forget(keyOf(account), session);
			throw error;
		}
	};
}

const sessionOf = (context: ProviderContext, account: OpenStackAccount) =>
	sessions.ensure(context, keyOf(account), "", () => signIn(context, account));

/** What tells accounts apart: address, credentials and project. */
export const keyOf = (account: OpenStackAccount): string =>
	JSON.stringify([
		account.auth_url,
		account.application_credential_id,
		account.username,
		account.domain,
		account.project,
		...secretsOf(account),
	]);

const secretsOf = ({ application_credential_secret, password }: OpenStackAccount): readonly string[] =>
	[application_credential_secret, password].filter((text) => text !== null);

async function signIn(context: ProviderContext, account: OpenStackAccount): Promise<Session> {
	return request(context, {
		provider: "OpenStack",
		baseUrl: versioned(account.auth_url, /\/v3$/, "/v3"),
		path: "/auth/tokens",
		method: "POST",
		headers: {},
		body: { auth: credentials(account) },
		// Another token changes nothing.
		reads: true,
		read(text, { headers }) {
			const { token } = Signed.parse(JSON.parse(text));
			const endpoints = token.catalog.flatMap(({ type, endpoints: its }) =>
				its
					.filter((endpoint) => endpoint.interface === "public")
					.map(({ region, region_id, url }) => ({ type, region: region_id ?? region ?? "", url })),
			);
			return { token: z.string().min(1).parse(headers.get("x-subject-token")), expiresAt: Date.parse(token.expires_at), endpoints };
		},
		secrets: secretsOf(account),
		fault,
	});
}

const NEITHER =
	"OpenStack: OPENSTACK_APPLICATION_CREDENTIAL_ID and _SECRET must be set, or OPENSTACK_USERNAME, OPENSTACK_PASSWORD and OPENSTACK_PROJECT";

/** An application credential has its project in it, and takes no scope. */
function credentials(account: OpenStackAccount): object {
	const { application_credential_id: id, application_credential_secret: key, username, password, project } = account;
	if (id !== null && key !== null) {
		return { identity: { methods: ["application_credential"], application_credential: { id, secret: key } } };
	}
	if (username === null || password === null || project === null) throw new ProviderError({ kind: "invalid", message: NEITHER });
	const domain = { name: account.domain };
	const isId = /^[0-9a-f]{32}$/.test(project);
	return {
		identity: { methods: ["password"], password: { user: { name: username, domain, password } } },
		scope: { project: isId ? { id: project } : { name: project, domain } },
	};
}

const VERSIONS: Readonly<Record<Service, readonly [RegExp, string]>> = {
	compute: [/\/v2(\.\d+)?(\/[^/]+)?$/, "/v2.1"],
	network: [/\/v2\.0$/, "/v2.0"],
	image: [/\/v2$/, "/v2"],
};

/** Some clouds give a service's address with its version, some without. */
const versioned = (url: string, pattern: RegExp, version: string) => {
	const plain = url.replace(/\/+$/, "");
	return pattern.test(plain) ? plain : plain + version;
};

function baseUrl(account: OpenStackAccount, service: Service, region: string, endpoints: readonly Endpoint[]): string {
	const there = endpoints.filter(({ type }) => type === service);
	const found = there.find((endpoint) => endpoint.region === region);
	if (found === undefined) {
		const regions = [...new Set(there.map((endpoint) => endpoint.region))].join(", ");
		const message = `OpenStack: the catalogue has no ${service} service in the region ${region}${regions === "" ? "" : `, only in ${regions}`}`;
		throw new ProviderError({ kind: "invalid", message });
	}
	// The token goes wherever the catalogue says: encrypted, or to the host that had the credentials as well.
	const url = URL.parse(found.url);
	if (url === null || (url.protocol !== "https:" && url.host !== new URL(account.auth_url).host)) {
		throw new ProviderError({ kind: "invalid", message: `OpenStack: the catalogue's address of the ${service} service is not https` });
	}
	return versioned(`${url.origin}${url.pathname}`, ...VERSIONS[service]);
}

const Links = z.array(z.object({ rel: z.string() }));
const Items = z.array(z.looseObject({ id: z.string() }));

/** The last id of a page that has a next one: the link to it may name a host of the inside. Images name the next page by a path. */
function nextMarker(body: unknown): string | null {
	const fields = Object.entries(z.looseObject({}).parse(body));
	const goesOn = fields.some(([key, value]) =>
		key.endsWith("_links") ? Links.safeParse(value).data?.some(({ rel }) => rel === "next") : key === "next" && value !== null,
	);
	const items = fields.map(([, value]) => Items.safeParse(value)).find(({ success }) => success)?.data;
	return goesOn ? (items?.at(-1)?.id ?? null) : null;
}
