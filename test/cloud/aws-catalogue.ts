import { createHash } from "node:crypto";

/** A part of what DescribeInstanceTypes and DescribeImages show. */
export type Architecture = "arm64" | "x86_64";

export const INSTANCE_TYPES: Readonly<
	Record<string, { readonly architecture: Architecture; readonly vcpus: number; readonly memoryMib: number; readonly isBurstable: boolean }>
> = {
	"t4g.nano": { architecture: "arm64", vcpus: 2, memoryMib: 512, isBurstable: true },
	"t4g.micro": { architecture: "arm64", vcpus: 2, memoryMib: 1024, isBurstable: true },
	"t3.nano": { architecture: "x86_64", vcpus: 2, memoryMib: 512, isBurstable: true },
	"t3.micro": { architecture: "x86_64", vcpus: 2, memoryMib: 1024, isBurstable: true },
	"m7g.medium": { architecture: "arm64", vcpus: 1, memoryMib: 4096, isBurstable: false },
	"c7i.large": { architecture: "x86_64", vcpus: 2, memoryMib: 4096, isBurstable: false },
};

export interface Image {
	readonly id: string;
	readonly name: string;
	readonly owner: string;
	readonly architecture: Architecture;
	readonly createdAt: string;
}

const CANONICAL = "099720109477";
const RELEASES = [
	["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04", "20250610"],
	["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04", "20251022"],
	["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04", "20250821"],
	["ubuntu/images/hvm-ssd/ubuntu-jammy-22.04", "20251030"],
] as const;

/** A region's images: the same names everywhere, and ids of each region's own. */
export function imagesOf(region: string): readonly Image[] {
	const canonical = RELEASES.flatMap(([family, date]) =>
		(["amd64", "arm64"] as const).map((word) => image(region, `${family}-${word}-server-${date}`, CANONICAL, word, date)),
	);
	// Anybody may name an image like Canonical's.
	const impostor = image(region, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20991231", "666666666666", "arm64", "20991231");
	return [...canonical, impostor];
}

function image(region: string, name: string, owner: string, word: "amd64" | "arm64", date: string): Image {
	const createdAt = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T03:04:05.000Z`;
	return { id: idOf("ami", `${region}/${owner}/${name}`), name, owner, architecture: word === "amd64" ? "x86_64" : "arm64", createdAt };
}

/** An id as EC2 makes them, always the same for the same text. */
export function idOf(kind: string, text: string): string {
	return `${kind}-0${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}

/** Filters' values may hold `*` and `?`. */
export function matches(pattern: string, text: string): boolean {
	const source = pattern
		.replace(/[.+^${}()|[\]\\]/g, "\\$&")
		.replaceAll("*", ".*")
		.replaceAll("?", ".");
	return new RegExp(`^${source}$`).test(text);
}
