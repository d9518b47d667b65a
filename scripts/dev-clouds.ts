import type { CloudName } from "../src/core/model/state.ts";
import { PROVIDERS } from "../src/providers/index.ts";
import type { DevAccount } from "../test/cloud/dialect.ts";

/** The cloud that `npm run dev` uses unless CLOUDS names others. */
const USUAL: CloudName = "digitalocean";

/** The clouds that the local cloud speaks for: all that Muster drives. */
export const LOCAL_CLOUDS: readonly CloudName[] = Object.keys(PROVIDERS);

/** The account there of a cloud; only the cloud that is asked for is loaded, since what is loaded at each start delays the first proxy. */
export async function localAccount(cloud: CloudName, mount: string): ReturnType<DevAccount> {
	const { devAccount } = (await import(`../test/cloud/${cloud}.ts`)) as { readonly devAccount: DevAccount };
	return devAccount(mount);
}

/** The clouds that CLOUDS names (`aws,hetzner`), each once; `all` are all of them. Throws where it names another, with what there is. */
export function cloudsAsked(text: string | undefined): readonly CloudName[] {
	const known = LOCAL_CLOUDS;
	const names = (text ?? "")
		.split(",")
		.map((name) => name.trim().toLowerCase())
		.filter((name) => name !== "");
	if (names.length === 0) return [USUAL];
	if (names.includes("all")) return known;
	const unknown = names.find((name) => !known.some((cloud) => cloud === name));
	if (unknown !== undefined) throw new Error(`CLOUDS names '${unknown}'; there are ${known.join(", ")}, and all.`);
	return known.filter((cloud) => names.includes(cloud));
}
