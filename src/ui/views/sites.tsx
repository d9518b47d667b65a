/** How requests to each site fare, as clients report, and which proxies fare worst. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { nameOf } from "../model/actions.ts";
import { api, done, type Pool, type Schemas, sentenceOf } from "../model/api.ts";
import { count, percent } from "../model/format.ts";
import { useOutcomes } from "../model/outcomes.ts";
import { go, href, route } from "../model/route.ts";
import { canAct, pay, pools } from "../model/store.ts";
import { Ago, Empty } from "../parts/basics.tsx";
import { OutcomeCharts, outcomeRange } from "../parts/outcomes.tsx";
import { PoolChoice } from "../parts/pool-choice.tsx";
import { SearchTable } from "../parts/search-table.tsx";
import type { Column } from "../parts/table.tsx";

type Answer = Schemas["Outcomes"];
type Fares = Answer["hosts"][number];
type Fared = Answer["proxies"][number];

const MOST = 2_000;
/** More of the proxies than somebody looks through. */
const WORST = 20;

const bad = ({ banned, captcha, error, timeout }: Pick<Fares, "banned" | "captcha" | "error" | "timeout">): string =>
	[
		[banned, "banned"],
		[captcha, "captcha"],
		[error, "error"],
		[timeout, "timeout"],
	]
		.filter(([times]) => times !== 0)
		.map(([times, what]) => `${times} ${what}`)
		.join(", ");

/** `rates`: by site, what share was good in the range that is shown. */
const columnsOf = (range: string, rates: ReadonlyMap<string, number | null>): readonly Column<Fares>[] => [
	{
		key: "host",
		title: "Site",
		width: "minmax(140px, 2fr)",
		card: "head",
		by: ({ host }) => host,
		cell: ({ host }) => <span class="mono cut">{host}</span>,
	},
	{
		key: "success",
		title: "Success",
		width: "72px",
		isNumber: true,
		card: "side",
		by: ({ success_rate }) => success_rate,
		cell: ({ success_rate }) => percent(success_rate),
	},
	{
		key: "lately",
		title: `In ${range}`,
		width: "72px",
		isNumber: true,
		card: "none",
		by: ({ host }) => rates.get(host) ?? null,
		cell: ({ host }) => {
			const share = rates.get(host) ?? null;
			return share === null ? <span class="dim">–</span> : percent(share);
		},
	},
	{ key: "ok", title: "Good", width: "60px", isSpare: true, isNumber: true, card: "none", by: ({ ok }) => ok, cell: ({ ok }) => ok },
	{
		key: "bad",
		title: "Bad",
		width: "minmax(120px, 2fr)",
		card: "line",
		by: ({ banned }) => banned,
		cell: (site) => <span class="dim cut">{bad(site) || "none"}</span>,
	},
	{
		key: "took",
		title: "Took",
		width: "72px",
		isSpare: true,
		isNumber: true,
		card: "none",
		by: ({ mean_ms }) => mean_ms,
		cell: ({ mean_ms }) => (mean_ms === null ? <span class="dim">–</span> : `${mean_ms} ms`),
	},
	{
		key: "cooling",
		title: "Cooling down",
		width: "104px",
		isNumber: true,
		card: "none",
		by: ({ cooling }) => cooling,
		cell: ({ cooling }) => (cooling === 0 ? <span class="dim">0</span> : count(cooling, "proxy", "proxies")),
	},
	{
		key: "last",
		title: "Reported",
		width: "100px",
		isNumber: true,
		card: "line",
		by: ({ last_reported }) => -Date.parse(last_reported),
		cell: ({ last_reported }) => <Ago at={last_reported} />,
	},
];

