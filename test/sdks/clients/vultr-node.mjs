import VultrNode from "@vultr/vultr-node";
import { live, name, url, userData } from "./life.mjs";

const { instances, plans } = VultrNode.initialize({ apiKey: process.env.TOKEN, baseUrl: `${url}/v2` });
/** What fails is no rejection there: the error is what the promise comes to. */
async function answerOf(call) {
	const answer = await call;
	if (answer instanceof Error) throw answer;
	return answer;
}

await live({
	list: async () => (await answerOf(instances.listInstances())).instances.map((one) => one.label),
	async create() {
		const plan = (await answerOf(plans.listPlans())).plans.find(({ id }) => id === "vc2-1c-1gb");
		const user_data = Buffer.from(userData).toString("base64");
		const wanted = { region: "ams", plan: plan.id, os_id: "2284", label: name, user_data, backups: "disabled" };
		return (await answerOf(instances.createInstance(wanted))).instance.id;
	},
	async show(id) {
		const { instance } = await answerOf(instances.getInstance({ "instance-id": id }));
		const isRunning = instance.status === "active" && instance.power_status === "running" && instance.server_status === "ok";
		return { name: instance.label, isRunning, address: instance.main_ip };
	},
	reboot: (id) => answerOf(instances.rebootInstance({ "instance-id": id })),
	remove: (id) => answerOf(instances.deleteInstance({ "instance-id": id })),
});
