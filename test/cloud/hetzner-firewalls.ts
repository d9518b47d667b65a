import type { Account } from "./account.ts";
import { type Call, json } from "./dialect.ts";
import { done, notFound, read, refuse } from "./hetzner-answers.ts";
import { type CreateFirewall, type Rule, SetRules, UpdateFirewall } from "./hetzner-requests.ts";
import type { Json } from "./inventory.ts";
import { rfc3339 } from "./requests.ts";

/** Firewalls of Hetzner's dialect. They are shown and checked; traffic on loopback addresses passes none. */
export interface Firewall {
	readonly [key: string]: Json;
	readonly id: number;
	readonly name: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly created: string;
	readonly rules: readonly Json[];
}

const firewallsOf = (account: Account) => account.collection<Firewall>("firewalls");
const isTaken = (account: Account, name: string, id: number | null) =>
	firewallsOf(account)
		.all()
		.some((other) => other.name === name && other.id !== id);
const nameTaken = () => refuse(409, "uniqueness_error", "name is already used", { fields: [{ name: "name" }] });

export function createFirewall(wanted: CreateFirewall, account: Account): Response {
	if (isTaken(account, wanted.name, null)) return nameTaken();
	const { name, labels, rules } = wanted;
	const firewall: Firewall = { id: account.number(), name, labels, created: rfc3339(account.now()), rules: rules.map(ruleShown) };
	firewallsOf(account).set(String(firewall.id), firewall);
	const actions = [done(account, "set_firewall_rules", "firewall", String(firewall.id))];
	return json(201, { firewall: firewallShown(firewall, account), actions });
}

export function answerFirewall(call: Call, id: string, act: string | undefined, account: Account): Promise<Response> | Response {
	const firewall = firewallsOf(account).get(id);
	if (!firewall) return notFound(`firewall with ID '${id}'`);
	switch (`${call.method} ${act ?? ""}`) {
		case "GET ":
			return json(200, { firewall: firewallShown(firewall, account) });
		case "PUT ":
			return read(call, UpdateFirewall, ({ name = firewall.name, labels = firewall.labels }) => {
				if (isTaken(account, name, firewall.id)) return nameTaken();
				const changed: Firewall = { ...firewall, name, labels };
				firewallsOf(account).set(id, changed);
				return json(200, { firewall: firewallShown(changed, account) });
			});
		case "DELETE ":
			if (servers(firewall, account).length > 0) return refuse(409, "resource_in_use", "firewall is still in use");
			firewallsOf(account).delete(id);
			return new Response(null, { status: 204 });
		case "POST set_rules":
			return read(call, SetRules, ({ rules }) => {
				firewallsOf(account).set(id, { ...firewall, rules: rules.map(ruleShown) });
				return json(201, { actions: [done(account, "set_firewall_rules", "firewall", id)] });
			});
		default:
			return notFound("resource");
	}
}

export function firewallShown(firewall: Firewall, account: Account): object {
	const applied_to = servers(firewall, account).map((id) => ({ type: "server", server: { id } }));
	return { ...firewall, applied_to };
}

/** The ids of the servers that were made with it. */
function servers(firewall: Firewall, account: Account): number[] {
	const isIts = (found: Json | undefined) => Array.isArray(found) && found.includes(firewall.id);
	return account
		.vms()
		.filter((vm) => isIts(vm.details.firewalls))
		.map((vm) => Number(vm.id));
}

function ruleShown({ description, direction, protocol, port, source_ips, destination_ips }: Rule): Json {
	return { description: description ?? null, direction, protocol, port: port ?? null, source_ips, destination_ips };
}
