import { createApiClient } from "dots-wrapper";
import { live, name, url, userData } from "./life.mjs";

const { droplet } = createApiClient({ token: process.env.TOKEN, endpoint: `${url}/v2` });

await live({
	list: async () => (await droplet.listDroplets({ per_page: 200 })).data.droplets.map((one) => one.name),
	async create() {
		const wanted = {
			name,
			region: "lon1",
			size: "s-1vcpu-512mb-10gb",
			image: "ubuntu-24-04-x64",
			user_data: userData,
			ssh_keys: [],
			tags: ["t"],
		};
		return (await droplet.createDroplet(wanted)).data.droplet.id;
	},
	async show(droplet_id) {
		const { name: shown, status, networks } = (await droplet.getDroplet({ droplet_id })).data.droplet;
		return { name: shown, isRunning: status === "active", address: networks.v4.find(({ type }) => type === "public")?.ip_address };
	},
	reboot: (droplet_id) => droplet.rebootDroplet({ droplet_id }),
	remove: (droplet_id) => droplet.deleteDroplet({ droplet_id }),
});
