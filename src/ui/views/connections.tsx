/** Which clients are connected through which proxy: those of one address, or all. */
import { useEffect, useState } from "preact/hooks";
import { drop, nameOf } from "../model/actions.ts";
import { api, done, type Pool, sentenceOf } from "../model/api.ts";
import { count } from "../model/format.ts";
import { href, refine, route } from "../model/route.ts";
import { canAct, pay, pools } from "../model/store.ts";
import { Action, Empty } from "../parts/basics.tsx";

interface Connection {
	readonly client: string;
	/** Address of the proxy. */
	readonly proxy: string;
	readonly pool: Pool;
}

interface Found {
	readonly connections: readonly Connection[];
	/** A sentence for each pool that did not answer. */
	readonly problems: readonly string[];
}

/** A page of them; who has more narrows it. */
const MOST = 200;

async function ask(): Promise<Found> {
	const all = pools.peek();
	pay(2 * all.length);
	const answers = await Promise.all(
		all.map((pool) =>
			done(api.GET("/v1.1/endpoints/{endpoint}/sessions", { params: { path: { endpoint: pool.endpoint } } })).then(
				(sessions) => ({
					connections: Object.entries(sessions).map(([client, at]) => ({ client, proxy: at.replace(/:\d+$/, ""), pool })),
					problems: [],
				}),
				(error) => ({ connections: [], problems: [`${nameOf(pool)}: ${sentenceOf(error)}`] }),
			),
		),
	);
	return {
		connections: answers
			.flatMap(({ connections }) => connections)
			.sort((a, b) => a.client.localeCompare(b.client, "en", { numeric: true })),
		problems: answers.flatMap(({ problems }) => problems),
	};
}

export function Connections() {
	const [found, setFound] = useState<Found | null>(null);
	const from = route.value.query.get("from") ?? "";
	const look = () => void ask().then(setFound);
	useEffect(look, []);
	const wanted = from.trim().toLowerCase();
	const matching = (found?.connections ?? []).filter(({ client, proxy }) => client.includes(wanted) || proxy.includes(wanted));
	return (
		<>
			<header class="title">
				<h1>Connections</h1>
				<div class="buttons">
					<button type="button" disabled={!canAct.value} onClick={look}>
						Ask again
					</button>
				</div>
			</header>
			<div class="filters">
				<input
					type="search"
					placeholder="Client or proxy: 203.0.113.7"
					aria-label="Client's or proxy's address"
					value={from}
					onInput={(event) => refine({ from: event.currentTarget.value })}
				/>
			</div>
			{found === null && <p class="dim">Asking …</p>}
			{found?.problems.map((problem) => (
				<p class="fault" key={problem}>
					{problem}
				</p>
			))}
			{found !== null && matching.length === 0 && (
				<Empty title={wanted === "" ? "Nobody is connected" : `Nobody is connected from or through “${from.trim()}”`}>
					<p>
						As the agents told last. <a href={href("use")}>Use it</a>
					</p>
				</Empty>
			)}
			{matching.length > 0 && (
				<>
					<p class="dim">
						{count(matching.length, "connection")}
						{matching.length > MOST ? `, the first ${MOST} of them below` : ""}
					</p>
					<ul class="sessions">
						{matching.slice(0, MOST).map(({ client, proxy, pool }) => (
							<li key={`${pool.endpoint} ${client}`} data-row tabIndex={-1}>
								<span>
									<span class="mono">{client}</span> <span class="dim">through</span>{" "}
									<a class="mono" href={href("proxy", [pool.provider, pool.instance, proxy])}>
										{proxy}
									</a>{" "}
									<span class="dim">of {nameOf(pool)}</span>
								</span>
								<Action label={`Drop ${client}`} onClick={() => void drop(pool, client).then(look)}>
									Drop
								</Action>
							</li>
						))}
					</ul>
				</>
			)}
		</>
	);
}
