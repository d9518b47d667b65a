import { GoogleAuth } from "google-auth-library";
import { live, name, url, userData } from "./life.mjs";

const auth = new GoogleAuth({ keyFilename: process.env.KEY_FILE, scopes: ["https://www.googleapis.com/auth/compute"] });
const client = await auth.getClient();
// The library knows one token server and asks no key file for another: what it sends there is let go to the cloud in the test.
client.transporter.interceptors.request.add({
	async resolved(config) {
		const asked = new URL(config.url);
		if (asked.host === "oauth2.googleapis.com") config.url = new URL(`${url}${asked.pathname}`);
		return config;
	},
});

const zone = "europe-west1-b";
const project = `${url}/compute/v1/projects/${await auth.getProjectId()}`;
const compute = async (method, path, data) => (await client.request({ url: `${project}/${path}`, method, ...(data ? { data } : {}) })).data;
async function done(operation) {
	const { error, status } = await compute("POST", `zones/${zone}/operations/${operation.name}/wait`);
	if (error || status !== "DONE") throw new Error(JSON.stringify(error ?? status));
}

await live({
	async list() {
		const { items } = await compute("GET", "aggregated/instances");
		return Object.values(items).flatMap(({ instances = [] }) => instances.map((one) => one.name));
	},
	async create() {
		const zones = (await compute("GET", "zones")).items.map((one) => one.name);
		if (!zones.includes(zone)) throw new Error(`there is no ${zone} among ${zones}`);
		const machineType = (await compute("GET", `zones/${zone}/machineTypes/e2-micro`)).selfLink;
		const network = (await compute("GET", "global/networks/default")).selfLink;
		const sourceImage = "https://www.googleapis.com/compute/v1/projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64";
		await done(
			await compute("POST", `zones/${zone}/instances`, {
				name,
				machineType,
				disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage, diskSizeGb: "10" } }],
				networkInterfaces: [{ network, accessConfigs: [{ name: "External NAT", networkTier: "PREMIUM" }] }],
				metadata: { items: [{ key: "user-data", value: userData }] },
				params: { resourceManagerTags: { "tagKeys/281480000000": "tagValues/281480000001" } },
			}),
		);
		return name;
	},
	async show(id) {
		const instance = await compute("GET", `zones/${zone}/instances/${id}`);
		return { name: instance.name, isRunning: instance.status === "RUNNING", address: instance.networkInterfaces[0].accessConfigs[0].natIP };
	},
	reboot: async (id) => done(await compute("POST", `zones/${zone}/instances/${id}/reset`)),
	remove: async (id) => done(await compute("DELETE", `zones/${zone}/instances/${id}`)),
});
