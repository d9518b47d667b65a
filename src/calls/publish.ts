import type { EffectOf, ResultOf } from "../core/effects/index.ts";
import { summaryOf } from "../core/model/projection.ts";
import { drainingOf } from "../core/model/proxies.ts";
import type { EndedVm, LogEntry, State } from "../core/model/state.ts";
import { eventOf, kindOf } from "../core/model/told.ts";
import { ProviderError } from "../providers/base/provider.ts";
import type { Changes } from "../read-model/ledger.ts";
import type { EventRow, Publication } from "../read-model/publish.ts";
import type { World } from "./world.ts";

/** What D1 shows beside the summary and the log stays. */
const NOTHING_ELSE: Changes = {
	over: null,
	parts: [],
	partCount: Number.MAX_SAFE_INTEGER,
	proxies: [],
	existing: null,
	gone: [],
	cooling: null,
	acknowledge: () => undefined,
};

export async function publish({ version }: EffectOf<"publish">, state: State, world: World): Promise<ResultOf<"publish">> {
	// Whatever D1 was known to show, it may show something else.
	if (state.published.hash === "") world.ledger.doubt();
	// Of a pool whose proxies are not known the lists stay as they are.
	const { acknowledge, ...changes } = state.unreadable === null ? world.ledger.changes(state) : NOTHING_ELSE;
	// Until D1 has answered, nobody knows what it shows.
	world.ledger.doubt();
	const isHeld = await world.database.publish({
		object: state.pool.object,
		incarnation: state.pool.incarnation,
		version,
		now: world.now(),
		summary: { ...world.names(), ...summaryOf(state) },
		credentials: state.unreadable === null ? credentialsOf(state) : null,
		...changes,
		pool: `${state.pool.provider}/${state.pool.name}`,
		log: state.log,
		events: state.log.flatMap((entry) => eventRowOf(state, entry)),
		ended: state.ended.map((ended) => ({ ...ended, ...placeOf(state, ended, world) })),
	});
	if (isHeld === null) throw new ProviderError({ kind: "notFound", message: "the directory does not know the pool" });
	if (!isHeld) throw new ProviderError({ kind: "conflict", message: "another version is there" });
	acknowledge();
	const hidden = drainingOf(state.proxies).map(({ id, since }) => ({ id, since }));
	return { logSeq: state.logSeq, ended: state.ended.map(({ id }) => id), hidden };
}

function eventRowOf(state: State, entry: LogEntry): readonly EventRow[] {
	const kind = kindOf(entry);
	if (kind === null) return [];
	const { seq, at, severity, text } = entry;
	return [{ seq, at, severity, text, kind, proxy: eventOf(state, entry).proxy }];
}

/** Size and region that a VM was made with: the settings of now, where they are the same. */
function placeOf(
	state: State,
	{ account, place }: EndedVm,
	world: World,
): { readonly size: string | null; readonly region: string | null } {
	if (place !== null) return { size: place.size, region: place.region };
	if (account !== state.account) return { size: null, region: null };
	const { size, region } = world.names().settings;
	return { size: typeof size === "string" ? size : null, region: typeof region === "string" ? region : null };
}

function credentialsOf({ credentials }: State): Publication["credentials"] {
	return Object.fromEntries(credentials.map(({ version, username, password }) => [version, [username, password]]));
}
