import { z } from "zod";
import { isFailure, orNull } from "../base/failures.ts";
import { firewallName } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import type { ProviderContext } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";

/**
 * Floating IPs (https://docs.openstack.org/api-ref/network/v2/#floating-ips-floatingips). One is described by its server's name: it is
 * not deleted with its server, and costs.
 */

const FLOATING = "/floatingips";
const LOOK_MS = 1000;

const FloatingIp = z.object({
	id: z.string(),
	floating_ip_address: z.string(),
	port_id: z.string().nullish(),
	description: z.string().nullish(),
});
const Port = z.object({ id: z.string() });

interface Wish {
	/** The server's id and name. */
	readonly server: string;
	readonly name: string;
	/** The external network's id. */
	readonly network: string;
	/** Milliseconds since the epoch. */
	readonly endsAt: number;
}

/**
 * The server's floating IP, made if need be; null where it could not be seen in time. Whatever is lost or fails in passing is asked
 * again: a port has one floating IP at the most. Throws what a refusal says.
 */
export async function attachFloating(context: ProviderContext, network: Rest, wish: Wish): Promise<string | null> {
	for (;;) {
		try {
			const address = await attached(network, wish);
			if (address !== null) return address;
		} catch (error) {
			if (!isFailure(error, "transient", "unknown", "conflict")) throw error;
		}
		if (context.now() + LOOK_MS > wish.endsAt) return null;
		await context.wait(LOOK_MS);
	}
}

async function attached(network: Rest, { server, name, network: from }: Wish): Promise<string | null> {
	const [port] = await network.all(`/ports?device_id=${encodeURIComponent(server)}`, "ports", Port);
	if (port === undefined) return null;
	const [found] = await network.all(`${FLOATING}?port_id=${encodeURIComponent(port.id)}`, "floatingips", FloatingIp);
	if (found !== undefined) return found.floating_ip_address;
	const floatingip = { floating_network_id: from, port_id: port.id, description: name };
	const made = await network.call("POST", FLOATING, json(z.object({ floatingip: FloatingIp })), { body: { floatingip } });
	return made.floatingip.floating_ip_address;
}

/** Those that there are, by the names of their servers. */
export async function floatingAddresses(network: Rest): Promise<ReadonlyMap<string, string>> {
	const all = await network.all(FLOATING, "floatingips", FloatingIp);
	return new Map(
		all.flatMap(({ description, port_id, floating_ip_address }) => (description && port_id ? [[description, floating_ip_address]] : [])),
	);
}

/** Gives back a server's, and the deployment's that are left of servers that went without Muster. */
export async function releaseFloating(network: Rest, name: string, deployment: string | null): Promise<void> {
	const isLeft = (description: string) => deployment !== null && description.startsWith(`${firewallName(deployment)}-`);
	const all = await network.all(FLOATING, "floatingips", FloatingIp);
	const surplus = all.filter(({ description, port_id }) => description && (description === name || (!port_id && isLeft(description))));
	for (const { id } of surplus) await orNull(network.call("DELETE", `${FLOATING}/${encodeURIComponent(id)}`, ignored));
}
