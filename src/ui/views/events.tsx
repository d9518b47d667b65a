/** What happened in all pools: a sentence, a time, a link. */
import { useEffect, useState } from "preact/hooks";
import { api, done, type Schemas, sentenceOf } from "../model/api.ts";
import { type Event, useEvents } from "../model/events.ts";
import { clock, count, exact, sentence } from "../model/format.ts";
import { href, refine, route } from "../model/route.ts";
import { now, pay } from "../model/store.ts";
import { carryOut } from "../model/tasks.ts";
import { Action, Code, Empty } from "../parts/basics.tsx";
import { PoolChoice } from "../parts/pool-choice.tsx";

function Line({ event }: { readonly event: Event }) {
	const { at, pool, severity, text, actor } = event;
	const instant = Date.parse(at);
	return (
		<li class={severity.toLowerCase()}>
			<time dateTime={at} title={exact(instant)}>
				{clock(instant, now.value)}
			</time>
			<span>{pool === null ? <span class="dim">Muster</span> : <a href={href("pool", pool.split("/"))}>{pool}</a>}</span>
			<span>
				{severity !== "INFO" && <span class="severity">{severity.toLowerCase()} </span>}
				{sentence(text, now.value)}
				{actor !== null && !text.endsWith(` by ${actor}`) && <span class="dim"> · by {actor}</span>}
			</span>
		</li>
	);
}

export function EventList({ events }: { readonly events: readonly Event[] }) {
	return (
		<ol class="log events">
			{events.map((event) => (
				<Line key={event.id} event={event} />
			))}
		</ol>
	);
}

/** The newest, on the overview. */
export function LatestEvents() {
	const { page } = useEvents({ pool: "", severity: "" });
	return (
		<section aria-labelledby="events">
			<div class="heading">
				<h2 id="events">Events</h2>
				<a href={href("events")}>All events</a>
			</div>
			{page === null ? (
				<p class="dim">Asking …</p>
			) : page.entries.length === 0 ? (
				<p class="dim">{page.problem ?? "Nothing has happened yet."}</p>
			) : (
				<EventList events={page.entries.slice(0, 8)} />
			)}
		</section>
	);
}

export function Events() {
	return route.value.query.get("tab") === "alerts" ? <Alerts /> : <Stream />;
}

function Tabs({ current }: { readonly current: "events" | "alerts" }) {
	return (
		<nav class="tabs" aria-label="Of what happened">
			<a href={href("events")} aria-current={current === "events" ? "page" : undefined}>
				Events
			</a>
			<a href={href("events", [], { tab: "alerts" })} aria-current={current === "alerts" ? "page" : undefined}>
				Alerts
			</a>
		</nav>
	);
}

const DELIVERED: Readonly<Record<Schemas["Delivery"]["state"], string>> = {
	waiting: "on its way",
	delivered: "delivered",
	given_up: "given up",
};

/** What was sent to the webhook, and what became of it. */
function Alerts() {
	const [answer, setAnswer] = useState<Schemas["Deliveries"] | string | null>(null);
	const ask = () => {
		pay(1);
		return done(api.GET("/deliveries")).then(setAnswer, (error) => setAnswer(sentenceOf(error)));
	};
	useEffect(() => void ask(), []);
	const test = async () => {
		await carryOut({
			title: "Sending a test to the webhook",
			call: async () => {
				const { delivery } = await done(api.POST("/deliveries/test"));
				if (delivery.state !== "delivered") throw new Error(delivery.error ?? `It was answered ${delivery.status}.`);
			},
			said: (took) => `The test was delivered, after ${took}.`,
		});
		await ask();
	};
	return (
		<>
			<header class="title">
				<div>
					<h1>Alerts</h1>
					<p class="dim">What is sent to your webhook: at least once, and one an hour for each cause that lasts.</p>
				</div>
				{typeof answer === "object" && answer?.webhook != null && (
					<div class="buttons">
						<Action kind="main" onClick={() => void test()}>
							Send a test
						</Action>
					</div>
				)}
			</header>
			<Tabs current="alerts" />
			{answer === null && <p class="dim">Asking …</p>}
			{typeof answer === "string" && <p class="fault">{answer}</p>}
			{typeof answer === "object" && answer !== null && (
				<>
					{answer.webhook === null ? (
						<Empty title="No webhook is set">
							<p>Alerts go where this address says; Slack's and Discord's incoming webhooks are understood as well.</p>
							<Code text={"npx wrangler secret put ALERT_WEBHOOK_URL\n"} what="the command" />
						</Empty>
					) : (
						<p>
							To <strong>{answer.webhook.host}</strong>{" "}
							<span class="dim">
								as {answer.webhook.format}, {answer.webhook.signed ? "signed" : "not signed"}
							</span>
						</p>
					)}
					{answer.deliveries.length > 0 && (
						<ol class="log events">
							{answer.deliveries.map(({ id, at, text, state, error, status, tries }) => (
								<li key={id}>
									<time dateTime={at} title={exact(Date.parse(at))}>
										{clock(Date.parse(at), now.value)}
									</time>
									<span class={state === "given_up" ? "fault" : state === "delivered" ? "good" : "dim"}>{DELIVERED[state]}</span>
									<span>
										{sentence(text, now.value)}
										{state === "delivered" && tries > 1 && <span class="dim"> · after {count(tries, "try", "tries")}</span>}
										{state !== "delivered" && (
											<span class="dim">
												{" "}
												· {count(tries, "try", "tries")}
												{error === null ? (status === null ? "" : `, answered ${status}`) : `, ${error}`}
											</span>
										)}
									</span>
								</li>
							))}
						</ol>
					)}
					{answer.deliveries.length === 0 && answer.webhook !== null && <p class="dim">Nothing was sent yet.</p>}
				</>
			)}
		</>
	);
}

function Stream() {
	const { query } = route.value;
	const [pool, severity] = [query.get("pool") ?? "", query.get("severity") ?? ""];
	const { page, older } = useEvents({ pool, severity });
	return (
		<>
			<header class="title">
				<div>
					<h1>Events</h1>
					<p class="dim">What happened in all pools, the newest first; kept for 30 days.</p>
				</div>
				<div class="filters">
					<PoolChoice pool={pool} />
					<select aria-label="Severity" value={severity} onChange={(event) => refine({ severity: event.currentTarget.value })}>
						<option value="">everything</option>
						<option value="WARNING">warnings and worse</option>
						<option value="ERROR">errors</option>
					</select>
				</div>
			</header>
			<Tabs current="events" />
			{page === null && <p class="dim">Asking …</p>}
			{page?.problem != null && <p class="fault">{page.problem}</p>}
			{page !== null && page.entries.length === 0 && page.problem === null && (
				<Empty title="Nothing">
					<p>{pool === "" && severity === "" ? "Nothing has happened yet." : "Nothing of this kind has happened in 30 days."}</p>
				</Empty>
			)}
			{page !== null && page.entries.length > 0 && <EventList events={page.entries} />}
			{page?.previous != null && (
				<div class="buttons start">
					<button type="button" onClick={older}>
						Older
					</button>
				</div>
			)}
		</>
	);
}
