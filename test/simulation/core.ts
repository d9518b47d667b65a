import type * as Calls from "../../src/calls/index.ts";
import type * as AgentLinesModule from "../../src/controller/agent-lines.ts";
import type * as Codec from "../../src/controller/codec.ts";
import type * as ControllerModule from "../../src/controller/controller.ts";
import type * as LinesModule from "../../src/controller/lines.ts";
import type * as MetersModule from "../../src/core/model/meters.ts";
import type * as MetricsModule from "../../src/core/model/metrics.ts";
import type * as Projection from "../../src/core/model/projection.ts";
import type * as StateModule from "../../src/core/model/state.ts";
import type * as PlanModule from "../../src/core/plan.ts";
import type * as AllotmentsModule from "../../src/d1/allotments.ts";
import type * as ProviderModule from "../../src/providers/base/provider.ts";
import type * as LedgerModule from "../../src/read-model/ledger.ts";

/** What of production runs in a simulation, unforked: these very modules, or the same with a planted bug. */
export interface Core {
	readonly Controller: typeof ControllerModule.Controller;
	readonly Lines: typeof LinesModule.Lines;
	readonly AgentLines: typeof AgentLinesModule.AgentLines;
	readonly decode: typeof Codec.decode;
	readonly carryOut: typeof Calls.carryOut;
	readonly Ledger: typeof LedgerModule.Ledger;
	readonly ProviderError: typeof ProviderModule.ProviderError;
	readonly plan: typeof PlanModule.plan;
	readonly projectionHash: typeof Projection.projectionHash;
	readonly summaryOf: typeof Projection.summaryOf;
	readonly samplesOf: typeof MetricsModule.samplesOf;
	readonly metersOf: typeof MetersModule.metersOf;
	readonly fieldsStored: typeof StateModule.fieldsStored;
	readonly isAlike: typeof StateModule.isAlike;
	readonly allotments: Pick<typeof AllotmentsModule, "reserveStatements" | "heldOf" | "allottedStatement" | "leaveStatements">;
}

/** Loads the core; `mark` is {@link PLANTED} for the one that has a bug. */
export async function loadCore(mark = ""): Promise<Core> {
	const sources = new URL("../../src/", import.meta.url);
	const load = async <T>(file: string): Promise<T> => (await import(new URL(file, sources).href + mark)) as T;
	const [
		{ Controller },
		{ Lines },
		{ AgentLines },
		{ decode },
		{ carryOut },
		{ Ledger },
		{ ProviderError },
		{ plan },
		{ projectionHash, summaryOf },
		{ samplesOf },
		{ metersOf },
		{ fieldsStored, isAlike },
		allotments,
	] = await Promise.all([
		load<typeof ControllerModule>("controller/controller.ts"),
		load<typeof LinesModule>("controller/lines.ts"),
		load<typeof AgentLinesModule>("controller/agent-lines.ts"),
		load<typeof Codec>("controller/codec.ts"),
		load<typeof Calls>("calls/index.ts"),
		load<typeof LedgerModule>("read-model/ledger.ts"),
		load<typeof ProviderModule>("providers/base/provider.ts"),
		load<typeof PlanModule>("core/plan.ts"),
		load<typeof Projection>("core/model/projection.ts"),
		load<typeof MetricsModule>("core/model/metrics.ts"),
		load<typeof MetersModule>("core/model/meters.ts"),
		load<typeof StateModule>("core/model/state.ts"),
		load<typeof AllotmentsModule>("d1/allotments.ts"),
	]);
	return {
		Controller,
		Lines,
		AgentLines,
		decode,
		carryOut,
		Ledger,
		ProviderError,
		plan,
		projectionHash,
		summaryOf,
		samplesOf,
		metersOf,
		fieldsStored,
		isAlike,
		allotments,
	};
}
