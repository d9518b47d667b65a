import { idOf, imagesOf } from "./aws-catalogue.ts";
import type { Group } from "./aws-groups.ts";
import { secretOf } from "./aws-signature.ts";
import { ELSEWHERE, type Terms, type Things } from "./contract-clouds.ts";

/** What the contract suite must know of EC2. */

const KEY = "local-contract-aws";
const PORT = 8899;
const errorBody = (code: string, message: string) =>
	`<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>1</RequestID></Response>`;
// Only its dialect writes them.
const groups = (things: Things) => Object.entries(things["security-groups"] ?? {}) as [string, Group][];

/** What the region has of Canonical's for Arm. */
const NEWEST = imagesOf("eu-west-2").find(({ name }) => name.endsWith("noble-24.04-arm64-server-20251022"))?.id ?? "";

export const AWS_TERMS: Terms = {
	settings: { access_key_id: KEY, secret_access_key: secretOf(KEY) },
	refused: { access_key_id: KEY, secret_access_key: "another" },
	goneImage: { settings: { ami: "ami-0abcdef1234567890" }, nearest: NEWEST },
	price: { hourly: 0.0107, currency: "USD" },
	userDataIs: "gzip",
	sameName: "same",
	deleteWhileInstalling: "accepted",
	capacity: {
		status: 500,
		body: errorBody(
			"InsufficientInstanceCapacity",
			"We currently do not have sufficient t4g.nano capacity in the Availability Zone you requested.",
		),
		says: "InsufficientInstanceCapacity: We currently do not have sufficient t4g.nano capacity",
	},
	quotaSays: "You have requested more vCPU capacity than your current vCPU limit",
	revoked: { status: 401 },
	// EC2 answers 503 then; the dialect knows.
	tooFast: { status: 429 },
	firewalls: (things) =>
		groups(things).map(([, { rules }]) =>
			rules.filter(({ from, to, protocol }) => from === PORT && to === PORT && protocol === "tcp").map(({ source }) => source),
		),
	tamper(things) {
		for (const [id, group] of groups(things)) {
			const rules = group.rules.slice(0, 1).map((rule) => ({ ...rule, source: ELSEWHERE }));
			things["security-groups"] = { ...things["security-groups"], [id]: { ...group, rules } };
		}
	},
	cloudId: (number) => idOf("i", String(number)),
	id: (number) => `eu-west-2/${idOf("i", String(number))}`,
};
