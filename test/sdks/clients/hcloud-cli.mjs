import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { live, name, url, userData } from "./life.mjs";

/** Hetzner's own program; it takes its token and the address from the environment. */
const env = { ...process.env, HCLOUD_TOKEN: process.env.TOKEN, HCLOUD_ENDPOINT: `${url}/v1`, HOME: process.env.SCRATCH };
const hcloud = async (...words) => (await promisify(execFile)(process.env.HCLOUD, words, { env })).stdout;
const shown = async (id) => JSON.parse(await hcloud("server", "describe", id, "-o", "json"));
const file = join(process.env.SCRATCH, "user-data");
writeFileSync(file, userData);

await live({
	list: async () => (await hcloud("server", "list", "-o", "noheader", "-o", "columns=name")).split("\n").filter(Boolean),
	async create() {
		await hcloud(
			"server",
			"create",
			"--name",
			name,
			"--type",
			"cx23",
			"--image",
			"ubuntu-24.04",
			"--location",
			"nbg1",
			"--user-data-from-file",
			file,
		);
		return name;
	},
	async show(id) {
		const server = await shown(id);
		return { name: server.name, isRunning: server.status === "running", address: server.public_net.ipv4.ip };
	},
	reboot: (id) => hcloud("server", "reboot", id),
	remove: (id) => hcloud("server", "delete", id),
});
