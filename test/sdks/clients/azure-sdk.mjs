import { ComputeManagementClient } from "@azure/arm-compute";
import { ClientSecretCredential } from "@azure/identity";
import { live, name, url, userData } from "./life.mjs";

const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: id, AZURE_CLIENT_SECRET: secret, AZURE_SUBSCRIPTION_ID: subscription } = process.env;
const credential = new ClientSecretCredential(tenant, id, secret, { authorityHost: url, disableInstanceDiscovery: true });
const { virtualMachines } = new ComputeManagementClient(credential, subscription, { endpoint: url });
const group = "smoke";
const location = "westeurope";
const soon = { updateIntervalInMs: 50 };

/** What a VM needs beside Microsoft.Compute is made by plain calls. */
async function put(path, version, body) {
	const { token } = await credential.getToken("https://management.azure.com/.default");
	const where = `${url}/subscriptions/${subscription}/resourceGroups/${group}${path}?api-version=${version}`;
	const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
	const answer = await fetch(where, { method: "PUT", headers, body: JSON.stringify({ location, ...body }) });
	if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
	return (await answer.json()).id;
}

await put("", "2021-04-01", {});
const network = await put("/providers/Microsoft.Network/virtualNetworks/net", "2022-11-01", {
	properties: {
		addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
		subnets: [{ name: "default", properties: { addressPrefix: "10.0.0.0/24" } }],
	},
});
const keyData = `ssh-ed25519 ${Buffer.concat([Buffer.from("\0\0\0\x0bssh-ed25519\0\0\0\x20", "latin1"), Buffer.alloc(32, 7)]).toString("base64")}`;

await live({
	async list() {
		const names = [];
		for await (const one of virtualMachines.listAll()) if (one.provisioningState !== "Deleting") names.push(one.name);
		return names;
	},
	async create() {
		// A network is made while it is answered for.
		await new Promise((resolve) => setTimeout(resolve, 500));
		const wanted = {
			location,
			hardwareProfile: { vmSize: "Standard_B1s" },
			storageProfile: {
				imageReference: { publisher: "Canonical", offer: "ubuntu-24_04-lts", sku: "server", version: "latest" },
				osDisk: { createOption: "FromImage", deleteOption: "Delete", managedDisk: { storageAccountType: "Standard_LRS" } },
			},
			osProfile: {
				computerName: name,
				adminUsername: "smoke",
				customData: Buffer.from(userData).toString("base64"),
				linuxConfiguration: {
					disablePasswordAuthentication: true,
					ssh: { publicKeys: [{ path: "/home/smoke/.ssh/authorized_keys", keyData }] },
				},
			},
			networkProfile: {
				networkApiVersion: "2022-11-01",
				networkInterfaceConfigurations: [
					{
						name: "nic",
						primary: true,
						deleteOption: "Delete",
						ipConfigurations: [
							{
								name: "ip",
								subnet: { id: `${network}/subnets/default` },
								publicIPAddressConfiguration: {
									name: "ip",
									sku: { name: "Standard" },
									deleteOption: "Delete",
									publicIPAllocationMethod: "Static",
								},
							},
						],
					},
				],
			},
		};
		const vm = await virtualMachines.createOrUpdate(group, name, wanted, soon);
		if (vm.provisioningState !== "Succeeded") throw new Error(`it is ${vm.provisioningState}`);
		return vm.name;
	},
	async show(vm) {
		const { statuses } = await virtualMachines.instanceView(group, vm);
		const { name: shown, networkProfile } = await virtualMachines.get(group, vm);
		const { token } = await credential.getToken("https://management.azure.com/.default");
		const nic = `${url}${networkProfile.networkInterfaces[0].id}?api-version=2022-11-01&$expand=ipConfigurations/publicIPAddress`;
		const { properties } = await (await fetch(nic, { headers: { authorization: `Bearer ${token}` } })).json();
		const address = properties.ipConfigurations[0].properties.publicIPAddress.properties.ipAddress;
		return { name: shown, isRunning: statuses.some(({ code }) => code === "PowerState/running"), address };
	},
	reboot: (vm) => virtualMachines.restart(group, vm, soon),
	remove: (vm) => virtualMachines.delete(group, vm, soon),
});
