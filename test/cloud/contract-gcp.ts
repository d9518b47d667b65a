import { generateKeyPairSync } from "node:crypto";
import { ELSEWHERE, type Terms, type Things } from "./contract-clouds.ts";
import { serviceAccountKeyFile } from "./gcp-credentials.ts";
import type { Firewall } from "./gcp-firewalls.ts";

/** What the contract suite must know of Compute Engine. */

const TOKEN_URI = "http://cloud.test/gcp/token";
const EMAIL = "local-contract@muster-test.iam.gserviceaccount.com";
const another = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
// Only its dialect writes them.
const rules = (things: Things) => Object.entries(things.firewalls ?? {}) as [string, Firewall][];

export const GCP_TERMS: Terms = {
	settings: { project: "muster-test", service_account_key: serviceAccountKeyFile(EMAIL, TOKEN_URI) },
	refused: { project: "muster-test", service_account_key: serviceAccountKeyFile(EMAIL, TOKEN_URI, another) },
	goneImage: { settings: { image_family: "ubuntu-minimal-2404-lts-amd64-old" }, nearest: "ubuntu-minimal-2404-lts-amd64" },
	price: { hourly: 0.0141, currency: "USD" },
	userDataIs: "plain",
	sameName: "same",
	deleteWhileInstalling: "accepted",
	capacity: {
		status: 503,
		body: {
			error: {
				code: 503,
				message: "The zone 'projects/muster-test/zones/us-central1-a' does not have enough resources available to fulfill the request.",
				errors: [{ domain: "global", reason: "ZONE_RESOURCE_POOL_EXHAUSTED" }],
			},
		},
		says: "does not have enough resources available",
	},
	quotaSays: "Quota 'INSTANCES' exceeded.",
	revoked: { status: 401 },
	// Google answers 403 then; the dialect knows.
	tooFast: { status: 429 },
	firewalls: (things) => rules(things).map(([, { sourceRanges }]) => sourceRanges),
	tamper(things) {
		for (const [key, rule] of rules(things)) things.firewalls = { ...things.firewalls, [key]: { ...rule, sourceRanges: [ELSEWHERE] } };
	},
	cloudId: String,
	id: (number, name = `vm-${number}`) => `us-central1-a/${name}`,
};
