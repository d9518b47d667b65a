/** Slips of what runs the plans: what goes out when, what is stored before it does, and when the pool looks again. */
import * as PassModule from "../../../src/controller/pass.ts";
import * as CreateRoom from "../../../src/core/effects/create.ts";
import * as DeleteRoom from "../../../src/core/effects/delete.ts";
import * as RoomModule from "../../../src/core/effects/room.ts";
import type { Ms } from "../../../src/core/model/state.ts";
import * as PlanModule from "../../../src/core/plan.ts";
import * as DraftModule from "../../../src/core/planning/draft.ts";
import { type Bug, plant } from "../planting.ts";

const DAY = 86_400_000;

export const PASS: readonly Bug[] = [
	{
		name: "skip the intent: a create goes out unrecorded",
		plants: [plant(CreateRoom, "create", (create) => ({ ...create, sent: (state) => state }))],
	},
	{
		name: "do not record a delete before it goes out",
		plants: [plant(DeleteRoom, "deleteVm", (deleteVm) => ({ ...deleteVm, isMutating: false }))],
	},
	{
		name: "forget when the next deadline is",
		plants: [plant(PlanModule, "plan", (plan) => (state, now, random) => ({ ...plan(state, now, random), wakeAt: now + DAY }))],
	},
	{
		name: "take a plan that changed something for the last word",
		plants: [
			plant(PlanModule, "plan", (plan) => (state, now, random) => {
				const planned = plan(state, now, random);
				return { ...planned, isFinal: planned.isFinal || planned.state !== state };
			}),
		],
		focus: ["databaseOut"],
	},
	{
		name: "arm an interval ahead though something is due earlier",
		plants: [plant(PlanModule, "dueAt", () => (state, now) => now + state.spec.intervalSeconds * 1000)],
	},
	{
		name: "wake for a deadline that has passed",
		plants: [
			plant(
				DraftModule,
				"Draft",
				(Draft) =>
					class extends Draft {
						override wake(at: Ms): void {
							if (at < this.wakeAt) this.wakeAt = at;
						}
					},
			),
		],
	},
	{
		name: "overwrite an earlier alarm",
		plants: [plant(PassModule, "mustArm", () => (armedAt, at) => armedAt !== at)],
	},
	{
		name: "arm for what is due now, while the handler was called for now",
		plants: [plant(PassModule, "alarmTime", () => (at, now) => Math.max(at, now))],
	},
	{
		name: "arm for later as soon as a pass begins",
		plants: [
			plant(PassModule, "pass", (pass) => (ports, callsAPass) => {
				const state = ports.load();
				ports.commit(state, state, ports.now() + 3_600_000);
				return pass(ports, callsAPass);
			}),
		],
		focus: ["evicted"],
	},
	{
		name: "arm no alarm after a pass with nothing to do",
		plants: [
			plant(PassModule, "pass", (pass) => (ports, callsAPass) => {
				const atOnce = (wakeAt: Ms | null) => (wakeAt !== null && wakeAt <= ports.now() ? wakeAt : null);
				return pass({ ...ports, commit: (before, after, wakeAt) => ports.commit(before, after, atOnce(wakeAt)) }, callsAPass);
			}),
		],
	},
	{
		name: "wait for all that is under way before anything else goes out",
		plants: [
			plant(PassModule, "pass", (pass) => (ports, callsAPass) => {
				let underWay = 0;
				const wait = async (ms: Ms) => {
					do await ports.bell.wait(underWay > 0 ? Number.POSITIVE_INFINITY : ms);
					while (underWay > 0);
				};
				const call: typeof ports.call = async (effect, state) => {
					underWay++;
					try {
						return await ports.call(effect, state);
					} finally {
						underWay--;
					}
				};
				return pass({ ...ports, call, bell: { ring: () => ports.bell.ring(), wait } }, callsAPass);
			}),
		],
		focus: ["createsHang", "agentDies", "vmStopped"],
	},
	{
		name: "go on with a pass after its first 429",
		plants: [
			plant(RoomModule, "isOpen", () => () => true),
			plant(RoomModule, "isReachable", () => () => true),
			plant(RoomModule, "isRich", (_isRich, { hasQuota }) => hasQuota),
		],
		focus: ["rateLimited"],
	},
	{
		name: "use up an account's calls, and leave none for deletes",
		plants: [plant(RoomModule, "hasQuota", () => () => true), plant(RoomModule, "isRich", (_isRich, { isReachable }) => isReachable)],
		provider: "hetzner",
	},
	{
		name: "ignore Retry-After",
		plants: [
			plant(RoomModule, "refusedByAccount", (refusedByAccount) => (state, effect, { retryAt: _, ...failure }, now, startedAt) => {
				return refusedByAccount(state, effect, failure, now, startedAt);
			}),
		],
	},
];
