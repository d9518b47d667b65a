import { describe, expect, test } from "vitest";
import { secretOf } from "../cloud/aws-signature.ts";
import { serviceAccountKeyFile } from "../cloud/gcp-credentials.ts";
import { type Client, hasDebian, lifeBy, written } from "./harness.ts";

/** Clients that know nothing of Muster find in the local cloud the cloud that they were made for. */

const token = () => ({ TOKEN: "local-sdks" });
// Instances that carry no tag of Muster's are nobody's by its policy.
const KEY_ID = "local-admin-sdks";
const aws = () => ({
	AWS_ACCESS_KEY_ID: KEY_ID,
	AWS_SECRET_ACCESS_KEY: secretOf(KEY_ID),
	AWS_REGION: "eu-west-2",
	AWS_DEFAULT_REGION: "eu-west-2",
});
const google = (url: string, scratch: string) => {
	const email = "local-sdks@muster-sdks.iam.gserviceaccount.com";
	const key = { ...(JSON.parse(serviceAccountKeyFile(email, `${url}/token`)) as object), project_id: "muster-sdks" };
	return { KEY_FILE: written(scratch, "key.json", JSON.stringify(key)) };
};
const azure = () => ({
	AZURE_TENANT_ID: "5ca1ab1e-2222-4000-8000-000000000002",
	AZURE_CLIENT_ID: "5ca1ab1e-3333-4000-8000-000000000003",
	AZURE_CLIENT_SECRET: "local-sdks",
	AZURE_SUBSCRIPTION_ID: "5ca1ab1e-1111-4000-8000-000000000001",
});
const scaleway = () => ({
	SCW_ACCESS_KEY: "SCWLOCALSDKS00000000",
	SCW_SECRET_KEY: "10ca15d5-0000-4000-8000-000000000001",
	SCW_DEFAULT_PROJECT_ID: "11111111-2222-4333-8444-555555555555",
});

const openstack = () => ({ CREDENTIAL_ID: "local-sdks", CREDENTIAL_SECRET: "local-sdks-secret" });

const FROM_NPM: readonly (readonly [string, Client])[] = [
	["@aws-sdk/client-ec2", { cloud: "aws", program: "aws-sdk.mjs", env: aws }],
	["@azure/arm-compute with @azure/identity", { cloud: "azure", program: "azure-sdk.mjs", env: azure, tls: true }],
	["dots-wrapper", { cloud: "digitalocean", program: "dots-wrapper.mjs", env: token }],
	["google-auth-library", { cloud: "gcp", program: "google-auth-library.mjs", env: google }],
	["hetzner-sdk-ts", { cloud: "hetzner", program: "hetzner-sdk-ts.mjs", env: token }],
	["@linode/api-v4", { cloud: "linode", program: "linode-api-v4.mjs", env: token }],
	["@scaleway/sdk", { cloud: "scaleway", program: "scaleway-sdk.mjs", env: scaleway }],
	["@vultr/vultr-node", { cloud: "vultr", program: "vultr-node.mjs", env: token }],
];
const FROM_DEBIAN: readonly (readonly [string, Client])[] = [
	["boto3", { cloud: "aws", program: "boto3_ec2.py", env: aws }],
	["the hcloud program", { cloud: "hetzner", program: "hcloud-cli.mjs", env: token }],
	["openstacksdk", { cloud: "openstack", program: "openstack_sdk.py", env: openstack }],
	["hcloud for Python", { cloud: "hetzner", program: "hcloud_python.py", env: token }],
	[
		"python-digitalocean",
		{ cloud: "digitalocean", program: "python_digitalocean.py", env: (url) => ({ ...token(), DIGITALOCEAN_END_POINT: `${url}/v2/` }) },
	],
	["Apache Libcloud at Vultr", { cloud: "vultr", program: "libcloud_drivers.py", env: () => ({ ...token(), LIBCLOUD_DRIVER: "vultr" }) }],
	[
		"Apache Libcloud at Linode",
		{ cloud: "linode", program: "libcloud_drivers.py", env: () => ({ ...token(), LIBCLOUD_DRIVER: "linode" }) },
	],
	[
		"Apache Libcloud at Compute Engine",
		{ cloud: "gcp", program: "libcloud_drivers.py", env: (url, scratch) => ({ ...google(url, scratch), LIBCLOUD_DRIVER: "gce" }) },
	],
];

async function livesWith(client: Client): Promise<void> {
	const name = "smoke-test";
	const userData = `#cloud-config\n# ${client.program} ünï\n`;
	const { told, states, vm, left, refused } = await lifeBy(client, name, userData);
	expect(refused).toEqual([]);
	expect(told).toEqual([
		{ step: "list", names: [] },
		{ step: "create" },
		{ step: "show", name, address: vm?.address },
		{ step: "list", names: [name] },
		{ step: "reboot" },
		{ step: "delete" },
		{ step: "list", names: [] },
	]);
	// Switched off and on again once.
	expect(states.join(" ")).toMatch(/^(new|off) active off active( off)?$/);
	expect([vm?.userData, left]).toEqual([userData, []]);
}

describe("takes a VM through its life: lists, makes, shows, reboots and deletes it", () => {
	test.each(FROM_NPM)("%s", async (_, client) => livesWith(client));
	// On a machine that checks what is submitted, all of them must be there.
	const isOptional = !hasDebian && process.env.CI === undefined;
	test.skipIf(isOptional).each(FROM_DEBIAN)("%s, from Debian's packages", async (_, client) => livesWith(client));
});
