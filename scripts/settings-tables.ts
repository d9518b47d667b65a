import type { CloudName } from "../src/core/model/state.ts";
import type { AccountTable } from "../src/providers/base/account.ts";
import { CLOUD_NAMES, PROVIDERS } from "../src/providers/index.ts";
import { ACCOUNT, DEPLOYMENT, type DeploymentSetting, ENDPOINT, GROUPS, type PoolSetting, TUNING } from "../src/settings/table.ts";
import type { Setting } from "../src/values/setting.ts";

/** The tables of settings as the documentation and `.dev.vars.example` show them: lines of text, by the name of their block. */

/** One setting as a reader meets it. */
interface Row {
	/** What stands before the name of the first of several that share a line: an endpoint configuration's section. */
	readonly section?: string;
	readonly name: string;
	readonly setting: Setting;
	/** Its default in Markdown, where that is not the setting's own. */
	readonly usually?: string;
}

export const CLOUDS = (Object.keys(CLOUD_NAMES) as CloudName[]).filter((cloud) => PROVIDERS[cloud] !== undefined);
const NOTHING = "–";

/** The default in Markdown. */
function usualText({ schema, usually }: Setting): string {
	const { data } = schema.safeParse(undefined);
	const text = valueText(data);
	return usually ?? (text === "" ? NOTHING : `\`${text}\``);
}

/** A default as it would be given; empty where that cannot be said so. */
function valueText(value: unknown): string {
	if (typeof value === "boolean") return value ? "True" : "False";
	if (typeof value === "string" || typeof value === "number") return String(value);
	return Array.isArray(value) && value.every((item) => typeof item === "string") ? value.join(",") : "";
}

const deploymentRows = (): readonly Row[] =>
	Object.values<DeploymentSetting>(DEPLOYMENT).map((setting) => ({ name: setting.variable, setting }));

const isDeploymentToo = (setting: Setting) => Object.values<Setting>(DEPLOYMENT).includes(setting);

/** What every pool of the environment has; `prefix` stands before the names (`HETZNER_`). */
function commonRows(prefix: string): readonly Row[] {
	const { enabled, displayName } = ACCOUNT;
	return [enabled, ...Object.values<PoolSetting>(TUNING), displayName].flatMap((setting: PoolSetting) => {
		if (setting.variable === undefined) return [];
		return [{ name: prefix + setting.variable, setting, ...(isDeploymentToo(setting) && { usually: "the deployment's" }) }];
	});
}

/** A cloud's own settings between what every pool has; what the deployment has too is left out. */
function cloudRows(cloud: CloudName): readonly Row[] {
	const prefix = `${cloud.toUpperCase()}_`;
	const [enabled, ...common] = commonRows(prefix).filter(({ setting }) => !isDeploymentToo(setting));
	const table: AccountTable = PROVIDERS[cloud]?.settings ?? {};
	const own = Object.entries(table).map(([field, setting]) => ({ name: prefix + field.toUpperCase(), setting }));
	const title = PROVIDERS[cloud]?.displayName ?? cloud;
	const named = common.map((row) => (row.setting === ACCOUNT.displayName ? { ...row, usually: `\`${title}\`` } : row));
	return [...(enabled === undefined ? [] : [enabled]), ...own, ...named];
}

const SECTIONS = ["endpoint", "static", "scaling", "manager"];

function endpointRows(): readonly Row[] {
	const rows = [...Object.values<PoolSetting>(ENDPOINT), ...Object.values<PoolSetting>(TUNING)].flatMap((setting) => {
		if (setting.at === undefined) return [];
		const [section, name] = setting.at;
		const { endpointDefault } = setting;
		return [{ section, name, setting, ...(endpointDefault !== undefined && { usually: `\`${valueText(endpointDefault)}\`` }) }];
	});
	return rows.sort((a, b) => SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section));
}

/** Neighbours that are said to be the same, together. */
function groupsOf(rows: readonly Row[]): readonly (readonly Row[])[] {
	const groups: Row[][] = [];
	for (const row of rows) {
		const last = groups.at(-1);
		const first = last?.[0];
		if (first !== undefined && first.setting.is === row.setting.is && first.section === row.section) last?.push(row);
		else groups.push([row]);
	}
	return groups;
}

function spellings(table: AccountTable | undefined, { name, setting }: Row): string {
	const others = Object.entries(table ?? {}).find(([, own]) => own === setting)?.[1].alsoSpelt ?? [];
	const prefix = name.slice(0, name.indexOf("_") + 1);
	return `\`${name}\`${others.length === 0 ? "" : ` (or ${others.map((other) => `\`${prefix}${other.toUpperCase()}\``).join(", ")})`}`;
}

