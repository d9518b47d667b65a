import { z } from "zod";
import { listNames, listPools } from "../../d1/directory.ts";
import { writeSetting } from "../../d1/settings.ts";
import { eachPool, readFacts, tickPools } from "../../fleet/fleet.ts";
import { askPool } from "../../rpc/reach.ts";
import { INSECURE_URL_RULE, isInsecureOrigin, isShortKey, publicOrigin, SHORT_KEY_RULE } from "../../settings/kinds.ts";
import { digestOf, forgetKeys, givenKey, requireKey } from "../base/auth.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { BadRequest, ValidationError } from "../base/errors.ts";
import { forgetLogin, setLogin } from "../base/login.ts";
import { bodyFault, globalFaults } from "./shapes.ts";
import { STATES } from "./state.ts";

const TAGS = ["Global"];
const done = { 200: { description: "Done; the body is empty." } };
const URL_RULE = "must be https://host[:port], without a path, such as https://muster.example.com, or null";
const KEY_RULE = "must be 1 to 512 printable ASCII characters without spaces at its ends, or null";
const KEY_EXAMPLE = "a-long-random-key-of-yours";
const ADDRESS = "https://muster.example.com";

const keyField = z.string(KEY_RULE).regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?$/, KEY_RULE);
const keySchema = {
	operationId: "setAuthKey",
	tags: TAGS,
	summary: "Set the admin key, or remove the one that was set here",
	description:
		"Holds at once for new requests. The secret AUTH_KEY goes on to hold beside it. Only a hash of it is stored. Fewer than 22 characters are taken only where ALLOW_SHORT_KEY is `True`.",
	request: {
		body: {
			required: true,
			content: {
				"application/json": {
					schema: z.object({ auth_key: keyField.nullable().openapi({ description: "null removes it." }) }),
					example: { auth_key: KEY_EXAMPLE },
				},
			},
		},
	},
	responses: { ...done, ...globalFaults, ...bodyFault("The key is not what it may be.") },
};
const UrlShape = z.object({ url: z.string().nullable() });
const getUrlSchema = {
	operationId: "getUrl",
	tags: TAGS,
	summary: "Read the address that proxies report to",
	description: "What was set here, else PUBLIC_URL, else the origin of the first request with a valid key.",
	responses: {
		200: { description: "Null: it is not known yet.", content: { "application/json": { schema: UrlShape, example: { url: ADDRESS } } } },
		...globalFaults,
	},
};
const setUrlSchema = {
	operationId: "setUrl",
	tags: TAGS,
	summary: "Set the address that proxies report to",
	description:
		"Goes before PUBLIC_URL. Running agents learn it with their next heartbeat; null removes what was set here. Plain http is taken for a loopback address only, unless ALLOW_INSECURE_URL is `True`: every key would travel in clear.",
	request: {
		body: {
			required: true,
			content: {
				"application/json": {
					schema: z.object({
						url: z
							.string(URL_RULE)
							.refine((text) => publicOrigin(text) !== null, URL_RULE)
							.nullable(),
					}),
					example: { url: ADDRESS },
				},
			},
		},
	},
	responses: { ...done, ...globalFaults, ...bodyFault("The address is not what it may be.") },
};
const infoSchema = {
	operationId: "getInfo",
	tags: TAGS,
	summary: "Read a few numbers about everything",
	description: "As the pools say themselves, at this moment.",
	responses: {
		200: {
			description: "Open connections, registered proxies, managers, and endpoints by state.",
			content: {
				"application/json": {
					schema: z.object({
						active: z.number().int(),
						instances: z.number().int(),
						managers: z.number().int(),
						endpoints: z.record(z.string(), z.number().int()),
					}),
					example: { active: 12, instances: 3, managers: 2, endpoints: { RUNNING: 1, PAUSED: 1 } },
				},
			},
		},
		...globalFaults,
	},
};
const login = {
	tags: TAGS,
	summary: "Begin a session of the web page",
	description:
		"With the admin key, in any of its places: as `X-Auth-Key`, `Authorization: Bearer`, `?auth_key=`, a form's field or in JSON. The session is a cookie that only pages of this origin can use; it ends after twelve hours. Without a key a session that there is goes on.",
	security: [],
	responses: {
		...done,
		...globalFaults,
		...bodyFault("The body cannot be read."),
		429: { description: "Too many wrong keys came from this address." },
	},
};
const LoginBody = z.object({ auth_key: z.string() });
const loginSchema = {
	...login,
	operationId: "login",
	request: {
		body: {
			required: false,
			content: {
				"application/json": { schema: LoginBody, example: { auth_key: KEY_EXAMPLE } },
				"application/x-www-form-urlencoded": { schema: LoginBody, example: { auth_key: KEY_EXAMPLE } },
			},
		},
	},
};
const loginByGetSchema = { ...login, operationId: "loginByGet" };
const logout = {
	tags: TAGS,
	summary: "End the session of the web page",
	description: "The browser forgets its cookie. A key that is changed ends every session that was begun with it.",
	security: [],
	responses: done,
};
const logoutSchema = { ...logout, operationId: "logout", responses: { ...done, 413: { description: "The body is too large." } } };
const logoutByGetSchema = { ...logout, operationId: "logoutByGet" };
const domainSchema = {
	operationId: "getDomain",
	tags: TAGS,
	summary: "Read the domain, which there is none of any more",
	description: "Only version 1.0 had one.",
	responses: {
		200: {
			description: "None.",
			content: { "application/json": { schema: z.object({ domain: z.null() }), example: { domain: null } } },
		},
		...globalFaults,
	},
};

