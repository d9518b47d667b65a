import { z } from "zod";
import { isFailure } from "../base/failures.ts";
import { EVERYWHERE, firewallName, plainSource } from "../base/firewall.ts";
import { ignored, json } from "../base/http.ts";
import type { Protection } from "../base/provider.ts";
import type { Rest } from "../base/rest.ts";
import { DEPLOYMENT_TAG, TAG } from "../base/tags.ts";

/** A deployment's firewall at Hetzner: made once, found again by its name, kept as it shall be. */

/** What one rule may name. https://docs.hetzner.cloud/reference/cloud#firewalls */
const MAX_SOURCES_A_RULE = 100;

const Rule = z.object({
	direction: z.string(),
	protocol: z.string(),
	port: z.string().nullish(),
	source_ips: z.array(z.string()).nullish(),
});
const Firewall = z.object({ id: z.number().int(), name: z.string(), rules: z.array(Rule).nullish() });
type Firewall = z.infer<typeof Firewall>;

/** Gives its id. */
export async function ensureFirewall(rest: Rest, { tags, port, allow }: Protection): Promise<number> {
	const name = firewallName(tags.deployment);
	const rules = firewallRules(port, allow);
	const look = async () => {
		const found = await rest.all(`/v1/firewalls?name=${encodeURIComponent(name)}`, "firewalls", Firewall);
		return found.find((firewall) => firewall.name === name);
	};
	const found = await look();
	if (found === undefined) {
		try {
			const body = { name, labels: { [TAG]: "true", [DEPLOYMENT_TAG]: tags.deployment }, rules };
			const made = await rest.call("POST", "/v1/firewalls", json(z.object({ firewall: Firewall })), { body });
			return made.firewall.id;
		} catch (error) {
			// Another isolate was faster.
			const other = isFailure(error, "conflict") ? await look() : undefined;
			if (other !== undefined && isAsWanted(other, rules)) return other.id;
			throw error;
		}
	}
	if (!isAsWanted(found, rules)) {
		await rest.call("POST", `/v1/firewalls/${found.id}/actions/set_rules`, ignored, { body: { rules } });
	}
	return found.id;
}

/** The port in for the CIDRs of `allow` (empty: everyone). Without a rule for it everything may go out. */
function firewallRules(port: number, allow: readonly string[]) {
	const sources = allow.length === 0 ? EVERYWHERE : allow;
	const rules = [];
	for (let at = 0; at < sources.length; at += MAX_SOURCES_A_RULE) {
		const source_ips = sources.slice(at, at + MAX_SOURCES_A_RULE);
		rules.push({ direction: "in", protocol: "tcp", port: String(port), source_ips });
	}
	return rules;
}

/** Lets in exactly what it shall, however that is spread over rules, and says nothing of what goes out. */
function isAsWanted(firewall: Firewall, wanted: ReturnType<typeof firewallRules>): boolean {
	return plain(firewall.rules ?? []) === plain(wanted);
}

function plain(rules: readonly z.infer<typeof Rule>[]): string {
	const admitted = rules.flatMap(({ direction, protocol, port, source_ips }) =>
		// A rule out names no source; it counts as one of its own, since it forbids all else.
		(source_ips?.length ? source_ips : [""]).map((source) => [direction, protocol, port, plainSource(source)].join(" ")),
	);
	return [...new Set(admitted)].sort().join();
}
