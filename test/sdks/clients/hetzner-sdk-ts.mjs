import { OpenAPI, ServerActionsService, ServersService } from "hetzner-sdk-ts";
import { live, name, url, userData } from "./life.mjs";

OpenAPI.BASE = `${url}/v1`;
OpenAPI.TOKEN = process.env.TOKEN;

await live({
	list: async () => (await ServersService.getServers({})).servers.map((one) => one.name),
	async create() {
		const requestBody = { name, server_type: "cx23", location: "nbg1", image: "ubuntu-24.04", user_data: userData };
		return (await ServersService.postServers({ requestBody })).server.id;
	},
	async show(id) {
		const { server } = await ServersService.getServers1({ id });
		return { name: server.name, isRunning: server.status === "running" && !server.locked, address: server.public_net.ipv4.ip };
	},
	reboot: (id) => ServerActionsService.postServersActionsReboot({ id }),
	remove: (id) => ServersService.deleteServers({ id }),
});
