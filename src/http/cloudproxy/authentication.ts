import { z } from "zod";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { ADMIN_FAULTS, json, METADATA, Metadata } from "./shapes.ts";

const schema = {
	operationId: "getAuthentication",
	tags: ["Health"],
	summary: "Tell how clients authenticate to the proxies",
	description:
		"`auth` says what is configured. Beside it stand the credentials themselves, where there are any: whoever may ask this may read them in every proxy's `url` as well, and the original's page makes what it copies of them.",
	responses: {
		200: json(
			"What is configured.",
			z.object({
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
			}),
			{
				metadata: METADATA,
				auth_enabled: true,
				username: "username",
				password: "password",
				auth: { username_configured: true, password_configured: true, only_host_ip: false, host_ip: "192.0.2.100" },
			},
		),
		...ADMIN_FAULTS,
	},
};

/** `GET /auth` */
export class GetAuthentication extends Operation {
	override schema = schema;

	handle(c: AppContext): Response {
		const { proxyCredentials, onlyHostIp, hostIpGiven } = c.get("config").global;
		return c.json({
			metadata: metadata(c),
			auth_enabled: proxyCredentials !== null,
			username: proxyCredentials?.username ?? null,
			password: proxyCredentials?.password ?? null,
			auth: {
				username_configured: proxyCredentials !== null,
				password_configured: proxyCredentials !== null,
				only_host_ip: onlyHostIp,
				host_ip: hostIpGiven,
			},
		});
	}
}
