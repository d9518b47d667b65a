import { PROVIDERS } from "../src/providers/index.ts";

/** What is left of a deployment without VMs, and how it goes: a line each, for its Worker and for each of these clouds. */
export function leftBehind(origin: string, clouds: readonly string[]): string {
	const { hostname } = new URL(origin);
	const worker = hostname.endsWith(".workers.dev") ? (hostname.split(".")[0] ?? "") : "<its name>";
	const lines = [
		["Worker", `npx wrangler delete --name ${worker}`],
		["database", `npx wrangler d1 delete ${worker}`],
		...clouds.flatMap((cloud) => (Object.hasOwn(PROVIDERS, cloud) ? [[cloud, PROVIDERS[cloud]?.leavesBehind]] : [])),
	];
	return lines.map(([what = "", how = ""]) => `  ${what.padEnd(13)} ${how}`).join("\n");
}
