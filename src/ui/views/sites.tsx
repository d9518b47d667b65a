/** How requests to each site fare, as clients report, and which proxies fare worst. */
import { useEffect, useState } from "preact/hooks";
import { api, done, type Schemas, sentenceOf } from "../model/api.ts";
import { count, percent } from "../model/format.ts";
import { href, refine, route } from "../model/route.ts";
import { canAct, pay, pools } from "../model/store.ts";
import { Ago, Empty } from "../parts/basics.tsx";
import { type Column, sorted, Table } from "../parts/table.tsx";

type Answer = Schemas["Outcomes"];
type Site = Answer["hosts"][number];
type Fared = Answer["proxies"][number];

const MOST = 2_000;
/** More of the proxies than somebody looks through. */
const WORST = 20;

const bad = ({ banned, captcha, error, timeout }: Pick<Site, "banned" | "captcha" | "error" | "timeout">): string =>
	[
		[banned, "banned"],
		[captcha, "captcha"],
		[error, "error"],
		[timeout, "timeout"],
	]
		.filter(([times]) => times !== 0)
		.map(([times, what]) => `${times} ${what}`)
		.join(", ");

const COLUMNS: readonly Column<Site>[] = [
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

export function Sites() {
	const [answer, setAnswer] = useState<Answer | string | null>(null);
	const ask = () => {
		pay(1 + pools.peek().length);
		done(api.GET("/outcomes", { params: { query: { limit: MOST } } })).then(setAnswer, (error) => setAnswer(sentenceOf(error)));
	};
	useEffect(ask, []);
	const { query } = route.value;
	const [filter, sort] = [query.get("filter") ?? "", query.get("sort") ?? ""];
	const hosts = typeof answer === "object" && answer !== null ? answer.hosts : [];
	const rows = sorted(
		hosts.filter(({ host }) => host.includes(filter.trim().toLowerCase())),
		COLUMNS,
		sort,
	);
	return (
		<>
			<header class="title">
				<div>
					<h1>Sites</h1>
					<p class="dim">What came of requests, as clients report it: the gateway and the middlewares do so by themselves.</p>
				</div>
				<div class="buttons">
					<button type="button" disabled={!canAct.value} onClick={ask}>
						Ask again
					</button>
				</div>
			</header>
			{answer === null && <p class="dim">Asking …</p>}
			{typeof answer === "string" && <p class="fault">{answer}</p>}
			{typeof answer === "object" && answer !== null && (
				<>
					{hosts.length > 0 && (
						<div class="filters">
							<input
								type="search"
								placeholder="Filter: example.com"
								aria-label="Filter sites"
								value={filter}
								onInput={(event) => refine({ filter: event.currentTarget.value })}
							/>
						</div>
					)}
					<Table
						label="Sites"
						columns={COLUMNS}
						rows={rows}
						id={({ host }) => host}
						sort={sort}
						onSort={(next) => refine({ sort: next })}
						empty={
							<Empty title={hosts.length === 0 ? "Nothing was reported yet" : "No site matches"}>
								<p>
									{hosts.length === 0
										? "POST /report says what came of a request: then a site that bans is known, and its proxies cool down."
										: "Clear the filter to see all."}
								</p>
							</Empty>
						}
					/>
					<Worst proxies={answer.proxies} />
				</>
			)}
		</>
	);
}
