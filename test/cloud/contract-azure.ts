import type { Thing } from "./azure-network.ts";
import { ELSEWHERE, type Terms, type Things } from "./contract-clouds.ts";

/** What the contract suite must know of Azure. */

const IDS = {
	subscription_id: "5ca1ab1e-1111-4000-8000-000000000001",
	tenant_id: "5ca1ab1e-2222-4000-8000-000000000002",
	client_id: "5ca1ab1e-3333-4000-8000-000000000003",
};
interface Rule {
	readonly name: string;
	readonly properties: {
		readonly access: string;
		readonly direction: string;
		readonly destinationPortRange?: string;
		readonly sourceAddressPrefix?: string;
		readonly sourceAddressPrefixes?: readonly string[];
	};
}
// Only its dialect writes them.
const groups = (things: Things) => Object.entries(things["security-groups"] ?? {}) as [string, Thing][];
const rulesOf = ({ properties }: Thing) => properties.securityRules as unknown as readonly Rule[];

export const AZURE_TERMS: Terms = {
	settings: { ...IDS, client_secret: "local-contract-azure" },
	refused: { ...IDS, client_secret: "not-known-to-the-directory" },
	addresses: (base) => ({ login_url: base }),
	goneImage: { settings: { image: "Canonical:ubuntu-24_04-lts:server-old:latest" }, nearest: "Canonical:ubuntu-24_04-lts:server:latest" },
	price: { hourly: 0.0187, currency: "USD" },
	userDataIs: "base64",
	sameName: "conflict",
	deleteWhileInstalling: "accepted",
	capacity: {
		status: 409,
		body: {
			error: { code: "SkuNotAvailable", message: "The requested size for resource 'vm' is currently not available in location 'eastus'." },
		},
		says: "is currently not available in location",
	},
	quotaSays: "exceeding approved Total Regional Cores quota",
	revoked: { status: 401 },
	tooFast: { status: 429 },
	firewalls: (things) =>
		groups(things).map(([, group]) =>
			rulesOf(group)
				.map(({ properties }) => properties)
				.filter(
					({ access, direction, destinationPortRange }) => access === "Allow" && direction === "Inbound" && destinationPortRange === "8899",
				)
				.flatMap((rule) => (rule.sourceAddressPrefix === "*" ? ["0.0.0.0/0"] : (rule.sourceAddressPrefixes ?? []))),
		),
	tamper(things) {
		for (const [id, group] of groups(things)) {
			const securityRules = rulesOf(group).map(({ name, properties: { sourceAddressPrefix: _, ...rest } }) => ({
				name,
				properties: { ...rest, sourceAddressPrefixes: [ELSEWHERE] },
			}));
			things["security-groups"] = { ...things["security-groups"], [id]: { ...group, properties: { securityRules } } };
		}
	},
	id: (number, name = `vm-${number}`) => `cloudproxy-rg/${name}`,
	leftBehind: (things) => Object.keys(things.orphans ?? {}),
};
