import type { Account } from "./account.ts";
import { json } from "./dialect.ts";
import { begin, exists, notFound, refuse, SELF } from "./gcp-answers.ts";
import type { FirewallBody } from "./gcp-requests.ts";
import type { Json } from "./inventory.ts";

/** Firewall rules of a project's networks. */

export interface Firewall {
	readonly [key: string]: Json;
	readonly id: string;
	readonly name: string;
	readonly project: string;
	readonly sourceRanges: readonly string[];
	readonly sourceTags: readonly string[];
}

const rules = (account: Account) => account.collection<Firewall>("firewalls");
const keyOf = (project: string, name: string) => `${project}/${name}`;
const targetOf = (project: string, name: string) => `projects/${project}/global/firewalls/${name}`;

export function list(account: Account, project: string): Response {
	const items = rules(account)
		.all()
		.filter((rule) => rule.project === project)
		.map(shown);
	return json(200, { kind: "compute#firewallList", id: `projects/${project}/global/firewalls`, items });
}

export function get(account: Account, project: string, name: string): Response {
	const rule = rules(account).get(keyOf(project, name));
	return rule ? json(200, shown(rule)) : notFound(targetOf(project, name));
}

export function insert(account: Account, project: string, body: FirewallBody): Response {
	const { name } = body;
	if (name === undefined) return refuse(400, "required", "Required field 'resource.name' not specified");
	if (!body.allowed?.length) return refuse(400, "required", "Required field 'resource.allowed' not specified");
	if (rules(account).get(keyOf(project, name))) return exists(targetOf(project, name));
	return keep(account, project, { id: String(account.number()), name, project, sourceRanges: [], sourceTags: [] }, body, "insert");
}

export function patch(account: Account, project: string, name: string, body: FirewallBody): Response {
	const rule = rules(account).get(keyOf(project, name));
	if (!rule) return notFound(targetOf(project, name));
	return keep(account, project, rule, { ...body, name }, "patch");
}

function keep(account: Account, project: string, rule: Firewall, { params: _, ...body }: FirewallBody, type: string): Response {
	const stated = JSON.parse(JSON.stringify(body)) as { readonly [key: string]: Json };
	const kept: Firewall = { direction: "INGRESS", disabled: false, priority: 1000, ...rule, ...stated };
	// A rule that names no source at all is open to everyone.
	const isOpen = kept.sourceRanges.length === 0 && kept.sourceTags.length === 0;
	rules(account).set(keyOf(project, rule.name), isOpen ? { ...kept, sourceRanges: ["0.0.0.0/0"] } : kept);
	return begin(account, { type, where: `projects/${project}/global`, target: targetOf(project, rule.name), task: null }).answer;
}

export function remove(account: Account, project: string, name: string): Response {
	if (!rules(account).get(keyOf(project, name))) return notFound(targetOf(project, name));
	rules(account).delete(keyOf(project, name));
	return begin(account, { type: "delete", where: `projects/${project}/global`, target: targetOf(project, name), task: null }).answer;
}

function shown({ project, ...rule }: Firewall): object {
	const base = `${SELF}/projects/${project}`;
	// Of a whole reference as of one from its project or from `global` on.
	const named = typeof rule.network === "string" ? rule.network : "global/networks/default";
	const network = `${base}/${named.slice(named.indexOf("global/"))}`;
	return { kind: "compute#firewall", ...rule, network, selfLink: `${base}/global/firewalls/${rule.name}` };
}
