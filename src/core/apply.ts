import { roomOf } from "./effects/index.ts";
import { refusedByAccount } from "./effects/room.ts";
import type { Event } from "./events.ts";
import { applyHeartbeat, applyRegistered, applyUnregistered } from "./facts/agents.ts";
import { budgeted } from "./facts/budget.ts";
import { applyCommand, applyCredentials, applyRolling, mended } from "./facts/commands.ts";
import { applyLineLost, applyLineOpened, applyLines } from "./facts/lines.ts";
import { withSeen } from "./facts/listing.ts";
import { bounded, MOST_WHY_CHARS } from "./model/bounds.ts";
import { withLog } from "./model/edit.ts";
import { pacesOf } from "./model/lines.ts";
import { mendedPlaces } from "./model/places.ts";
import { isAlike, type Ms, type State } from "./model/state.ts";
import { withCalls } from "./model/tally.ts";

/** What a cloud says stands in a reason behind what it is about. */
const MOST_SAY_CHARS = MOST_WHY_CHARS - 100;

/** Applies one fact to the state. It decides nothing: what follows from the fact is `plan`'s. */
export function apply(state: State, event: Event, now: Ms): State {
	switch (event.on) {
		case "command":
			return applyCommand(state, event.command, now);
		case "registered":
			return applyRegistered(state, event, now);
		case "heartbeat":
			return applyHeartbeat(state, event, now);
		case "lineOpened":
			return applyLineOpened(state, event.id, now);
		case "lineLost":
			return applyLineLost(state, event.id, event.aliveAt, now);
		case "lines":
			return applyLines(state, event, now);
		case "unregistered":
			return applyUnregistered(state, event.id, "its agent unregistered", now);
		case "sent":
			return roomOf(event.effect).sent?.(state, event.effect, now, event.tokenHash ?? null) ?? state;
		case "done":
			return roomOf(event.effect).done(withAnswers(state, event), event.effect, event.result, now, event.startedAt);
		case "failed": {
			const { effect, startedAt } = event;
			const failure = { ...event.failure, message: bounded(event.failure.message, MOST_SAY_CHARS) };
			return roomOf(effect).failed(refusedByAccount(withAnswers(state, event), effect, failure, now, startedAt), effect, failure, now);
		}
		case "fleet":
			return applyFleet(state, event);
		case "agentUrl":
			return event.url === state.agentUrl
				? state
				: withLog(
						{ ...state, agentUrl: event.url, breakers: mended(state.breakers), places: mendedPlaces(state.places) },
						now,
						"INFO",
						`agents call ${event.url}`,
					);
		case "rolling":
			return applyRolling(state, event, now);
		case "credentials":
			return applyCredentials(state, event, now);
		case "directory":
			return withSeen(state, event.seen, now);
		case "budget":
			return budgeted(state, event.budget, now);
		default:
			return event satisfies never;
	}
}

/** What the provider's answers say beside what was asked. */
function withAnswers(state: State, { rate, answers }: Event & { readonly on: "done" | "failed" }): State {
	const counted = answers === undefined ? state : withCalls(state, answers);
	return rate === undefined ? counted : { ...counted, rate };
}

/** The more proxies a deployment has, the longer its agents wait between reports: together they stay within their share of the plan. */
function applyFleet(state: State, { proxies, dailyRequests, allotted = null, deployments = [] }: Event & { readonly on: "fleet" }): State {
	const { heartbeat: heartbeatSeconds, line: lineSeconds } = pacesOf(proxies, dailyRequests, state.spec.intervalSeconds);
	const known = deployments.length === 0 ? state.deployments : deployments;
	const isPaceSame = heartbeatSeconds === state.heartbeatSeconds && lineSeconds === state.lineSeconds;
	const isSame = isPaceSame && isAlike(allotted, state.allotted) && isAlike(known, state.deployments);
	return isSame ? state : { ...state, heartbeatSeconds, lineSeconds, allotted, deployments: known };
}