function Worst({ proxies }: { readonly proxies: readonly Fared[] }) {
	const some = proxies.filter(({ success_rate, cooling }) => success_rate < 1 || cooling > 0).slice(0, WORST);
	if (some.length === 0) return null;
	return (
		<section aria-labelledby="worst">
			<h2 id="worst">Proxies that fare worst</h2>
			<ul class="sessions">
				{some.map((proxy) => (
					<li key={proxy.ip}>
						<span>
							<a class="mono" href={href("proxy", [proxy.provider, proxy.instance, proxy.ip])}>
								{proxy.ip}
							</a>{" "}
							<span class="dim">
								{bad(proxy)}
								{proxy.cooling > 0 ? `; cools down for ${count(proxy.cooling, "site")}` : ""}
							</span>
						</span>
						<strong class="nowrap">{percent(proxy.success_rate)}</strong>
					</li>
				))}
			</ul>
		</section>
	);
}

/** What was reported of sites and proxies: of one pool, or of all. */
export function Reported({ pool }: { readonly pool?: Pool }) {
	const name = pool === undefined ? undefined : nameOf(pool);
	const [answer, setAnswer] = useState<Answer | string | null>(null);
	const ofTime = useOutcomes({ range: outcomeRange(), ...(name === undefined ? {} : { pool: name }) });
	const ask = () => {
		pay(1 + (pool === undefined ? pools.peek().length : 1));
		const query = { limit: MOST, ...(name === undefined ? {} : { pool: name }) };
		done(api.GET("/outcomes", { params: { query } })).then(setAnswer, (error) => setAnswer(sentenceOf(error)));
	};
	useEffect(ask, [name]);
	const range = outcomeRange();
	const rates = useMemo(
		() => new Map(typeof ofTime === "object" && ofTime !== null ? ofTime.hosts.map(({ host, success_rate }) => [host, success_rate]) : []),
		[ofTime],
	);
	const columns = useMemo(() => columnsOf(range, rates), [range, rates]);
	if (answer === null) return <p class="dim">Asking …</p>;
	if (typeof answer === "string") return <p class="fault">{answer}</p>;
	if (answer.hosts.length === 0 && answer.proxies.length === 0)
		return (
			<Empty title="Nothing was reported yet">
				<p>
					The gateway and the middlewares report what came of each request by themselves; anything else does so by <code>POST /report</code>
					. Then a site that bans is known, and its proxies cool down.
				</p>
				<p>
					<a href={href("use", [], name === undefined ? {} : { pool: name })}>Use it</a> has the gateway's command.
				</p>
			</Empty>
		);
	return (
		<>
			<OutcomeCharts answer={ofTime} />
			<SearchTable
				title="Sites"
				columns={columns}
				rows={answer.hosts}
				id={({ host }) => host}
				texts={({ host }) => [host]}
				placeholder="Filter: example.com"
				named="Filter sites"
				open={({ host }) => go(href("sites", [host], name === undefined ? {} : { pool: name }))}
				empty={null}
			/>
			<Worst proxies={answer.proxies} />
			<div class="buttons start">
				<button type="button" disabled={!canAct.value} onClick={ask}>
					Ask again
				</button>
			</div>
		</>
	);
}

/** One site over time. */
function Site({ host }: { readonly host: string }) {
	const pool = route.value.query.get("pool") ?? "";
	const answer = useOutcomes({ range: outcomeRange(), host, ...(pool === "" ? {} : { pool }) });
	return (
		<>
			<p class="crumbs">
				<a href={href("sites")}>Sites</a>
			</p>
			<header class="title">
				<div>
					<h1 class="mono">{host}</h1>
					<p class="dim">What came of requests to it, as clients report.</p>
				</div>
				<div class="filters">{pools.value.length > 1 && <PoolChoice pool={pool} />}</div>
			</header>
			<OutcomeCharts answer={answer} />
		</>
	);
}

export function Sites() {
	const { parts, query } = route.value;
	if (parts[0] !== undefined && parts[0] !== "") return <Site host={parts[0]} />;
	const name = query.get("pool") ?? "";
	const pool = pools.value.find((one) => nameOf(one) === name);
	return (
		<>
			<header class="title">
				<div>
					<h1>Sites</h1>
					<p class="dim">What came of requests, as clients report it: the gateway and the middlewares do so by themselves.</p>
				</div>
				<div class="filters">{pools.value.length > 1 && <PoolChoice pool={name} />}</div>
			</header>
			<Reported key={name} {...(pool === undefined ? {} : { pool })} />
		</>
	);
}
