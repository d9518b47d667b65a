import { createClient, Instancev1 } from "@scaleway/sdk";
import { live, name, url, userData } from "./life.mjs";

// Keys and project come from the environment.
const { SCW_ACCESS_KEY: accessKey, SCW_SECRET_KEY: secretKey, SCW_DEFAULT_PROJECT_ID: defaultProjectId } = process.env;
const client = createClient({ accessKey, secretKey, defaultProjectId, defaultZone: "nl-ams-1", apiURL: url });
const api = new Instancev1.API(client);
const soon = { minDelay: 1, maxDelay: 1, timeout: 20 };

await live({
	list: async () => (await api.listServers().all()).map((one) => one.name),
	async create() {
		const { server } = await api.createServer({
			name,
			commercialType: "DEV1-S",
			image: "ubuntu_noble",
			dynamicIpRequired: true,
			protected: false,
		});
		await api.setServerUserData({ serverId: server.id, key: "cloud-init", content: new Blob([userData], { type: "text/plain" }) });
		await api.serverActionAndWait({ serverId: server.id, action: "poweron" }, soon);
		return server.id;
	},
	async show(serverId) {
		const { server } = await api.getServer({ serverId });
		if (!(server.creationDate instanceof Date)) throw new Error("the creation date is none");
		return { name: server.name, isRunning: server.state === "running", address: server.publicIps[0]?.address };
	},
	reboot: (serverId) => api.serverActionAndWait({ serverId, action: "reboot" }, soon),
	remove: (serverId) => api.serverAction({ serverId, action: "terminate" }),
});
