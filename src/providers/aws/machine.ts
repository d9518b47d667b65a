import { isFailure } from "../base/failures.ts";
import { ProviderError, type Retired } from "../base/provider.ts";
import { allPages } from "../base/rest.ts";
import { retiredUnless } from "../base/retired.ts";
import { type Call, filters, type Parameters } from "./api.ts";
import type { Xml } from "./xml.ts";

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
	const types = await call("DescribeInstanceTypes", { InstanceType: [size] }, typesOf);
	const type = types[0];
	if (type === undefined) throw new ProviderError({ kind: "invalid", message: `AWS: the region has no instance type ${size}` });
	const { isBurstable, architectures } = type;
	return { image: ami ?? (await newestUbuntu(call, size, architectures)), isBurstable };
}

/**
 * What the region does not have any more of type and image (null: Canonical's). Types are looked for by a filter, which may have `*` and refuses no name that there is
 * not: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html. Where the type is there, that is one small answer; the whole list has some MB.
 */
export async function retiredParts(call: Call, size: string, ami: string | null): Promise<readonly Retired[]> {
	const type = (await typesLike(call, size))[0];
	const family = size.split(".")[0] ?? size;
	const alike = async () => {
		const same = await typesLike(call, `${family}.*`);
		return same.length > 0 ? same : typesLike(call, `${family.slice(0, 1)}*`);
	};
	const gone =
		type === undefined
			? retiredUnless(
					"size",
					size,
					(await alike()).map(({ name }) => name),
				)
			: [];
	return [...gone, ...(await retiredImage(call, type, ami))];
}

/** One that is not there, or is there and cannot be launched any more: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html (`imageState`) */
async function retiredImage(call: Call, type: InstanceType | undefined, ami: string | null): Promise<readonly Retired[]> {
	const ubuntu = async (): Promise<string | null> => {
		try {
			return type === undefined ? null : await newestUbuntu(call, type.name, type.architectures);
		} catch (error) {
			if (isFailure(error, "invalid")) return null;
			throw error;
		}
	};
	if (ami === null)
		return type === undefined || (await ubuntu()) !== null ? [] : [{ what: "image", name: "Ubuntu 24.04 of Canonical's", nearest: null }];
	try {
		const states = await call("DescribeImages", { ImageId: [ami] }, (answer) =>
			answer.items("imagesSet").map((image) => image.text("imageState")),
		);
		if (states.includes("available")) return [];
	} catch (error) {
		// The id is no image's (`NotFound`), or that of one that is gone (`Unavailable`): https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-error-codes.html
		if (!(error instanceof ProviderError && /^InvalidAMIID\.(NotFound|Unavailable)$/.test(error.code ?? ""))) throw error;
	}
	return [{ what: "image", name: ami, nearest: await ubuntu() }];
}

interface InstanceType {
	readonly name: string;
	readonly isBurstable: boolean;
	readonly architectures: readonly string[];
}

function typesOf(answer: Xml): InstanceType[] {
	return answer.items("instanceTypeSet").map((type) => ({
		name: type.need("instanceType"),
		isBurstable: type.text("burstablePerformanceSupported") === "true",
		architectures: type.items("processorInfo", "supportedArchitectures").map((item) => item.need()),
	}));
}

function typesLike(call: Call, pattern: string): Promise<InstanceType[]> {
	const query: Parameters = { ...filters({ "instance-type": pattern }), MaxResults: 100 };
	return allPages<InstanceType>("AWS: the pages of DescribeInstanceTypes", null, (token) =>
		call("DescribeInstanceTypes", token === null ? query : { ...query, NextToken: token }, (page) => ({
			items: typesOf(page),
			next: page.text("nextToken"),
		})),
	);
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
