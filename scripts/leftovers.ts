import { PROVIDERS } from "../src/providers/index.ts";

/** What of `GET /providers` is looked at here. */
export interface Providers {
	/** VMs that exist, or may. */
	readonly vms: number;
	/** These, and those that are gone and whose begun hour, or minute, is still charged. */
	readonly billed: number;
	readonly providers: Readonly<Record<string, { readonly instances: Readonly<Record<string, { readonly problems?: readonly string[] }>> }>>;
	/** Pools that were deleted before, and whose VMs are not all gone yet. (Missing at an earlier version.) */
	readonly removing?: readonly { readonly provider: string; readonly instance: string; readonly problems: readonly string[] }[];
}

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

/** Why VMs are left, a sentence each with the pool that says it. */
export function reasonsIn(seen: Providers | null): readonly string[] {
	const kept = Object.entries(seen?.providers ?? {}).flatMap(([provider, { instances }]) =>
		Object.entries(instances).flatMap(([name, { problems = [] }]) => problems.map((text) => `${provider}/${name}: ${text}`)),
	);
	const removed = (seen?.removing ?? []).flatMap(({ provider, instance, problems }) =>
		problems.map((text) => `${provider}/${instance}, which is being removed: ${text}`),
	);
	return [...kept, ...removed];
}
