import { z } from "zod";
import { listPools } from "../../d1/directory.ts";
import { listManagers } from "../../d1/settings.ts";
import { eachPool } from "../../fleet/fleet.ts";
import { PROVIDERS } from "../../providers/index.ts";
import { askPool } from "../../rpc/reach.ts";
import type { Sections } from "../../settings/configuration.ts";
import { ENDPOINT, type PoolSetting, TIMES, TUNING } from "../../settings/table.ts";
import { readSetting, type Setting } from "../../values/setting.ts";
import { type AppContext, Operation } from "../base/context.ts";
import { globalFaults } from "./shapes.ts";

// What Reactor's page makes its forms of: it asks here for the fields, fills in what a configuration holds of them, and posts the fields
// that are filled in. Whatever is no field is lost when it saves, so that everything that any configuration holds has to be one.

/**
 * One field, as the page's own script (reactor/admin/assets/conf.js) reads it. `string` and `list` keep what they show; a number's or a check
 * box's would not (`False`, as text, shows as checked). `hidden` is posted as it was read, whatever it is. Every field needs a description.
 */
interface Field {
	readonly type: "string" | "list" | "hidden";
	readonly label: string;
	readonly description: string;
	readonly order: number;
	readonly default?: string;
}
type Form = Record<string, Record<string, Field>>;

const FieldShape = z.object({
	type: z.enum(["string", "list", "hidden"]).openapi({ description: "How it is shown; `hidden` is kept as it is." }),
	label: z.string().openapi({ description: "Its name." }),
	description: z.string().openapi({ description: "What it is." }),
	order: z.number().int().openapi({ description: "Its place among the others." }),
	default: z.string().optional().openapi({ description: "What holds where it is empty." }),
});
const FormShape = z.record(z.string(), z.record(z.string(), FieldShape));
const EXAMPLE = {
	manager: {
		interval: { type: "string" as const, label: "interval", description: "seconds between looks at a pool", order: 1, default: "30" },
	},
};

const about = (what: string) => ({
	tags: ["Global"],
	summary: `List the fields of ${what} configuration`,
	description:
		"By section and key: what Reactor's own page makes its form of. What is unknown to Muster and stands in any such configuration is a hidden field, so that the page keeps it.",
	responses: {
		200: { description: "Fields.", content: { "application/json": { schema: FormShape, example: EXAMPLE } } },
		...globalFaults,
	},
});
const endpointSchema = { ...about("an endpoint's"), operationId: "getEndpointForm" };
const managerSchema = { ...about("a manager's"), operationId: "getManagerForm" };

/** `GET /endpoint` */
export class GetEndpointForm extends Operation {
	override schema = endpointSchema;
	async handle(c: AppContext): Promise<Response> {
		const pools = (await listPools(c.env.DB)).filter(({ removedAt }) => removedAt === null);
		const given = await eachPool(pools, ({ object }) => askPool(c.env, object, (pool) => pool.configuration()));
		return c.json(
			withOthers(
				endpointForm(),
				given.filter((configuration) => configuration !== null),
			),
		);
	}
}

/** `GET /manager` */
export class GetManagerForm extends Operation {
	override schema = managerSchema;
	async handle(c: AppContext): Promise<Response> {
		const form: Form = {};
		add(form, TIMES.intervalSeconds.at, TIMES.intervalSeconds);
		return c.json(withOthers(form, [...(await listManagers(c.env.DB)).values()]));
	}
}

function endpointForm(): Form {
	const form: Form = {};
	for (const setting of [ENDPOINT, TUNING].flatMap((table) => Object.values<PoolSetting>(table))) {
		if (setting.at !== undefined) add(form, setting.at, setting);
	}
	for (const [provider, definition] of Object.entries(PROVIDERS))
		for (const [field, setting] of Object.entries(definition.settings)) add(form, [`cloud:${provider}`, field], setting);
	return form;
}

function add(form: Form, [section, key]: readonly [section: string, key: string], setting: Setting & Pick<PoolSetting, "isList">): void {
	const fields = form[section] ?? {};
	const usual = setting.usually ?? usualText(setting);
	fields[key] = {
		type: setting.isList ? "list" : "string",
		label: key.replaceAll("_", " "),
		description: setting.is,
		order: Object.keys(fields).length + 1,
		...(usual === null ? {} : { default: usual }),
	};
	form[section] = fields;
}

/** The default as text; null where there is none, or none that is one value. */
function usualText(setting: Setting): string | null {
	const { value } = readSetting(setting, undefined);
	return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}

/** With what stands in these configurations and is no field yet. */
function withOthers(form: Form, configurations: readonly Sections<unknown>[]): Form {
	for (const configuration of configurations)
		for (const [section, values] of Object.entries(configuration))
			for (const key of Object.keys(values)) {
				const fields = Object.hasOwn(form, section) ? (form[section] ?? {}) : {};
				if (Object.hasOwn(fields, key)) continue;
				const order = Object.keys(fields).length + 1;
				form[section] = { ...fields, [key]: { type: "hidden", label: key, description: "kept as it is; of no effect here", order } };
			}
	return form;
}
