import type { CloudName } from "../src/core/model/state.ts";

/** What a deployment made at each cloud beside its VMs, for each of its ids; `docs/providers` says more. */
const AT_CLOUDS: Readonly<Record<CloudName, string>> = {
	digitalocean: "the firewall muster-<deployment>; the tags muster, muster-deployment:…, muster-pool:… and muster-intent:…",
	aws: "the security group muster-<deployment>, in each region used",
	gcp: "the firewall rule muster-<deployment>",
	hetzner: "the firewall muster-<deployment>",
	vultr: "the firewall group muster-<deployment>",
	azure: "the network and the network security group muster-<deployment>-<location>, in each location used",
	scaleway: "the security group muster-<deployment>, in each zone used",
};

/** What is left of a deployment without VMs, and how it goes: a line each, for its Worker and for each of these clouds. */
export function leftBehind(origin: string, clouds: readonly string[]): string {
	const { hostname } = new URL(origin);
	const worker = hostname.endsWith(".workers.dev") ? (hostname.split(".")[0] ?? "") : "<its name>";
	const lines = [
		["Worker", `npx wrangler delete --name ${worker}`],
		["database", `npx wrangler d1 delete ${worker}`],
		...clouds.flatMap((cloud) => (Object.hasOwn(AT_CLOUDS, cloud) ? [[cloud, AT_CLOUDS[cloud as CloudName]]] : [])),
	];
	return lines.map(([what = "", how = ""]) => `  ${what.padEnd(13)} ${how}`).join("\n");
}
