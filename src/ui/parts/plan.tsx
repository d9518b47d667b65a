/** What a pool would do now, and why it wants what it wants: a dry run of its own plan. */
import { signal } from "@preact/signals";
import { Fragment } from "preact";
import { useEffect } from "preact/hooks";
import { endRoll, nameOf } from "../model/actions.ts";
import { api, done, type Pool, type Schemas, sentenceOf } from "../model/api.ts";
import { clock, count, digits, duration, money, sentence } from "../model/format.ts";
import { canAct, now, pay } from "../model/store.ts";
import { Action } from "./basics.tsx";

type Plan = Schemas["Plan"];

interface Answered {
	/** The how many-th question it answers. */
	readonly question: number;
	readonly answer: Plan | string;
}

const plans = signal<ReadonlyMap<string, Answered>>(new Map());
let questions = 0;

async function ask({ provider, instance, endpoint }: Pool): Promise<void> {
	const question = ++questions;
	pay(2);
	const answer: Plan | string = await done(
		api.GET("/providers/{provider}/{instance}/plan", { params: { path: { provider, instance } } }),
	).catch(sentenceOf);
	// What was asked later may have been answered before.
	if ((plans.peek().get(endpoint)?.question ?? 0) < question) plans.value = new Map([...plans.peek(), [endpoint, { question, answer }]]);
}

/** Asked when the view opens, and whenever what is wanted has changed. */
export function usePlan(pool: Pool | undefined): Plan | string | null {
	useEffect(() => {
		if (pool !== undefined && canAct.peek()) void ask(pool);
	}, [pool?.endpoint, pool?.wanted, pool?.state, pool?.scaling.min_scaling, pool?.scaling.max_scaling, pool?.problems.join()]);
	return pool === undefined ? null : (plans.value.get(pool.endpoint)?.answer ?? null);
}

const BREAKERS: Readonly<Record<string, string>> = {
	rate: "the cloud's rate limit",
	auth: "credentials",
	launch: "capacity",
	boots: "boots",
	list: "the cloud's list",
	publish: "publishing",
};

/** "at 14:32", "now" */
const when = (instant: string | null) =>
	instant === null || Date.parse(instant) <= now.value ? "now" : `at ${clock(Date.parse(instant), now.value)}`;

/** Lines of what the target rests on, beside its bounds. */
export function Reasons({ plan, pool }: { readonly plan: Plan; readonly pool: Pool }) {
	const { why, target } = plan;
	const { rules, window, ramp, budget, breakers, places, rolling, replacements, bounds, count: have } = why;
	const bound = budget.own ?? budget.deployment;
	return (
		<>
			<dt>Bounds</dt>
			<dd>
				{bounds.min === bounds.max ? `${bounds.min}` : `${bounds.min} to ${bounds.max}`}, and up to {bounds.surge} more while others are
				replaced; {count(have.billed, "VM")} billed
			</dd>
			{rules.map(({ rule, metric, total, least, most }) => (
				<Fragment key={rule}>
					<dt>Rule</dt>
					<dd>
						<code>{rule}</code>{" "}
						{total === null
							? `nobody reports ${metric} now`
							: `${digits(total)} ${metric}, which asks for ${least === null ? "nothing" : most === null || most === least ? least : `${least} to ${most}`}`}
					</dd>
				</Fragment>
			))}
			{rules.length > 0 && ramp !== null && (
				<>
					<dt>Ramp</dt>
					<dd>
						{ramp.limit} at a time; decides next {when(why.decides_at)}
						{window === null ? "" : `; fewer only after ${duration(window.seconds)}, in which the most asked for was ${window.highest}`}
					</dd>
				</>
			)}
			{target.next !== target.now && (
				<>
					<dt>Next</dt>
					<dd>
						from {target.now} to <strong>{target.next}</strong>
					</dd>
				</>
			)}
			<dt>Budget</dt>
			<dd>
				{bound === null || budget.currency === null
					? "none is set"
					: `${money(budget.spent_hourly, budget.currency)}/h of ${money(bound, budget.currency)}/h${budget.own === null ? " for all pools" : ""}`}
				{budget.held !== null && `; ${budget.held}`}
			</dd>
			{breakers.map(({ breaker, failures, until, why: reason }) => (
				<Fragment key={breaker}>
					<dt>Breaker</dt>
					<dd>
						open for {BREAKERS[breaker] ?? breaker} after {count(failures, "failure")}, tried again {when(until)}:{" "}
						{sentence(reason, now.value)}
					</dd>
				</Fragment>
			))}
			{places.map(({ place, failures, until, why: reason }) => (
				<Fragment key={place}>
					<dt>Place</dt>
					<dd>
						{place === "" ? "closed" : `${place} is closed`} after {count(failures, "refusal")}, tried again {when(until)}:{" "}
						{sentence(reason, now.value)}
					</dd>
				</Fragment>
			))}
			{rolling > 0 && (
				<>
					<dt>Rolling</dt>
					<dd>
						{count(rolling, "former proxy", "former proxies")} still to be replaced, as ordered{" "}
						<Action kind="plain" onClick={() => void endRoll(pool).then(() => ask(pool))}>
							End
						</Action>
					</dd>
				</>
			)}
			{replacements.waiting > 0 && (
				<>
					<dt>Waiting</dt>
					<dd>
						{count(replacements.waiting, "successor")} of destroyed proxies, until {when(replacements.until)}
					</dd>
				</>
			)}
		</>
	);
}

/** The dry run itself. */
export function DryRun({ pool, plan }: { readonly pool: Pool; readonly plan: Plan | string | null }) {
	return (
		<section class="card" aria-labelledby="dry-run">
			<div class="heading">
				<h2 id="dry-run">What would it do now?</h2>
				<button type="button" disabled={!canAct.value} onClick={() => void ask(pool)}>
					Ask again
				</button>
			</div>
			{plan === null && <p class="dim">Asking …</p>}
			{typeof plan === "string" && <p class="fault">{plan}</p>}
			{typeof plan === "object" && plan !== null && (
				<div role="status">
					{plan.effects.length === 0 && plan.says.length === 0 ? (
						<p>
							Nothing: {nameOf(pool)} is as it shall be. It looks again {when(plan.looks_again_at)}.
						</p>
					) : (
						<>
							<ol class="steps">
								{plan.effects.map(({ call, proxy, why }, index) => (
									<li key={`${call} ${proxy ?? index}`}>
										<strong>{call}</strong> {proxy !== null && <span class="mono">{proxy}</span>}{" "}
										{why !== null && <span class="dim">{why}</span>}
									</li>
								))}
							</ol>
							{plan.says.length > 0 && (
								<p class="dim">It would say: {plan.says.map(({ text }) => sentence(text, now.value)).join("; ")}.</p>
							)}
							<p class="dim">It looks again {when(plan.looks_again_at)}.</p>
						</>
					)}
				</div>
			)}
		</section>
	);
}
