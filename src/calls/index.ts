/** How each effect is carried out: a file each. A new one is named here, once. */
import type { Call, Effect, EffectOf, ResultOf } from "../core/effects/index.ts";
import type { Outcome } from "../core/events.ts";
import type { Failure } from "../core/model/failure.ts";
import type { State } from "../core/model/state.ts";
import { ProviderError } from "../providers/base/provider.ts";
import { adopt } from "./adopt.ts";
import { assist } from "./assist.ts";
import { create } from "./create.ts";
import { deleteVm } from "./delete.ts";
import { enter } from "./enter.ts";
import { find } from "./find.ts";
import { finish } from "./finish.ts";
import { firewall } from "./firewall.ts";
import { forget } from "./forget.ts";
import { list } from "./list.ts";
import { measure } from "./measure.ts";
import { price } from "./price.ts";
import { probe } from "./probe.ts";
import { probeStatic } from "./probe-static.ts";
import { publish } from "./publish.ts";
import { release } from "./release.ts";
import { reserve } from "./reserve.ts";
import { restart } from "./restart.ts";
import { retired } from "./retired.ts";
import { share } from "./share.ts";
import type { World } from "./world.ts";

type CarryOut<Name extends Call> = (effect: EffectOf<Name>, state: State, world: World) => Promise<ResultOf<Name>>;

const CALLS: { readonly [Name in Call]: CarryOut<Name> } = {
	delete: deleteVm,
	deleteOrphan: deleteVm,
	adopt,
	release,
	find,
	enter,
	publish,
	reserve,
	firewall,
	list,
	price,
	finish,
	create,
	restart,
	probe,
	probeStatic,
	forget,
	measure,
	assist,
	share,
	retired,
};

/** Does one effect in the world and returns the fact that came of it. Never throws: a failure is a fact. */
export async function carryOut(effect: Effect, state: State, world: World): Promise<Outcome> {
	const startedAt = world.now();
	let outcome: Outcome;
	try {
		const result = await (CALLS[effect.call] as CarryOut<Call>)(effect as never, state, world);
		outcome = { on: "done", effect, result, startedAt } as Outcome;
	} catch (error) {
		// What a cloud says is told by its sentence; of all else the message alone could hide a fault of our own.
		if (!(error instanceof ProviderError)) world.tell(`the call "${effect.call}" failed`, error);
		outcome = { on: "failed", effect, failure: failureOf(effect, error), startedAt };
	}
	const rate = world.takeRate();
	const answers = world.takeAnswers();
	const counted = Object.keys(answers).length === 0 ? outcome : { ...outcome, answers };
	return rate === null ? counted : { ...counted, rate };
}

/** An error that is no provider's leaves open whether a VM was made. */
function failureOf({ call }: Effect, error: unknown): Failure {
	if (error instanceof ProviderError) return error.failure;
	const message = error instanceof Error ? error.message : "it failed without a reason";
	return { kind: call === "create" || call === "finish" ? "unknown" : "transient", message };
}
