import { ProviderError } from "../base/provider.ts";
import { type Call, filters } from "./api.ts";

/** What a region's catalogue says of an instance type, and the image that fits it. */
export interface Machine {
	readonly image: string;
	/** It has CPU credits, and would by default buy more than it earns. */
	readonly isBurstable: boolean;
}

/** Canonical's account, which owns Ubuntu's images: https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/ */
const CANONICAL = "099720109477";

/** Two calls that only read; `ami` null: the newest Ubuntu 24.04 for the type's architecture. */
export async function findMachine(call: Call, size: string, ami: string | null): Promise<Machine> {
	const types = await call("DescribeInstanceTypes", { InstanceType: [size] }, (answer) =>
		answer.items("instanceTypeSet").map((type) => ({
			isBurstable: type.text("burstablePerformanceSupported") === "true",
			architectures: type.items("processorInfo", "supportedArchitectures").map((item) => item.need()),
		})),
	);
	const type = types[0];
	if (type === undefined) throw new ProviderError({ kind: "invalid", message: `AWS: the region has no instance type ${size}` });
	const { isBurstable, architectures } = type;
	return { image: ami ?? (await newestUbuntu(call, size, architectures)), isBurstable };
}

async function newestUbuntu(call: Call, size: string, architectures: readonly string[]): Promise<string> {
	const architecture = architectures.find((name) => name === "arm64" || name === "x86_64");
	if (architecture === undefined)
		throw new ProviderError({ kind: "invalid", message: `AWS: Ubuntu has no image for ${size}: set AWS_AMI` });
	const name = `ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-${architecture === "arm64" ? "arm64" : "amd64"}-server-*`;
	const images = await call("DescribeImages", { Owner: [CANONICAL], ...filters({ name, architecture, state: "available" }) }, (answer) =>
		answer.items("imagesSet").map((image) => ({ id: image.need("imageId"), madeAt: image.need("creationDate") })),
	);
	// Times in ISO 8601, so that their order is that of their texts.
	const newest = [...images].sort((a, b) => (a.madeAt < b.madeAt ? 1 : -1))[0];
	if (newest === undefined) {
		throw new ProviderError({ kind: "invalid", message: `AWS: the region has no image ${name} of Canonical's: set AWS_AMI` });
	}
	return newest.id;
}