function markdown(heading: string, rows: readonly Row[], table?: AccountTable): readonly string[] {
	const lines = groupsOf(rows).map((group) => {
		const section = group[0]?.section;
		const names = group.map((row) => spellings(table, row)).join(", ");
		const defaults = group.map(({ setting, usually }) => usually ?? usualText(setting));
		const isSecret = group.some(({ setting }) => setting.isSecret) ? ", secret" : "";
		const usual = (new Set(defaults).size === 1 ? defaults.slice(0, 1) : defaults).join(", ") + isSecret;
		return `| ${section === undefined ? "" : `\`${section}\` `}${names} | ${usual} | ${group[0]?.setting.is} |`;
	});
	return ["", `| ${heading} | default | is |`, "|---|---|---|", ...lines, ""];
}

const WIDTH = 119;

/** What most deployments begin with, and so stands there without a comment sign. */
const BEGINNINGS = ["AUTH_KEY", "PROXY_USERNAME", "PROXY_PASSWORD", "DIGITALOCEAN_ENABLED", "DIGITALOCEAN_ACCESS_TOKEN"];

const headline = (title: string) => `# --- ${title} `.padEnd(WIDTH, "-");

/** A comment of as many lines as it takes. */
function comment(sentence: string): readonly string[] {
	const lines: string[] = [];
	for (const next of sentence.split(" ")) {
		const last = lines.at(-1);
		if (last !== undefined && last.length + 1 + next.length <= WIDTH) lines[lines.length - 1] = `${last} ${next}`;
		else lines.push(`# ${next}`);
	}
	return lines;
}

function plainSentence({ is, usually }: Setting): string {
	const plain = (text: string) => text.replaceAll("`", "");
	const ended = (text: string) => (text.endsWith("…") ? text : `${text}.`);
	const first = ended(is.startsWith("`") ? plain(is) : is.charAt(0).toUpperCase() + plain(is.slice(1)));
	return usually === undefined ? first : `${first} By default ${ended(plain(usually))}`;
}

function assignments(rows: readonly Row[], isSaid: (row: Row) => boolean): readonly string[] {
	return groupsOf(rows).flatMap((group) => {
		const [first] = group;
		const said = first !== undefined && isSaid(first) ? comment(plainSentence(first.setting)) : [];
		const lines = group.map(({ name, setting }) => {
			const value = setting.example ?? valueText(setting.schema.safeParse(undefined).data);
			return `${BEGINNINGS.includes(name) ? "" : "#"}${name}=${value}`;
		});
		return [...said, ...lines];
	});
}

function deploymentVariables(): readonly string[] {
	return (Object.keys(GROUPS) as (keyof typeof GROUPS)[]).flatMap((group) => {
		const rows = deploymentRows().filter(({ setting }) => (setting as DeploymentSetting).group === group);
		return ["", headline(GROUPS[group]), ...assignments(rows, () => true)];
	});
}

/** What every pool has is explained at the first cloud. */
function cloudVariables(): readonly string[] {
	return CLOUDS.flatMap((cloud, index) => {
		const own = Object.values<Setting>(PROVIDERS[cloud]?.settings ?? {});
		const isSaid = ({ setting }: Row) => index === 0 || own.includes(setting);
		const title = `${CLOUD_NAMES[cloud]} (docs/providers/${cloud}.md)`;
		return ["", headline(title), ...assignments(cloudRows(cloud), isSaid)];
	});
}

/** The clouds, with what their settings begin with and what they bill by. */
function cloudsTable(): readonly string[] {
	const lines = CLOUDS.map((cloud) => {
		const billed = PROVIDERS[cloud]?.billedSeconds === 3600 ? "by the started hour" : "by the second or minute";
		return `| [${CLOUD_NAMES[cloud]}](docs/providers/${cloud}.md) | \`${cloud.toUpperCase()}_…\` | ${billed} |`;
	});
	return ["", "| cloud | settings | VMs are billed |", "|---|---|---|", ...lines, ""];
}

/** What stands between the marks in each file, by file and by the name that the mark gives. */
export function blocks(): ReadonlyMap<string, Readonly<Record<string, readonly string[]>>> {
	return new Map([
		[
			"README.md",
			{ deployment: markdown("name", deploymentRows()), pool: markdown("name", commonRows("<PROVIDER>_")), clouds: cloudsTable() },
		],
		["docs/reactor.md", { endpoint: markdown("section, key", endpointRows()) }],
		...CLOUDS.map(
			(cloud) => [`docs/providers/${cloud}.md`, { [cloud]: markdown("name", cloudRows(cloud), PROVIDERS[cloud]?.settings) }] as const,
		),
		[".dev.vars.example", { deployment: [...deploymentVariables(), ""], clouds: [...cloudVariables(), ""] }],
	]);
}
