import type { EffectOf, ResultOf } from "../core/effects/index.ts";
import { summaryOf } from "../core/model/projection.ts";
import type { State } from "../core/model/state.ts";
import { ProviderError } from "../providers/base/provider.ts";
import type { World } from "./world.ts";

export async function publish({ version }: EffectOf<"publish">, state: State, world: World): Promise<ResultOf<"publish">> {
	// Whatever D1 was known to show, it may show something else.
	if (state.published.hash === "") world.ledger.doubt();
	const { acknowledge, ...changes } = world.ledger.changes(state);
	// Until D1 has answered, nobody knows what it shows.
	world.ledger.doubt();
	const isHeld = await world.database.publish({
		object: state.pool.object,
		incarnation: state.pool.incarnation,
		version,
		now: world.now(),
		summary: { ...world.names(), ...summaryOf(state) },
		credentials: Object.fromEntries(state.credentials.map(({ version, username, password }) => [version, [username, password]])),
		...changes,
		log: state.log,
	});
	if (isHeld === null) throw new ProviderError({ kind: "notFound", say: "the directory does not know the pool" });
	if (!isHeld) throw new ProviderError({ kind: "conflict", say: "another version is there" });
	acknowledge();
	return { logSeq: state.logSeq };
}
