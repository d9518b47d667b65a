/** Every effect, in the order of a pass: what costs money goes first. A new one is named here, once. */
import { adopt } from "./adopt.ts";
import { assist } from "./assist.ts";
import { create } from "./create.ts";
import { deleteVm } from "./delete.ts";
import { deleteOrphan } from "./delete-orphan.ts";
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
import type { Room } from "./room.ts";
import { share } from "./share.ts";

export const EFFECTS = [
	deleteVm,
	deleteOrphan,
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
] as const;

type OfRoom<One> = One extends Room<infer Effect, infer Result> ? { readonly effect: Effect; readonly result: Result } : never;
type Rooms = OfRoom<(typeof EFFECTS)[number]>;

/** Something to do in the world. */
export type Effect = Rooms["effect"];
export type Call = Effect["call"];
export type EffectOf<Name extends Call> = Extract<Effect, { readonly call: Name }>;
/** What comes of it when it is done. */
export type ResultOf<Name extends Call> = Extract<Rooms, { readonly effect: { readonly call: Name } }>["result"];

const BY_CALL = new Map<Call, Room<Effect, unknown>>(EFFECTS.map((room) => [room.call, room as unknown as Room<Effect, unknown>]));

export function roomOf({ call }: Effect): Room<Effect, unknown> {
	const room = BY_CALL.get(call);
	if (room === undefined) throw new Error(`there is no effect "${call}"`);
	return room;
}