/** `POST /v1.1/auth_key` */
export class SetAuthKey extends Operation {
	static override readonly isOrder = true;
	override schema = keySchema;
	async handle(c: AppContext): Promise<Response> {
		const { auth_key: key } = (await this.getValidatedData<typeof keySchema>()).body;
		const isRefused = key !== null && isShortKey(key) && !c.get("config").global.allowShortKey;
		if (isRefused) throw new ValidationError(SHORT_KEY_RULE, [{ section: "body", field: "auth_key", message: SHORT_KEY_RULE }]);
		const digest = key === null ? null : Buffer.from(await digestOf(key)).toString("hex");
		await writeSetting(c.env.DB, "auth_key_sha256", digest);
		forgetKeys();
		return c.body(null, 200);
	}
}

/** `GET /v1.1/url` */
export class GetUrl extends Operation {
	override schema = getUrlSchema;
	async handle(c: AppContext): Promise<Response> {
		return c.json({ url: (await readFacts(c.env)).agentUrl });
	}
}

/** `POST /v1.1/url` */
export class SetUrl extends Operation {
	static override readonly isOrder = true;
	override schema = setUrlSchema;
	async handle(c: AppContext): Promise<Response> {
		const { url } = (await this.getValidatedData<typeof setUrlSchema>()).body;
		const origin = url === null ? null : publicOrigin(url);
		const isRefused = origin !== null && isInsecureOrigin(origin) && !c.get("config").global.allowInsecureUrl;
		if (isRefused) throw new ValidationError(INSECURE_URL_RULE, [{ section: "body", field: "url", message: INSECURE_URL_RULE }]);
		await writeSetting(c.env.DB, "url", origin);
		await tickPools(c.env, await readFacts(c.env));
		return c.body(null, 200);
	}
}

/** `GET /v1.1/info` */
export class GetInfo extends Operation {
	override schema = infoSchema;
	async handle(c: AppContext): Promise<Response> {
		const [entries, names] = await Promise.all([listPools(c.env.DB), listNames(c.env.DB)]);
		const pools = entries.filter(({ removedAt }) => removedAt === null);
		const answers = await eachPool(pools, async ({ object }) => ({
			object,
			status: await askPool(c.env, object, (pool) => pool.status()),
		}));
		const live = answers.flatMap(({ object, status }) => (status === null ? [] : [{ object, status }]));
		const endpoints: Record<string, number> = {};
		for (const { object, status } of live) {
			const count = names.filter((name) => name.object === object).length;
			if (count > 0) endpoints[STATES[status.run]] = (endpoints[STATES[status.run]] ?? 0) + count;
		}
		return c.json({
			active: live.reduce((sum, { status }) => sum + status.connections, 0),
			instances: live.reduce((sum, { status }) => sum + status.registered.length, 0),
			managers: live.length,
			endpoints,
		});
	}
}

/** `POST /v1.1/login` */
export class Login extends Operation {
	static override readonly takesText = true;
	override schema = loginSchema;
	async handle(c: AppContext): Promise<Response> {
		return logIn(c, givenKey(c) ?? (await keyInBody(c)));
	}
}

/** `GET /v1.1/login` */
export class LoginByGet extends Operation {
	override schema = loginByGetSchema;
	async handle(c: AppContext): Promise<Response> {
		return logIn(c, givenKey(c));
	}
}

/** Without a key a session that is good stays as it is. */
async function logIn(c: AppContext, key: string | null): Promise<Response> {
	const holder = await requireKey(c, async () => null, key);
	// A deployment that is declared open has no key that a session could rest on, and needs none.
	if (holder === "admin" && key !== null) await setLogin(c, await digestOf(key), Date.now());
	return c.body(null, 200);
}

/** The key in a body that is JSON or a form, whatever its type says; null: there is none. Throws BadRequest. */
async function keyInBody(c: AppContext): Promise<string | null> {
	const isMultipart = /^multipart\/form-data/i.test(c.req.header("Content-Type") ?? "");
	const given = isMultipart ? await keyInParts(c) : keyInText(new TextDecoder().decode(await c.req.arrayBuffer()));
	if (given === undefined || given === null || given === "") return null;
	if (typeof given !== "string") throw new BadRequest("auth_key must be text.");
	return given;
}

async function keyInParts(c: AppContext): Promise<unknown> {
	try {
		return (await c.req.parseBody()).auth_key;
	} catch {
		throw new BadRequest("The body is no form.");
	}
}

function keyInText(text: string): unknown {
	if (!text.trim().startsWith("{")) return new URLSearchParams(text).get("auth_key");
	try {
		return (JSON.parse(text) as { readonly auth_key?: unknown }).auth_key;
	} catch {
		throw new BadRequest("The body is neither JSON nor a form.");
	}
}

/** `POST /v1.1/logout` */
export class Logout extends Operation {
	static override readonly takesText = true;
	override schema = logoutSchema;
	handle(c: AppContext): Response {
		return logOut(c);
	}
}

/** `GET /v1.1/logout` */
export class LogoutByGet extends Operation {
	override schema = logoutByGetSchema;
	handle(c: AppContext): Response {
		return logOut(c);
	}
}

function logOut(c: AppContext): Response {
	forgetLogin(c);
	return c.body(null, 200);
}

/** `GET /v1.0/domain` */
export class GetDomain extends Operation {
	override schema = domainSchema;
	handle(c: AppContext): Response {
		return c.json({ domain: null });
	}
}
