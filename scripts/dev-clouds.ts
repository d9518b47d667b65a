import type { CloudName } from "../src/core/model/state.ts";

/** The cloud that `npm run dev` uses unless CLOUDS names others. */
const USUAL: CloudName = "digitalocean";
const AWS_KEY = "local-dev";

type Account = Readonly<Record<string, string>>;

/**
 * Credentials of an account at the local cloud, by setting (`ACCESS_TOKEN`); they open nothing anywhere else. `mount` is where the cloud
 * is (`http://127.0.0.1:8790/gcp`).
 */
const ACCOUNTS: Readonly<Record<CloudName, (mount: string) => Promise<Account>>> = {
	digitalocean: async () => ({ ACCESS_TOKEN: "local-dev" }),
	// Parts of the local cloud are loaded by need: what is loaded at each start delays the first proxy.
	aws: async () => {
		const { secretOf } = await import("../test/cloud/aws-signature.ts");
		return { ACCESS_KEY_ID: AWS_KEY, SECRET_ACCESS_KEY: secretOf(AWS_KEY) };
	},
	gcp: async (mount) => {
		const { serviceAccountKeyFile } = await import("../test/cloud/gcp-credentials.ts");
		const email = "local-dev@muster-local.iam.gserviceaccount.com";
		return { PROJECT: "muster-local", SERVICE_ACCOUNT_KEY: serviceAccountKeyFile(email, `${mount}/token`) };
	},
	hetzner: async () => ({ ACCESS_TOKEN: "local-dev" }),
	vultr: async () => ({ API_TOKEN: "local-dev" }),
	azure: async () => ({
		SUBSCRIPTION_ID: "10ca1de0-0000-4000-8000-000000000001",
		TENANT_ID: "10ca1de0-0000-4000-8000-000000000002",
		CLIENT_ID: "10ca1de0-0000-4000-8000-000000000003",
		CLIENT_SECRET: "local-dev",
	}),
	scaleway: async () => ({
		ACCESS_KEY: "SCWLOCALDEV000000000",
		SECRET_KEY: "local-dev",
		PROJECT_ID: "10ca1de0-0000-4000-8000-000000000004",
	}),
};

/** The clouds that the local cloud speaks for: all that Muster drives. */
export const LOCAL_CLOUDS: readonly CloudName[] = Object.keys(ACCOUNTS);

export function localAccount(cloud: CloudName, mount: string): Promise<Account> {
	const account = ACCOUNTS[cloud];
	if (account === undefined) throw new Error(`scripts/dev-clouds.ts has no account of ${cloud} at the local cloud`);
	return account(mount);
}

/** The clouds that CLOUDS names (`aws,hetzner`), each once; `all` are all of them. Throws where it names another, with what there is. */
export function cloudsAsked(text: string | undefined): readonly CloudName[] {
	const known = LOCAL_CLOUDS;
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
