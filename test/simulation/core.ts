import type * as Runner from "../../src/controller/pass.ts";
import type * as Adopt from "../../src/core/adopt.ts";
import type * as Apply from "../../src/core/apply.ts";
import type * as Birth from "../../src/core/birth.ts";
import type * as Cost from "../../src/core/cost.ts";
import type * as MetricsModule from "../../src/core/metrics.ts";
import type * as PlanModule from "../../src/core/plan.ts";
import type * as Projection from "../../src/core/projection.ts";
import type * as Registration from "../../src/core/registration.ts";
import type * as Sessions from "../../src/core/sessions.ts";
import type * as Parts from "../../src/read-model/ledger.ts";

/** What of production runs in a simulation, unforked: these very modules, or a copy of them with a planted bug. */
export interface Core {
	readonly apply: typeof Apply.apply;
	readonly isAnothers: typeof Adopt.isAnothers;
	readonly plan: typeof PlanModule.plan;
	readonly pass: typeof Runner.pass;
	readonly rearm: typeof Runner.rearm;
	readonly take: typeof Runner.take;
	readonly mustArm: typeof Runner.mustArm;
	readonly newState: typeof Birth.newState;
	readonly judgeRegistration: typeof Registration.judgeRegistration;
	readonly judgeKey: typeof Registration.judgeKey;
	readonly projectionHash: typeof Projection.projectionHash;
	readonly summaryOf: typeof Projection.summaryOf;
	readonly samplesOf: typeof MetricsModule.samplesOf;
	readonly dropsFor: typeof Sessions.dropsFor;
	readonly openSessions: typeof Sessions.openSessions;
	readonly sessionsHash: typeof Sessions.sessionsHash;
	readonly withSessionsLoaded: typeof Sessions.withSessionsLoaded;
	readonly chargesLeft: typeof Cost.chargesLeft;
	readonly Ledger: typeof Parts.Ledger;
}

/** Loads the core from a folder laid out as `src`. */
export async function loadCore(folder: URL = new URL("../../src/", import.meta.url)): Promise<Core> {
	const load = async <T>(file: string): Promise<T> => (await import(new URL(file, folder).href)) as T;
	const [
		{ apply },
		{ plan },
		runner,
		{ newState },
		registration,
		projection,
		sessions,
		{ chargesLeft },
		{ Ledger },
		{ samplesOf },
		{ isAnothers },
	] = await Promise.all([
		load<typeof Apply>("core/apply.ts"),
		load<typeof PlanModule>("core/plan.ts"),
		load<typeof Runner>("controller/pass.ts"),
		load<typeof Birth>("core/birth.ts"),
		load<typeof Registration>("core/registration.ts"),
		load<typeof Projection>("core/projection.ts"),
		load<typeof Sessions>("core/sessions.ts"),
		load<typeof Cost>("core/cost.ts"),
		load<typeof Parts>("read-model/ledger.ts"),
		load<typeof MetricsModule>("core/metrics.ts"),
		load<typeof Adopt>("core/adopt.ts"),
	]);
	const { judgeRegistration, judgeKey } = registration;
	const { dropsFor, openSessions, sessionsHash, withSessionsLoaded } = sessions;
	const { projectionHash, summaryOf } = projection;
	return {
		apply,
		isAnothers,
		plan,
		pass: runner.pass,
		rearm: runner.rearm,
		take: runner.take,
		mustArm: runner.mustArm,
		newState,
		judgeRegistration,
		judgeKey,
		projectionHash,
		summaryOf,
		samplesOf,
		dropsFor,
		openSessions,
		sessionsHash,
		withSessionsLoaded,
		chargesLeft,
		Ledger,
	};
}
