// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is looked for is code, and some of it is template strings.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ScenarioOptions } from "./scenario.ts";

/** A planted bug: a small patch of the core or the runner. */
export interface Mutant {
	readonly name: string;
	/** In `src`. */
	readonly file: string;
	readonly find: string;
	readonly replace: string;
	/** The faults that bring it to light, where it hides from most; all if missing. */
	readonly focus?: NonNullable<ScenarioOptions["focus"]>;
	/** It shows only where cost is bounded. */
	readonly isBounded?: boolean;
	/** Only a pool with rules shows it. */
	readonly isDemanding?: boolean;
	/** The cloud that brings it to light, where the others cannot; all if missing. */
	readonly provider?: NonNullable<ScenarioOptions["provider"]>;
}

/** Bugs that fleet controllers had, and slips of our own. A text that is not found fails the test: no mutant rots in silence. */
export const MUTANTS: readonly Mutant[] = [
	{
		name: "skip the intent: a create goes out unrecorded",
		file: "controller/pass.ts",
		find: `fold(ports, { on: "sent", effect, ...token });`,
		replace: `if (effect.call !== "create") fold(ports, { on: "sent", effect, ...token });`,
	},
	{
		name: "do not record a delete before it goes out",
		file: "controller/pass.ts",
		find: `return call !== "find" &&`,
		replace: `return call !== "delete" && call !== "find" &&`,
	},
	{
		name: "retry a POST whose answer was lost",
		file: "core/outcomes.ts",
		find: "const waiting = { ...proxy, why: `looked up: ${failure.say}`, tries: 0, retryAt: 0 };",
		replace: `const waiting = { ...proxy, phase: { at: "launching", sentAt: null } as const, tries: 0, retryAt: 0 };`,
	},
	{
		name: "reuse an intent, and its token, with another body once a find does not show its VM",
		file: "core/inventory.ts",
		find: "return backedOff(withProxy(state, { ...proxy, absentAt: event.startedAt, suspectAt: null }), proxy, now);",
		replace: `return proxy.phase.at === "launching" ? withProxy(state, { ...proxy, phase: { at: "launching", sentAt: null } }) : backedOff(withProxy(state, { ...proxy, absentAt: event.startedAt, suspectAt: null }), proxy, now);`,
	},
	{
		name: "trust one list: what it lacks is gone",
		file: "core/inventory.ts",
		find: "after = withProxy(after, { ...proxy, suspectAt: now });",
		replace: "after = withoutProxy(after, proxy.id, now);",
	},
	{
		name: "trust a find within the consistency window",
		file: "core/count.ts",
		find: "return proxy.absentAt !== null && proxy.absentAt >= absenceCountsFrom(state, proxy);",
		replace: "return proxy.absentAt !== null;",
	},
	{
		name: "forget a stray that one list lacks",
		file: "core/inventory.ts",
		find: "const strays = new Map(state.strays);\n\tlet [pools",
		replace: "const strays = new Map<string, Stray>();\n\tlet [pools",
		focus: ["strayVm", "emptyList", "createdTwice"],
	},
	{
		name: "drop the boot limit",
		file: "core/deadlines.ts",
		find: "if (!proxy.wasReady && draft.isDue(bootLimitAt(draft, proxy)))",
		replace: "if (!proxy.wasReady && draft.isDue(Number.POSITIVE_INFINITY))",
	},
	{
		name: "forget a deadline: a restart that never comes back",
		file: "core/deadlines.ts",
		find: "if (!draft.isDue(proxy.since + draft.state.spec.unregisteredTimeoutSeconds * 1000)) return;",
		replace: `if (draft.now > 0) return;`,
		focus: ["credentialsRefused"],
	},
	{
		name: "forget a deadline: a drain never ends while somebody uses the proxy",
		file: "core/deadlines.ts",
		find: "|| draft.isDue(phase.until)) doom",
		replace: ") doom",
		focus: ["heartbeatsLost", "probesLost"],
	},
	{
		name: "forget when the next deadline is",
		file: "core/plan.ts",
		find: "const { state, effects, wakeAt } = draft;",
		replace: "const { state, effects } = draft;\n\tconst wakeAt = draft.now + 86_400_000;",
	},
	{
		name: "take a plan that changed something for the last word",
		file: "core/plan.ts",
		find: "isFinal: effects.length === 0 && isSame && before.logSeq === state.logSeq",
		replace: "isFinal: effects.length === 0 && (isSame || true)",
		focus: ["databaseOut"],
	},
	{
		name: "arm an interval ahead though something is due earlier",
		file: "controller/pass.ts",
		find: "next.effects.length > 0 || next.state !== state ? now : next.wakeAt",
		replace: "now + state.spec.intervalSeconds * 1000",
	},
	{
		name: "delete before the ready list without the proxy is published",
		file: "core/deadlines.ts",
		find: "const hiddenAt = phase.hiddenAt === null ? proxy.since + UNPUBLISHED_DRAIN_MS : phase.hiddenAt + READY_STALENESS_MS;",
		replace: "const hiddenAt = proxy.since;",
	},
	{
		name: "a refused create closes no gate: it is tried again at once",
		file: "core/outcomes.ts",
		find: "if (backOff === null) return dropped;",
		replace: "if (backOff !== undefined) return dropped;",
	},
	{
		name: "wake for a deadline that has passed",
		file: "core/draft.ts",
		find: "if (at > this.now && at < this.wakeAt) this.wakeAt = at;",
		replace: "if (at < this.wakeAt) this.wakeAt = at;",
	},
	{
		name: "overwrite an earlier alarm",
		file: "controller/pass.ts",
		find: "return armedAt === null || at < armedAt;",
		replace: "return armedAt !== at;",
	},
	{
		name: "arm no alarm after a pass with nothing to do",
		file: "controller/pass.ts",
		find: "next.effects.length > 0 || next.state !== state ? now : next.wakeAt",
		replace: "next.effects.length > 0 || next.state !== state ? now : null",
	},
	{
		name: "ignore Retry-After",
		file: "core/outcomes.ts",
		find: "`the provider limits our rate: ${failure.say}`, seed, failure.retryAt)",
		replace: "`the provider limits our rate: ${failure.say}`, seed)",
	},
	{
		name: "go on with a pass after its first 429",
		file: "core/effects.ts",
		find: "const isOpen = state.gates.rate.until <= now && state.gates.auth.until <= now;",
		replace: "const isOpen = true;",
		focus: ["rateLimited"],
	},
	{
		name: "use up an account's calls, and leave none for deletes",
		file: "core/effects.ts",
		find: "return rate === null || rate.remaining >= rate.limit * RATE_RESERVE || draft.isDue(rate.resetAt);",
		replace: "return rate === null || rate.remaining >= RATE_RESERVE || draft.isDue(rate.resetAt);",
		provider: "hetzner",
	},
	{
		name: "delete what is not tagged for this pool",
		file: "core/inventory.ts",
		find: "if (vm.tags.deployment !== state.pool.deployment || vm.tags.pool !== state.pool.tag) {",
		replace: "if (vm.tags.deployment !== state.pool.deployment || vm.tags.pool === null) {",
	},
	{
		name: "delete what is another deployment's",
		file: "core/inventory.ts",
		find: "if (vm.tags.deployment !== state.pool.deployment || vm.tags.pool !== state.pool.tag) {",
		replace: "if (vm.tags.deployment === null) {",
	},
	{
		name: "count only ready proxies as billable",
		file: "core/count.ts",
		find: "return state.proxies.size + state.strays.size;",
		replace: "return [...state.proxies.values()].filter(isReady).length;",
		focus: ["neverBoots", "slowBoot"],
	},
	{
		name: "do not count strays as billable",
		file: "core/count.ts",
		find: "return state.proxies.size + state.strays.size;",
		replace: "return state.proxies.size;",
		focus: ["createdTwice", "strayVm"],
	},
	{
		name: "launch without a bound",
		file: "core/scaling.ts",
		find: "const room = spec.max + surgeOf(spec) - billable(state);",
		replace: "const room = 100;",
		focus: ["neverBoots", "slowBoot"],
	},
	{
		name: "make a proxy ready that a probe found before it was drained or restarted: a stale result",
		file: "core/agents.ts",
		find: `const isUp = (phase.at === "booting" || phase.at === "unready") && proxy.registered;`,
		replace: `const isUp = phase.at !== "launching" && phase.at !== "ready" && phase.vm !== null && proxy.address !== null;`,
	},
	{
		name: "apply a restart's result to a proxy that is being deleted by now",
		file: "core/outcomes.ts",
		find: `if (proxy?.phase.at !== "restarting" || proxy.phase.step !== effect.step) return state;`,
		replace: `if (proxy === undefined || proxy.phase.at === "launching" || proxy.phase.vm === null) return state;`,
		focus: ["slowCalls", "agentDies"],
	},
	{
		name: "publish without a new version",
		file: "core/outcomes.ts",
		find: "return { ...state, published: { ...state.published, version: effect.version } };",
		replace: "return state;",
	},
	{
		name: "accept a replayed registration with another key",
		file: "core/registration.ts",
		find: `if (boundKey !== null && boundKey !== request.keyHash) return refused("the boot token was used with another key");`,
		replace: "",
		focus: ["replayedRegistration", "tokensStolen"],
	},
	{
		name: "accept a registration from another address",
		file: "core/registration.ts",
		find: `if (proxy.address !== null && proxy.address !== request.address) return refused("the address is not this proxy's");`,
		replace: "",
		focus: ["replayedRegistration", "tokensStolen"],
	},
	{
		name: "believe an early registration without the inventory",
		file: "core/inventory.ts",
		find: "if (claim.address === seen.address) return confirmed",
		replace: "if (claim.address !== null) return confirmed",
	},
	{
		name: "inherit health on a reused address",
		file: "core/agents.ts",
		find: `if (verdict.is === "ok") {`,
		replace: `if (verdict.is === "ok" || verdict.is === "impostor") {`,
	},
	{
		name: "delete the unhealthy before their replacements are ready",
		file: "core/replace.ts",
		find: ".slice(0, replaced)",
		replace: "",
	},
	{
		name: "no boots gate",
		file: "core/limits.ts",
		find: "export const BOOTS_TO_CLOSE = 3;",
		replace: "export const BOOTS_TO_CLOSE = 1_000_000;",
		focus: ["neverBoots"],
	},
	{
		name: "treat a missing sample of connections as 0",
		file: "core/deadlines.ts",
		find: "const isIdle = vitals !== undefined && vitals.active === 0 && vitals.reportedAt >= hiddenAt;",
		replace: "const isIdle = vitals === undefined || vitals.reportedAt < hiddenAt || vitals.active === 0;",
	},
	{
		name: "delete a VM that was seen off once",
		file: "core/deadlines.ts",
		find: "seenAt >= proxy.offSince + spec.unknownTimeoutSeconds * 1000",
		replace: "seenAt > 0",
	},
	{
		name: "keep a removed pool's VMs while its settings are bad",
		file: "core/commands.ts",
		find: `const suspended = command.run === "removing" ? null : state.suspended;`,
		replace: "const suspended = state.suspended;",
		focus: ["badSetting"],
	},
	{
		name: "launch and delete though the settings are bad",
		file: "core/count.ts",
		find: "return state.suspended === null && state.breach === null;",
		replace: "return state.breach === null;",
		focus: ["badSetting"],
	},
	{
		name: "forget a pool without looking through the account once more",
		file: "core/effects.ts",
		find: "if (hasCloud(state) && state.looks < LOOKS_TO_FORGET) return;",
		replace: "",
	},
	{
		name: "let another proxy go in the stead of one that is being deleted",
		file: "core/scaling.ts",
		find: "else if (kept > wanted) shrink(draft, kept - wanted);",
		replace: "else if (places > wanted) shrink(draft, places - wanted);",
	},
	{
		name: "probe what does not answer every few seconds for ever",
		file: "core/effects.ts",
		find: "(proxy.failedProbes >= PROBES_TO_FAIL ? intervalMs : retryMs)",
		replace: "(proxy.failedProbes > 1_000 ? intervalMs : retryMs)",
	},
	{
		name: "let a replayed registration take the place of the first claim",
		file: "core/agents.ts",
		find: "if (proxy.claim !== null) return state;",
		replace: "",
		focus: ["replayedRegistration", "tokensStolen", "slowCalls"],
	},
	{
		name: "let the consistency window begin when a create is sent, not when it can have ended",
		file: "core/count.ts",
		find: "const bornBy = proxy.wasReady ? 0 : proxy.createdAt + CREATE_DEADLINE_MS;",
		replace: "const bornBy = 0;",
		focus: ["createAnswerLost"],
	},
	{
		name: "repeat for ever a create that is accepted and fails later",
		file: "core/deadlines.ts",
		find: `if (proxy.phase.at === "booting" && !proxy.isAdopted) bootFailed(draft);`,
		replace: "",
		focus: ["createFailsLater"],
	},
	{
		name: "repeat for ever a create that leaves a VM switched off",
		file: "core/deadlines.ts",
		find: "if (!proxy.wasReady) bootFailed(draft);",
		replace: "",
		focus: ["createCut"],
		provider: "scaleway",
	},
	{
		name: "finish a create that may still be under way",
		file: "core/finish.ts",
		find: " && seenAt >= proxy.createdAt + CREATE_DEADLINE_MS",
		replace: " && seenAt > 0",
		focus: ["slowCalls", "evicted", "superseded"],
		provider: "scaleway",
	},
	{
		name: "finish a create with a token that nobody stored",
		file: "core/finish.ts",
		find: "{ ...proxy, tokenHash, credentials, offSince: null",
		replace: "{ ...proxy, credentials, offSince: null",
		focus: ["createCut"],
		provider: "scaleway",
	},
	{
		name: "finish a create time and again, without a pause",
		file: "core/finish.ts",
		find: "offSince: null, retryAt: now + LOST_RESULT_MS",
		replace: "retryAt: 0",
		focus: ["createCut"],
		provider: "scaleway",
	},
	{
		name: "recycle aged proxies below min_available",
		file: "core/rolling.ts",
		find: "Math.min(left, ready - floor)",
		replace: "Math.min(left, ready)",
		focus: ["slowBoot"],
	},
	{
		name: "let a pool come back that the directory may have forgotten",
		file: "core/commands.ts",
		find: "if (state.leaving) return state;",
		replace: "",
		focus: ["databaseAmbiguous", "badSetting"],
	},
	{
		name: "look through the account before the last VM can have shown up",
		file: "core/inventory.ts",
		find: "return startedAt < shownBy ? 0 : state.looks + 1;",
		replace: "return startedAt < 0 ? shownBy : state.looks + 1;",
	},
	{
		name: "write the sessions to D1 whenever they change",
		file: "core/sessions.ts",
		find: `if (draft.isDue(dueAt)) draft.call({ call: "sessions" });`,
		replace: `if (dueAt > 0) draft.call({ call: "sessions" });`,
	},
	{
		name: "forget a session that is to be dropped",
		file: "core/sessions.ts",
		find: "drops: [...others, { session, at: now }].slice(-KEPT_DROPS)",
		replace: "drops: others",
	},
	{
		name: "keep showing the sessions of a proxy that is gone",
		file: "core/sessions.ts",
		find: `if (hash === sessionsHash(state) ||`,
		replace: `if (hash === sessionsHash(state) || sessionsHash(state) === "" ||`,
	},
	{
		name: "use again what was granted under a higher bound",
		file: "core/budget.ts",
		find: "const isOver = budget !== null;",
		replace: "const { isOver } = state.money.lease;",
		isBounded: true,
		focus: ["databaseFails", "vmDeleted"],
	},
	{
		name: "ignore the pool's own bound on cost",
		file: "core/budget.ts",
		find: "const own = spec.maxHourlyCost === null ? wanted :",
		replace: "const own = spec.maxHourlyCost !== null ? wanted :",
		isBounded: true,
	},
	{
		name: "count only ready proxies against a bound on cost",
		file: "core/cost.ts",
		find: "hourly += priceOf(state, proxy)?.hourly ?? 0;",
		replace: `if (proxy.phase.at === "ready") hourly += priceOf(state, proxy)?.hourly ?? 0;`,
		isBounded: true,
	},
	{
		name: "launch without a part of the deployment's budget",
		file: "core/budget.ts",
		find: "if (total === null || own === 0) return own;",
		replace: "return own;",
		isBounded: true,
	},
	{
		name: "launch what was reserved while all together hold too much",
		file: "core/budget.ts",
		find: "const leased = lease.isOver ? 0 :",
		replace: "const leased =",
		isBounded: true,
	},
	{
		name: "count on what was given back before D1 has answered",
		file: "core/budget.ts",
		find: "const hourly = Math.min(lease.hourly, effect.hold);",
		replace: "const { hourly } = lease;",
		isBounded: true,
		focus: ["databaseFails"],
	},
	{
		name: "forget that a started hour is billed to its end",
		file: "core/cost.ts",
		find: "if (isUnsent || unitMs === 0) return state;",
		replace: "if (isUnsent || unitMs >= 0) return state;",
		isBounded: true,
		focus: ["vmDeleted", "agentDies"],
	},
	{
		name: "launch though the price is not known",
		file: "core/budget.ts",
		find: "draft.held = `nothing is launched while its price is not known, since MAX_HOURLY_COST bounds it${why}`;\n\t\treturn 0;",
		replace: "return why === null ? 0 : wanted;",
		isBounded: true,
		focus: ["pricesFail"],
	},
	{
		name: "go by the price of the settings that were",
		file: "core/cost.ts",
		find: "return money.prices.find((price) => price.account === account) ?? null;",
		replace: "return money.prices.find((price) => price.account === account) ?? money.prices.at(-1) ?? null;",
		isBounded: true,
		focus: ["priceChanges", "slowCalls"],
	},
	{
		name: "delete a VM that was let go, when a list still shows its tags",
		file: "core/inventory.ts",
		find: `vm.state !== "going" && !own.has(vm.vm) && !state.released.includes(vm.vm)`,
		replace: `vm.state !== "going" && !own.has(vm.vm)`,
		focus: ["staleList"],
	},
	{
		name: "put tags on a VM without recording it",
		file: "controller/pass.ts",
		find: `return call !== "find" &&`,
		replace: `return call !== "adopt" && call !== "find" &&`,
	},
	{
		name: "delete the VMs of a pool that is to leave them running",
		file: "core/plan.ts",
		find: "if (isLeftRunning) releaseAll(draft);",
		replace: "if (state.forgotten) releaseAll(draft);",
	},
	{
		name: "treat a proxy that does not report as one without load",
		file: "core/demand.ts",
		find: "measured === null || measured.missing > 0 || rules.length",
		replace: "measured === null || rules.length",
		isDemanding: true,
	},
	{
		name: "scale in on a metric that nobody reports",
		file: "core/demand.ts",
		find: "\t\t\tisBlind = true;\n",
		replace: "",
		isDemanding: true,
	},
	{
		name: "ignore the scale-in window",
		file: "core/demand.ts",
		find: "const highest = highestWish(scaleInWindow, wish);",
		replace: "const highest = highestWish([], wish);",
		isDemanding: true,
	},
	{
		name: "count a window that was lost as one in which nothing was asked for",
		file: "core/window.ts",
		find: "newest === undefined || newest.at <= now - gapMs ? [{ at: now, target: present }] : known;",
		replace: "newest === undefined || newest.at <= now - gapMs ? [] : known;",
		isDemanding: true,
	},
	{
		name: "forget a higher wish as soon as a lower one comes",
		file: "core/window.ts",
		find: "target > wish.target);",
		replace: "target > wish.target * 2);",
		isDemanding: true,
	},
	{
		name: "ramp at each plan, not once an interval",
		file: "core/demand.ts",
		find: "if (draft.isDue(nextDecisionAt(draft.state, draft.now))) decide(draft, bounds);",
		replace: "decide(draft, bounds);",
		isDemanding: true,
	},
	{
		name: "let the ramp begin anew with each instance",
		file: "core/demand.ts",
		find: "const past = [decidedAt, ramped.at].filter((at) => at <= now);",
		replace: "const past = [decidedAt].filter((at) => at <= now && ramped.at >= 0);",
		isDemanding: true,
		focus: ["evicted"],
	},
	{
		name: "no ramp",
		file: "core/demand.ts",
		find: "const ramp = Math.max(1, spec.rampLimit);",
		replace: "const ramp = 1_000;",
		isDemanding: true,
	},
	{
		name: "take strict bounds for loose ones",
		file: "core/rules.ts",
		find: "return Math.max(0, isStrict ? whole + beyond : whole);",
		replace: "return Math.max(0, isStrict ? whole : whole + beyond - beyond);",
		isDemanding: true,
	},
	{
		name: "a wake never ends",
		file: "core/demand.ts",
		find: "canWake(state) && !draft.isDue(awakeUntil(state));",
		replace: "canWake(state) && awakeUntil(state) > 0;",
		isDemanding: true,
	},
	{
		name: "wake nothing",
		file: "core/demand.ts",
		find: "return isKnown || !canWake(state) ? state : { ...state, wokenAt: now };",
		replace: "return isKnown || canWake(state) ? state : { ...state, wokenAt: now };",
		isDemanding: true,
	},
	{
		name: "hold on to a size that nothing was ever measured for",
		file: "core/demand.ts",
		find: "const isHeld = own.least > 0 || [...state.proxies.values()].some((proxy) => proxy.wasReady && isKept(proxy));",
		replace: "const isHeld = own.least >= 0;",
		isDemanding: true,
	},
	{
		name: "lose what was posted at the next heartbeat",
		file: "core/apply.ts",
		find: "return proxy.credentials === event.credentials ? heard : withProxy(heard, { ...proxy, credentials: event.credentials });",
		replace: "return withProxy(heard, { ...proxy, posted: {}, credentials: event.credentials });",
		isDemanding: true,
	},
	{
		name: "go by another endpoint's metrics however old they are",
		file: "core/metrics.ts",
		find: "source?.endpoint === metricsSource && isWithin(source.at, SAMPLE_INTERVALS * intervalSeconds, now);",
		replace: "source?.endpoint === metricsSource && SAMPLE_INTERVALS * intervalSeconds <= now;",
		isDemanding: true,
		focus: ["databaseOut"],
	},
	{
		name: "shrink below what rules ask for while it is draining: its connections count for nothing",
		file: "core/metrics.ts",
		find: "if (!isOurs(proxy)) return null;",
		replace: `if (!isOurs(proxy) || proxy.phase.at === "draining") return null;`,
		isDemanding: true,
	},
	{
		name: "go on handing out a static backend that is down",
		file: "core/statics.ts",
		find: "isUp: false, failures, since: health.isUp ? now : health.since",
		replace: "isUp: health.isUp, failures, since: health.since",
		focus: ["staticsDown"],
	},
	{
		name: "never ask a static backend again that was down",
		file: "core/statics.ts",
		find: "const pauseMs = failures > 0 && failures < PROBES_TO_FAIL ? retryMs : everyMs;",
		replace: "const pauseMs = failures < PROBES_TO_FAIL ? everyMs + retryMs : 86_400_000;",
		focus: ["staticsDown"],
	},
];

/** Copies `src` with the bug planted. Throws where the text to be replaced is not there exactly once. */
export async function plant(mutant: Mutant): Promise<{ folder: URL; remove: () => Promise<void> }> {
	const folder = await mkdtemp(join(tmpdir(), "muster-mutant-"));
	const remove = () => rm(folder, { recursive: true, force: true });
	await cp(new URL("../../src/", import.meta.url), folder, { recursive: true });
	const path = join(folder, mutant.file);
	const text = await readFile(path, "utf8");
	if (text.split(mutant.find).length !== 2) {
		await remove();
		throw new Error(`mutant "${mutant.name}": its text is not in ${mutant.file} exactly once`);
	}
	await writeFile(
		path,
		text.replace(mutant.find, () => mutant.replace),
	);
	return { folder: pathToFileURL(`${folder}/`), remove };
}
