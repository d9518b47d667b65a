/** Which clients are connected through which proxy: those of one address, or all. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { drop, nameOf } from "../model/actions.ts";
import { api, done, type Pool, sentenceOf } from "../model/api.ts";
import { href, hrefOfPool } from "../model/route.ts";
import { canAct, pay, pools } from "../model/store.ts";
import { Action, Empty } from "../parts/basics.tsx";
import { SearchTable } from "../parts/search-table.tsx";
import type { Column } from "../parts/table.tsx";

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

function columnsOf(look: () => void): readonly Column<Connection>[] {
	return [
		{
			key: "client",
			title: "Client",
			width: "minmax(160px, 1.2fr)",
			card: "head",
			by: ({ client }) => client,
			cell: ({ client }) => <span class="mono">{client}</span>,
		},
		{
			key: "through",
			title: "Through",
			width: "minmax(120px, 1fr)",
			card: "line",
			by: ({ proxy }) => proxy,
			cell: ({ proxy, pool }) => (
				<a class="mono" href={href("proxy", [pool.provider, pool.instance, proxy])}>
					{proxy}
				</a>
			),
		},
		{
			key: "pool",
			title: "Pool",
			width: "minmax(140px, 1fr)",
			card: "none",
			by: ({ pool }) => nameOf(pool),
			cell: ({ pool }) => <a href={hrefOfPool(pool)}>{nameOf(pool)}</a>,
		},
		{
			key: "drop",
			title: "",
			width: "72px",
			card: "side",
			cell: ({ client, pool }) => (
				<span class="does">
					<Action label={`Drop ${client}`} onClick={() => void drop(pool, client).then(look)}>
						Drop
					</Action>
				</span>
			),
		},
	];
}

export function Connections() {
	const [found, setFound] = useState<Found | null>(null);
	const look = () => void ask().then(setFound);
	const columns = useMemo(() => columnsOf(look), []);
	useEffect(look, []);
	const nobody = (title: string) => (
		<Empty title={title}>
			<p>
				As the agents told last. <a href={href("use")}>Use it</a>
			</p>
		</Empty>
	);
	return (
		<>
			<header class="title">
				<div>
					<h1>Connections</h1>
					<p class="dim">Which client is connected through which proxy, as the agents told last.</p>
				</div>
				<div class="buttons">
					<button type="button" disabled={!canAct.value} onClick={look}>
						Ask again
					</button>
				</div>
			</header>
			{found === null && <p class="dim">Asking …</p>}
			{found?.problems.map((problem) => (
				<p class="fault" key={problem}>
					{problem}
				</p>
			))}
			{found !== null && (
				<SearchTable
					title="Open connections"
					columns={columns}
					rows={found.connections}
					id={({ pool, client }) => `${pool.endpoint} ${client}`}
					texts={({ client, proxy, pool }) => [client, proxy, nameOf(pool)]}
					param="from"
					placeholder="Client or proxy: 203.0.113.7"
					named="Client's or proxy's address"
					empty={nobody("Nobody is connected")}
					missing={(wanted) => nobody(`Nobody is connected from or through “${wanted}”`)}
				/>
			)}
		</>
	);
}
