import { baseRequest, createLinode, deleteLinode, getLinode, getLinodes, getLinodeTypes, linodeReboot, setToken } from "@linode/api-v4";
import { live, name, url, userData } from "./life.mjs";

setToken(process.env.TOKEN);
// It knows one address, whose host is put before each path there.
baseRequest.interceptors.request.use((request) => ({ ...request, url: request.url.replace("https://api.linode.com", url) }));

await live({
	list: async () => (await getLinodes({ page_size: 25 })).data.map(({ label }) => label),
	async create() {
		const { id: type } = (await getLinodeTypes()).data.find(({ class: kind }) => kind === "nanode");
		const metadata = { user_data: Buffer.from(userData).toString("base64") };
		const wanted = { region: "eu-central", type, image: "linode/debian12", label: name, root_pass: "Correct-Horse-9-Battery", metadata };
		return (await createLinode(wanted)).id;
	},
	async show(id) {
		const { label, status, ipv4 } = await getLinode(id);
		return { name: label, isRunning: status === "running", address: ipv4[0] };
	},
	reboot: (id) => linodeReboot(id),
	remove: (id) => deleteLinode(id),
});
