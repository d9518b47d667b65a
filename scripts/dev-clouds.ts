import type { CloudName } from "../src/core/model/state.ts";
import { CLOUD_NAMES, PROVIDERS } from "../src/providers/index.ts";
import { secretOf } from "../test/cloud/aws-signature.ts";
import { serviceAccountKeyFile } from "../test/cloud/gcp-credentials.ts";

/** The cloud that `npm run dev` uses unless CLOUDS names others. */
const USUAL: CloudName = "digitalocean";
const AWS_KEY = "local-dev";

/**
 * Credentials of an account at the local cloud, by setting (`ACCESS_TOKEN`); they open nothing anywhere else. `mount` is where the cloud
 * is (`http://127.0.0.1:8790/gcp`).
 */
const ACCOUNTS: Readonly<Record<CloudName, (mount: string) => Readonly<Record<string, string>>>> = {
	digitalocean: () => ({ ACCESS_TOKEN: "local-dev" }),
	aws: () => ({ ACCESS_KEY_ID: AWS_KEY, SECRET_ACCESS_KEY: secretOf(AWS_KEY) }),
	gcp: (mount) => ({
		PROJECT: "muster-local",
		SERVICE_ACCOUNT_KEY: serviceAccountKeyFile("local-dev@muster-local.iam.gserviceaccount.com", `${mount}/token`),
	}),
	hetzner: () => ({ ACCESS_TOKEN: "local-dev" }),
	vultr: () => ({ API_TOKEN: "local-dev" }),
	azure: () => ({
		SUBSCRIPTION_ID: "10ca1de0-0000-4000-8000-000000000001",
		TENANT_ID: "10ca1de0-0000-4000-8000-000000000002",
		CLIENT_ID: "10ca1de0-0000-4000-8000-000000000003",
		CLIENT_SECRET: "local-dev",
	}),
	scaleway: () => ({
		ACCESS_KEY: "SCWLOCALDEV000000000",
		SECRET_KEY: "local-dev",
		PROJECT_ID: "10ca1de0-0000-4000-8000-000000000004",
	}),
};

export const localAccount = (cloud: CloudName, mount: string): Readonly<Record<string, string>> => ACCOUNTS[cloud](mount);

/** The clouds that CLOUDS names (`aws,hetzner`), each once; `all` are all of them. Throws where it names another, with what there is. */
export function cloudsAsked(text: string | undefined): readonly CloudName[] {
	const known = (Object.keys(CLOUD_NAMES) as CloudName[]).filter((cloud) => PROVIDERS[cloud] !== undefined);
	const names = (text ?? "")
		.split(",")
		.map((name) => name.trim().toLowerCase())
		.filter((name) => name !== "");
	if (names.length === 0) return [USUAL];
	if (names.includes("all")) return known;
	const unknown = names.find((name) => !known.some((cloud) => cloud === name));
	if (unknown !== undefined) throw new Error(`CLOUDS names '${unknown}'; there are ${known.join(", ")}, and all.`);
	return known.filter((cloud) => names.includes(cloud));
}
