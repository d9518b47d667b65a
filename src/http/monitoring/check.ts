import { z } from "zod";
import { findPool } from "../../d1/directory.ts";
import { readSettings } from "../../d1/settings.ts";
import { type AccountCheck, CHECK_CALLS, checkAccount } from "../../providers/base/check.ts";
import { ProviderError } from "../../providers/base/provider.ts";
import { PROVIDERS } from "../../providers/index.ts";
import { askPool } from "../../rpc/reach.ts";
import { findPool as configuredPool } from "../../settings/environment.ts";
import { type AppContext, metadata, Operation } from "../base/context.ts";
import { Conflict } from "../base/errors.ts";
import { providerNamed, unknownInstance } from "../cloudproxy/instances.ts";
import { ADMIN_FAULTS, faults, instanceParam, json, METADATA, Metadata, providerParam } from "../cloudproxy/shapes.ts";

const CheckAnswer = z
	.object({
		metadata: Metadata,
		pool: z.string(),
		ok: z.boolean(),
		kind: z
			.enum(["auth", "quota", "capacity", "rate", "notFound", "conflict", "transient", "invalid", "unknown"])
			.nullable()
			.openapi({ description: "Why it failed: `auth` is refused credentials, `transient` no answer; null: it did not." }),
		message: z.string().openapi({ description: "The cloud's own sentence, or what was found." }),
		ms: z.number().int().openapi({ description: "How long it took." }),
		vms: z.object({ own: z.number().int(), others: z.number().int() }).nullable().openapi({
			description: "VMs of the account with the tag `muster`: this deployment's, and others'; null: they could not be listed.",
		}),
	})
	.openapi("AccountCheck", {
		example: {
			metadata: METADATA,
			pool: "digitalocean/default",
			ok: false,
			kind: "auth",
			message: "DigitalOcean: Unable to authenticate you (HTTP 401)",
			ms: 212,
			vms: null,
		},
	});
const schema = {
	operationId: "checkAccount",
	tags: ["Monitoring"],
	summary: "Check an account's credentials",
	description:
		"Lists the account's VMs and tells what the cloud answered. Creates nothing; needs no pool that runs. A failed check is answered 200 as well.",
	request: { params: z.object({ provider: providerParam, instance: instanceParam }) },
	responses: { 200: json("What the cloud answered.", CheckAnswer), ...faults(404, 409), ...ADMIN_FAULTS },
};

/** `POST /providers/{provider}/{instance}/check` */
export class CheckAccount extends Operation {
	override schema = schema;
	async handle(c: AppContext): Promise<Response> {
		const { params } = await this.getValidatedData<typeof schema>();
		const provider = providerNamed(params.provider);
		if (provider === "static") throw new Conflict("A static pool has no cloud account.");
		const entry = await findPool(c.env.DB, provider, params.instance);
		const asked = entry === null ? null : await askPool(c.env, entry.object, (pool) => pool.check());
		const check = asked ?? (await checkConfigured(c, provider, params.instance));
		return c.json({ metadata: metadata(c), pool: `${provider}/${params.instance}`, ...check });
	}
}

/** Of an account of the environment that no pool runs with. Throws NotFound. */
async function checkConfigured(c: AppContext, provider: string, name: string): Promise<AccountCheck> {
	const config = configuredPool(c.get("config"), provider, name);
	const definition = PROVIDERS[provider];
	if (config === null || definition === undefined) throw unknownInstance(provider, name);
	const deployment = (await readSettings(c.env.DB, ["deployment"])).get("deployment") ?? null;
	let left = CHECK_CALLS;
	const make = () => {
		if (config.account === null) throw new ProviderError({ kind: "auth", message: "the account's credentials are not set" });
		return definition.create(config.account, {
			fetch: (input, init) => fetch(input, init),
			now: Date.now,
			countCall: () => {
				if (left-- <= 0) throw new ProviderError({ kind: "transient", message: `the account's list takes more than ${CHECK_CALLS} calls` });
			},
			observeRate: () => undefined,
			wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
		});
	};
	return checkAccount(make, ({ tags }) => deployment !== null && tags.deployment === deployment, Date.now);
}
