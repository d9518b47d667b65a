import { z } from "zod";
import { FORMER_CREDENTIALS_SECONDS } from "../../core/model/pool.ts";
import { readOrderedCredentials } from "../../d1/settings.ts";
import { type CredentialsInForce, inForce, OrderOvertaken, orderCredentials } from "../../fleet/credentials.ts";
import { tellPools } from "../../fleet/fleet.ts";
import { readReady } from "../../read-model/ready.ts";
import type { PublishedPool } from "../../read-model/snapshot.ts";
import { type Global, isRestrictedTo } from "../../settings/deployment.ts";
import { CREDENTIAL_RULE, isCredential } from "../../settings/kinds.ts";
import type { Login, StoredCredentials, WishedCredentials } from "../../settings/ordered-credentials.ts";
import { type AppContext, laterOf, metadata, Operation } from "../base/context.ts";
import { Conflict } from "../base/errors.ts";
import { ADMIN_FAULTS, bodyOf, faults, json, METADATA, Metadata, wholeNumber } from "./shapes.ts";

/** Bytes of a password that nobody has named. */
const PASSWORD_BYTES = 24;
/** Where no user name was ever given. */
const USUAL_USERNAME = "muster";
/** Pools that do not answer for so long are left to cron. */
const TELL_DEADLINE_MS = 4_000;

const NOTICES = {
	stands:
		"They were set by PUT /auth and stand over PROXY_USERNAME and PROXY_PASSWORD, which are of no effect until DELETE /auth goes back to them.",
	unread:
		"What was set by PUT /auth cannot be decrypted: give ENCRYPTION_KEY its former key besides, or set them again. Until then proxies ask for what they asked for before, and a pool that has never had any launches nothing.",
} as const;

const fields = {
	metadata: Metadata,
	auth_enabled: z.boolean().openapi({ description: "Whether proxies ask for credentials." }),
	username: z.string().nullable(),
	password: z.string().nullable(),
	auth: z.object({
		username_configured: z.boolean(),
		password_configured: z.boolean(),
		only_host_ip: z.boolean(),
		host_ip: z.string().nullable(),
	}),
	source: z.enum(["api", "environment"]).nullable().openapi({
		description: "`api`: they were set by `PUT /auth`; `environment`: they are the deployment's secrets; null: there are none.",
	}),
	since: z.iso.datetime().nullable().openapi({ description: "When they were set by `PUT /auth`; null: they were not." }),
	in_force: z
		.object({
			proxies: z.number().int().openapi({ description: "Ready proxies that have acknowledged them." }),
			of: z.number().int().openapi({ description: "Ready proxies that go by them: all but those with credentials of their own." }),
		})
		.openapi({ description: "How far a change has come, as it was published; a second old at most." }),
	notice: z.string().nullable().openapi({ description: "What is to be known of them." }),
};
const example = {
	metadata: METADATA,
	auth_enabled: true,
	username: "username",
	password: "password",
	auth: { username_configured: true, password_configured: true, only_host_ip: false, host_ip: "192.0.2.100" },
	source: "api" as const,
	since: METADATA.timestamp,
	in_force: { proxies: 50, of: 50 },
	notice: NOTICES.stands,
};
const ordered = {
	pools: z
		.object({ told: z.number().int(), of: z.number().int() })
		.openapi({ description: "How many pools know of it already; the others learn it from cron, within a minute or so." }),
};
const Answer = z.object(fields);
const Ordered = z.object({ ...fields, ...ordered });
const orderedExample = { ...example, pools: { told: 2, of: 2 } };

const schema = {
	operationId: "getAuthentication",
	tags: ["Health"],
	summary: "Tell how clients authenticate to the proxies",
	description:
		"`auth` says what is configured. Beside it stand the credentials themselves, where there are any: whoever may ask this may read them in every proxy's `url` as well, and the original's page makes what it copies of them.",
	responses: { 200: json("What is configured.", Answer, example), ...ADMIN_FAULTS },
};
const credential = z.string(`must be ${CREDENTIAL_RULE}`).refine(isCredential, `must be ${CREDENTIAL_RULE}`).optional();
const formerSeconds = wholeNumber(0, FORMER_CREDENTIALS_SECONDS).default(FORMER_CREDENTIALS_SECONDS).openapi({
	description:
		"How long each proxy takes clients with the former credentials, once it has these. 0: no longer, as when a password leaked; what was handed out up to a second or two before is refused then (407).",
	example: FORMER_CREDENTIALS_SECONDS,
});
const putSchema = {
	operationId: "setAuthentication",
	tags: ["Health"],
	summary: "Set other credentials for all proxies",
	description:
		"At once and without a deploy: agents with a line have them within a second, those without one at their next heartbeat. What is left out stays (the user name; `muster` where there was none) or is generated (the password). The former credentials stay good for ten minutes unless `former_seconds` says otherwise, so that clients that hold old URLs are not cut; `/random` shows of each proxy what it has acknowledged. Stands over PROXY_USERNAME and PROXY_PASSWORD until it is deleted. Kept encrypted with ENCRYPTION_KEY (409 without one, or where others' changes came in between each time: nothing is changed then, ask again). 503: the database does not answer, and nothing is changed as far as is known; `GET /auth` says what holds.",
	request: {
		body: {
			required: false,
			content: {
				"application/json": {
					schema: bodyOf({ username: credential, password: credential, former_seconds: formerSeconds }).openapi({
						example: { username: "username" },
					}),
				},
			},
		},
	},
	responses: { 200: json("What holds now.", Ordered, orderedExample), ...faults(400, 409, 413, 422), ...ADMIN_FAULTS },
};
const deleteSchema = {
	operationId: "deleteAuthentication",
	tags: ["Health"],
	summary: "Go back to the deployment's own credentials",
	description:
		"To PROXY_USERNAME and PROXY_PASSWORD, or to none where the proxies admit some addresses only. Refused (409) where anyone could use the proxies then, or where others' changes came in between each time. May be repeated.",
	responses: { 200: json("What holds now.", Ordered, orderedExample), ...faults(409), ...ADMIN_FAULTS },
};

