import { applyProbed, applyRegistered, applyUnregistered } from "./agents.ts";
import { budgeted, reserved } from "./budget.ts";
import { applyCommand, applyRolling } from "./commands.ts";
import { withStrayCharge } from "./cost.ts";
import { absenceCountsFrom } from "./count.ts";
import { withLog, withProxy, withVitals } from "./edit.ts";
import type { Event } from "./events.ts";
import { OPEN } from "./gates.ts";
import { applyFound, applyListed, sighted } from "./inventory.ts";
import { HEARTBEAT_SHARE } from "./limits.ts";
import { reportedMetrics } from "./metrics.ts";
import { applyAccepted, applyFailed, applyPublished, applySent } from "./outcomes.ts";
import { priced } from "./pricing.ts";
import { sessionsShown, withSessions } from "./sessions.ts";
import type { Ms, Rate, State } from "./state.ts";
import { staticProbed } from "./statics.ts";

/** Folds one fact into the state. It decides nothing: what follows from the fact is `plan`'s. */
export function apply(state: State, event: Event, now: Ms): State {
	const known = "rate" in event && event.rate !== undefined ? { ...state, rate: event.rate satisfies Rate } : state;
	switch (event.on) {
		case "command":
			return applyCommand(known, event.command, now);
		case "registered":
			return applyRegistered(known, event, now);
		case "heartbeat": {
			const proxy = known.proxies.get(event.id);
			if (proxy === undefined) return known;
			const metrics = reportedMetrics(event.metrics);
			const reported = withSessions(known, event.id, event.sessions, event.active);
			const heard = withVitals(reported, event.id, { heardAt: now, active: event.active, reportedAt: now, metrics, metricsAt: now });
			return proxy.credentials === event.credentials ? heard : withProxy(heard, { ...proxy, credentials: event.credentials });
		}
		case "unregistered":
			return applyUnregistered(known, event.id, "its agent unregistered", now);
		case "sent":
			return applySent(known, event.effect, event.tokenHash ?? null, now);
		case "created": {
			const proxy = known.proxies.get(event.id);
			if (proxy?.phase.at !== "launching" || proxy.phase.sentAt === null) return known;
			return sighted(answered(known, now, "launch"), proxy, event.vm, now);
		}
		case "adopted": {
			const proxy = known.proxies.get(event.id);
			return proxy?.phase.at === "adopting" ? sighted(answered(known, now), proxy, event.vm, now) : known;
		}
		case "found":
			return applyFound(answered(known, now), event, now);
		case "accepted":
			return applyAccepted(answered(known, now), event.effect, now);
		case "gone": {
			const proxy = known.proxies.get(event.id);
			if (proxy?.phase.at !== "deleting") return known;
			return withProxy(answered(known, now), { ...proxy, absentAt: now, retryAt: Math.max(now, absenceCountsFrom(known, proxy)) });
		}
		case "strayGone": {
			const strays = new Map(known.strays);
			return strays.delete(event.vm) ? { ...withStrayCharge(answered(known, now), now), strays } : known;
		}
		case "listed":
			return applyListed(answered(known, now, "list"), event.vms, event.startedAt, now);
		case "probed":
			return applyProbed(known, event, now);
		case "staticProbed":
			return staticProbed(known, event, now);
		case "failed":
			return applyFailed(known, event.effect, event.failure, now);
		case "published":
			return applyPublished(known, event, now);
		case "sessionsShown":
			return sessionsShown(known, event.hash);
		case "fleet": {
			const perDay = (86_400 * event.proxies) / (event.dailyRequests * HEARTBEAT_SHARE);
			const heartbeatSeconds = Math.max(known.spec.intervalSeconds, Math.ceil(perDay));
			const leased = event.leased ?? null;
			const isSame = heartbeatSeconds === known.heartbeatSeconds && JSON.stringify(leased) === JSON.stringify(known.leased);
			return isSame ? known : { ...known, heartbeatSeconds, leased };
		}
		case "agentUrl":
			return event.url === known.agentUrl ? known : withLog({ ...known, agentUrl: event.url }, now, "INFO", `agents call ${event.url}`);
		case "rolling":
			return applyRolling(known, event, now);
		case "measured":
			return applyMeasured(known, event, now);
		case "budget":
			return budgeted(known, event.budget, now);
		case "reserved":
			return reserved(known, event, now);
		case "priced":
			return priced(known, event, now);
		case "forgotten":
			return { ...known, forgotten: true };
		default:
			return event satisfies never;
	}
}

/** The provider answered a call: its gates start anew, but one that is closed just now stays so (another call of the burst closed it). */
function answered(state: State, now: Ms, also?: "launch" | "list"): State {
	const after = opened(opened(state, "rate", now), "auth", now);
	return also === undefined ? after : opened(after, also, now);
}

function opened(state: State, gate: keyof State["gates"], now: Ms): State {
	const { failures, until } = state.gates[gate];
	return failures === 0 || until > now ? state : { ...state, gates: { ...state.gates, [gate]: OPEN } };
}

function applyMeasured(state: State, { endpoint, found, startedAt }: Event & { on: "measured" }, now: Ms): State {
	if (endpoint !== state.spec.metricsSource) return state;
	if (typeof found !== "string") return { ...state, source: { ...found, endpoint, at: startedAt } };
	return state.told.includes(found) ? state : withLog({ ...state, told: [...state.told, found] }, now, "WARNING", found);
}
