import {
	DescribeImagesCommand,
	DescribeInstancesCommand,
	EC2Client,
	paginateDescribeInstances,
	RebootInstancesCommand,
	RunInstancesCommand,
	TerminateInstancesCommand,
	waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import { live, name, url, userData } from "./life.mjs";

// Region and credentials come from the environment.
const client = new EC2Client({ endpoint: url });
const alive = [{ Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped", "shutting-down"] }];
const nameOf = ({ Tags = [] }) => Tags.find(({ Key }) => Key === "Name")?.Value ?? "";

await live({
	async list() {
		const names = [];
		for await (const { Reservations = [] } of paginateDescribeInstances({ client }, { Filters: alive })) {
			names.push(...Reservations.flatMap(({ Instances = [] }) => Instances.map(nameOf)));
		}
		return names;
	},
	async create() {
		const filters = [
			{ Name: "name", Values: ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"] },
			{ Name: "state", Values: ["available"] },
		];
		const { Images = [] } = await client.send(new DescribeImagesCommand({ Owners: ["099720109477"], Filters: filters }));
		const newest = Images.sort((a, b) => a.CreationDate.localeCompare(b.CreationDate)).at(-1);
		const { Instances } = await client.send(
			new RunInstancesCommand({
				MinCount: 1,
				MaxCount: 1,
				ImageId: newest.ImageId,
				InstanceType: "t4g.nano",
				UserData: Buffer.from(userData).toString("base64"),
				TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: name }] }],
				BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { VolumeSize: 8, VolumeType: "gp3", DeleteOnTermination: true } }],
			}),
		);
		return Instances[0].InstanceId;
	},
	async show(id) {
		const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
		const [instance] = Reservations[0].Instances;
		if (!(instance.LaunchTime instanceof Date)) throw new Error("the launch time is none");
		const isRunning = instance.State.Name === "running";
		// An instance that runs has an interface with that address, and a disk.
		const address = instance.NetworkInterfaces[0]?.Association?.PublicIp;
		if (isRunning && !(instance.BlockDeviceMappings[0]?.Ebs?.VolumeId && address === instance.PublicIpAddress)) {
			throw new Error(`it has no disk or no address: ${JSON.stringify(instance)}`);
		}
		return { name: nameOf(instance), isRunning, address };
	},
	reboot: (id) => client.send(new RebootInstancesCommand({ InstanceIds: [id] })),
	async remove(id) {
		await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
		await waitUntilInstanceTerminated({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { InstanceIds: [id] });
		const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
		const { StateReason } = Reservations[0].Instances[0];
		if (StateReason?.Code !== "Client.UserInitiatedShutdown")
			throw new Error(`it does not say why it ended: ${JSON.stringify(StateReason)}`);
	},
});
