import type { Provider } from "../providers/base/provider.ts";
import { ProviderError } from "../providers/base/provider.ts";
import type { World } from "./world.ts";

/** Deletes a VM: a proxy's, or one that no intent explains. */
export async function deleteVm({ vm }: { readonly vm: string }, _state: unknown, world: World): Promise<"accepted" | "gone"> {
	const provider: Provider = world.provider();
	try {
		await provider.delete(vm);
		return "accepted";
	} catch (error) {
		if (error instanceof ProviderError && error.failure.kind === "notFound") return "gone";
		throw error;
	}
}
