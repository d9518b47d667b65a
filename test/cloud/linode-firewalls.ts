import { createHash } from "node:crypto";
import type { Account } from "./account.ts";
import { type Call, json } from "./dialect.ts";
import type { Json } from "./inventory.ts";
import { done, notFound, page, read, refuse, time } from "./linode-answers.ts";
import { AttachDevice, CreateFirewall, Rules, UpdateFirewall } from "./linode-requests.ts";

/** Cloud Firewalls of Linode's dialect. They are shown and checked; traffic on loopback addresses passes none. */
export interface Firewall {
	readonly [key: string]: Json;
	readonly id: number;
	readonly label: string;
	readonly status: string;
	readonly tags: readonly string[];
	readonly rules: Readonly<Record<string, Json>>;
	readonly created: string;
	readonly updated: string;
}

export const firewallsOf = (account: Account) => account.collection<Firewall>("firewalls");

/** What paths below `/v4/networking/firewalls` answer. */
export function answerFirewalls(call: Call, account: Account, id?: string, part?: string, device?: string): Promise<Response> | Response {
	if (id === undefined) {
		if (call.method === "POST") return read(call, CreateFirewall, (wanted) => createFirewall(wanted, account));
		const all = firewallsOf(account).all();
		return call.method === "GET"
			? page(
					call,
					all.map((each) => shown(each, account)),
					["id", "label", "tags", "status"],
				)
			: notFound();
	}
	if (id === "settings") {
		const none = { linode: null, nodebalancer: null, public_interface: null, vpc_interface: null };
		return json(200, { default_firewall_ids: none });
	}
	const firewall = firewallsOf(account).get(id);
	if (!firewall) return notFound();
	const change = (more: Partial<Firewall>) => {
		const changed = { ...firewall, ...more, updated: time(account.now()) } as Firewall;
		firewallsOf(account).set(id, changed);
		return changed;
	};
	switch (`${call.method} ${part ?? ""}${device === undefined ? "" : "/*"}`) {
		case "GET ":
			return json(200, shown(firewall, account));
		case "PUT ":
			return read(call, UpdateFirewall, ({ label = firewall.label, tags = firewall.tags, status = firewall.status }) => {
				if (isTaken(account, label, firewall.id)) return labelTaken();
				return json(200, shown(change({ label, tags, status }), account));
			});
		case "DELETE ":
			firewallsOf(account).delete(id);
			return done();
		case "GET rules":
			return json(200, rulesShown(firewall.rules));
		case "PUT rules":
			return read(call, Rules, (rules) => json(200, rulesShown(change({ rules: kept(rules) }).rules)));
		case "GET devices":
			return page(call, devices(firewall, account), []);
		case "POST devices":
			return read(call, AttachDevice, ({ id: linode, type }) => attach(firewall, linode, type, account));
		default:
			return notFound();
	}
}

const isTaken = (account: Account, label: string, id: number | null) =>
	firewallsOf(account)
		.all()
		.some((other) => other.label === label && other.id !== id);
const labelTaken = () => refuse(400, "Label must be unique", "label");
/** As JSON has it: without what was left out. */
const kept = (rules: Rules) => JSON.parse(JSON.stringify(rules)) as Firewall["rules"];

function createFirewall({ label, rules, tags }: { label: string; rules: Rules; tags: string[] }, account: Account): Response {
	if (isTaken(account, label, null)) return labelTaken();
	const at = time(account.now());
	const firewall: Firewall = { id: account.number(), label, status: "enabled", rules: kept(rules), tags, created: at, updated: at };
	firewallsOf(account).set(String(firewall.id), firewall);
	return json(200, shown(firewall, account));
}

/** The Linodes that were made behind it. */
function devices(firewall: Firewall, account: Account): readonly { readonly id: number; readonly entity: object }[] {
	return account
		.vms()
		.filter((vm) => vm.details.firewall === firewall.id)
		.map((vm) => ({
			id: Number(vm.id),
			entity: { id: Number(vm.id), type: "linode", label: vm.name, url: `/v4/linode/instances/${vm.id}` },
			created: time(vm.createdAt),
			updated: time(vm.createdAt),
		}));
}

/** Each Linode has its firewall from its create on here; another one would be refused. */
function attach(firewall: Firewall, linode: number, type: string, account: Account): Response {
	const vm = account.vm(String(linode));
	if (!vm || type !== "linode") return refuse(400, `${type} ${linode} does not exist`, "id");
	if (vm.details.interfaces === "linode") return refuse(400, "Firewalls must be attached to the interfaces of this Linode", "id");
	if (vm.details.firewall !== null) return refuse(400, `Linode ${linode} already has an active firewall`, "id");
	return json(200, {
		id: linode,
		entity: { id: linode, type, label: vm.name, url: `/v4/linode/instances/${linode}` },
		created: firewall.created,
		updated: firewall.updated,
	});
}

function rulesShown(rules: Firewall["rules"]): object {
	return { ...rules, version: 1, fingerprint: createHash("sha256").update(JSON.stringify(rules)).digest("hex").slice(0, 8) };
}

function shown(firewall: Firewall, account: Account): object {
	return { ...firewall, rules: rulesShown(firewall.rules), entities: devices(firewall, account).map(({ entity }) => entity) };
}
