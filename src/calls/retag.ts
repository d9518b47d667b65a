import { type Provider, ProviderError } from "../providers/base/provider.ts";

/** Whether the driver can put tags on VMs and take them off. */
export function canRetag(provider: Provider): boolean {
	return provider.get !== undefined && provider.retag !== undefined;
}

/** What changes the tags of VMs. Throws a ProviderError where the cloud cannot. */
export function retagging(provider: Provider): Required<Pick<Provider, "get" | "retag">> {
	const { get, retag } = provider;
	if (get === undefined || retag === undefined)
		throw new ProviderError({ kind: "conflict", message: "this cloud cannot change a VM's tags" });
	return { get: get.bind(provider), retag: retag.bind(provider) };
}