/** `GET /auth` */
export class GetAuthentication extends Operation {
	override schema = schema;

	async handle(c: AppContext): Promise<Response> {
		return c.json(await shown(c, await readOrderedCredentials(c.env.DB)));
	}
}

/** `PUT /auth`: stored in D1 first, so that nobody goes by what is lost with the request. */
export class SetAuthentication extends Operation {
	static override readonly isOrder = true;
	override schema = putSchema;

	async handle(c: AppContext): Promise<Response> {
		const { username, password, former_seconds } = (await this.getValidatedData<typeof putSchema>()).body;
		if (c.get("config").global.encryptionKeys.length === 0)
			throw new Conflict(
				"Credentials that are set over the API are kept encrypted, and this deployment has no ENCRYPTION_KEY (npx wrangler secret put ENCRYPTION_KEY).",
			);
		return order(c, (before) => ({
			username: username ?? before.login?.username ?? c.get("config").global.proxyCredentials?.username ?? USUAL_USERNAME,
			password: password ?? generated(),
			formerSeconds: former_seconds,
		}));
	}
}

/** `DELETE /auth` */
export class DeleteAuthentication extends Operation {
	static override readonly isOrder = true;
	override schema = deleteSchema;

	handle(c: AppContext): Promise<Response> {
		const { global } = c.get("config");
		if (global.proxyCredentials === null && !isRestrictedTo(global))
			throw new Conflict(
				"Anyone could use the proxies then: set PROXY_USERNAME and PROXY_PASSWORD, or ONLY_HOST_IP=True with a HOST_IP that does not admit every address, before these are taken back.",
			);
		return order(c, () => null);
	}
}

/** Throws Conflict where others' orders come in between again and again, DatabaseUnavailable. */
async function order(c: AppContext, wish: (before: CredentialsInForce) => WishedCredentials | null): Promise<Response> {
	const stored = await orderCredentials(c.env, Date.now(), wish).catch((error: unknown) => {
		throw error instanceof OrderOvertaken ? new Conflict(error.message) : error;
	});
	const { told, pools } = await tellPools(c.env, TELL_DEADLINE_MS, laterOf(c));
	return c.json({ ...(await shown(c, stored)), pools: { told, of: pools } } satisfies z.infer<typeof Ordered>);
}

/** URL-safe, so that it is the same in every proxy's URL. */
function generated(): string {
	return Buffer.from(crypto.getRandomValues(new Uint8Array(PASSWORD_BYTES))).toString("base64url");
}

async function shown(c: AppContext, stored: StoredCredentials | null): Promise<z.infer<typeof Answer>> {
	const { onlyHostIp, hostIpGiven } = c.get("config").global;
	const known = inForce(c.env, stored);
	const { source, login, since } = known;
	const { snapshot } = await readReady(c.env.DB, Date.now(), laterOf(c));
	return {
		metadata: metadata(c),
		auth_enabled: source !== null,
		username: login?.username ?? null,
		password: login?.password ?? null,
		auth: {
			username_configured: source !== null,
			password_configured: source !== null,
			only_host_ip: onlyHostIp,
			host_ip: hostIpGiven,
		},
		source,
		since: since === null ? null : new Date(since).toISOString(),
		in_force: progress(snapshot.pools, login),
		notice: noticeOf(known, c.get("config").global),
	};
}

/** What an operator should know of the proxies' credentials, or null. */
export function noticeOf({ source, isUnread }: CredentialsInForce, { proxyCredentials }: Pick<Global, "proxyCredentials">): string | null {
	if (isUnread) return NOTICES.unread;
	return source === "api" && proxyCredentials !== null ? NOTICES.stands : null;
}

/** Static backends ask for what they ask for, whatever is set here. */
function progress(pools: readonly PublishedPool[], login: Login | null): { proxies: number; of: number } {
	let [proxies, all] = [0, 0];
	for (const { parts, credentials } of pools) {
		const isInForce = (version: number) => {
			const [username = "", password = ""] = credentials[version] ?? [];
			return username === (login?.username ?? "") && password === (login?.password ?? "");
		};
		const known = new Map<number, boolean>();
		for (const [id, , version] of parts.flatMap((part) => part.entries())) {
			if (id.includes(":")) continue;
			const is = known.get(version) ?? isInForce(version);
			known.set(version, is);
			all++;
			if (is) proxies++;
		}
	}
	return { proxies, of: all };
}
