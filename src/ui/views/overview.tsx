/** Is it well? What does it cost? What is it doing, and why? */
import type { ComponentChildren } from "preact";
import { nameOf, run, runConsequence } from "../model/actions.ts";
import type { Pool, State } from "../model/api.ts";
import { count, digits, money, monthly, percent, rate, sentence } from "../model/format.ts";
import { standing } from "../model/phases.ts";
import { href, hrefOfPool } from "../model/route.ts";
import { now, state } from "../model/store.ts";
import { Bar, countsOf, inWords, Legend } from "../parts/bar.tsx";
import { Action, Ago, Code, Dot, Empty, Icon } from "../parts/basics.tsx";
import { Charts } from "../parts/charts.tsx";
import { RunButtons } from "../parts/pool-actions.tsx";
import { Stepper } from "../parts/scale.tsx";
import { LatestEvents } from "./events.tsx";

export function Tile({
	name,
	children,
	note,
	tone = "",
}: {
	readonly name: string;
	readonly children: ComponentChildren;
	readonly note?: ComponentChildren;
	readonly tone?: string;
}) {
	return (
		<div class={`tile ${tone}`}>
			<dt>{name}</dt>
			<dd>{children}</dd>
			{note !== undefined && <dd class="note">{note}</dd>}
		</div>
	);
}

/** Sums over all pools whose load is known; null: of none. */
function loadOf(pools: readonly Pool[]) {
	const known = pools.flatMap(({ load }) => load ?? []);
	if (known.length === 0) return null;
	const sum = (read: (load: (typeof known)[number]) => number) => known.reduce((total, load) => total + read(load), 0);
	return {
		connections: sum((load) => load.connections),
		requests: sum((load) => load.requests),
		bytes: sum((load) => load.bytes),
		errors: sum((load) => load.errors),
	};
}

function costsOf(pools: readonly Pool[]): readonly (readonly [currency: string, hourly: number])[] {
	const sums = new Map<string, number>();
	for (const { cost } of pools) if (cost) sums.set(cost.currency, (sums.get(cost.currency) ?? 0) + cost.hourly);
	return [...sums].sort();
}

function Tiles({ seen }: { readonly seen: State }) {
	const { pools, budget } = seen;
	const ready = pools.reduce((sum, pool) => sum + pool.ready, 0);
	const wanted = pools.reduce((sum, pool) => sum + pool.wanted, 0);
	const most = pools.reduce((sum, pool) => sum + pool.scaling.max_scaling, 0);
	const load = loadOf(pools);
	const costs = costsOf(pools);
	const traffic = load === null ? null : rate(load.bytes);
	const isOne = costs.length === 1;
	const bound = (currency: string) => budget.find((one) => one.currency === currency) ?? budget.find((one) => one.currency === null);
	return (
		<dl class="tiles">
			<Tile name="Ready / wanted" note={`${most} at most`}>
				{ready}
				<small> / {wanted}</small>
			</Tile>
			<Tile name="Connections" note={load === null ? "not reported yet" : `${digits(load.requests)} requests/s`}>
				{load === null ? "–" : digits(load.connections)}
			</Tile>
			<Tile name="Traffic" note="both ways, as last reported">
				{traffic === null ? (
					"–"
				) : (
					<>
						{traffic.value}
						<small> {traffic.unit}</small>
					</>
				)}
			</Tile>
			<Tile name="Errors" note={load === null ? "not reported yet" : `${digits(load.errors)} a second`}>
				{load === null ? "–" : load.requests > 0 ? percent(Math.min(1, load.errors / load.requests)) : percent(0)}
			</Tile>
			<Tile
				name="Cost"
				note={
					costs.length === 0
						? `${count(seen.billed, "VM")} billed`
						: costs.map(([currency, hourly]) => {
								const most = bound(currency);
								const says = [
									...(isOne ? [`${monthly(hourly, currency)}/mo`] : []),
									...(most === undefined ? [] : [`of ${money(most.hourly, currency)}/h`]),
								];
								return says.length === 0 ? null : (
									<span key={currency} class="line">
										{says.join(" · ")}
									</span>
								);
							})
				}
			>
				{costs.length === 0
					? "–"
					: costs.map(([currency, hourly]) => (
							<span key={currency} class="line">
								{money(hourly, currency)}
								<small>/h{isOne ? "" : ` · ${monthly(hourly, currency)}/mo`}</small>
							</span>
						))}
			</Tile>
		</dl>
	);
}

function Problems({ seen }: { readonly seen: State }) {
	const ill = seen.pools.filter(({ status, problems }) => status === "degraded" && problems.length > 0);
	if (ill.length === 0 && seen.problems.length === 0) return null;
	return (
		<section class="problems" aria-label="What is wrong">
			<ul>
				{seen.problems.map((problem) => (
					<li key={problem}>
						<Icon name="warn" />
						<p>{sentence(problem, now.value)}</p>
					</li>
				))}
				{ill.map((pool) => (
					<li key={pool.endpoint}>
						<Icon name="warn" />
						<p>
							<a href={hrefOfPool(pool)}>{nameOf(pool)}</a> {pool.problems.map((problem) => sentence(problem, now.value)).join(" · ")}
						</p>
						<div class="buttons">
							<Action onClick={() => void run(pool, "start")} title={runConsequence(pool, "start")}>
								Try now
							</Action>
							<a class="button" href={href("pool", [pool.provider, pool.instance], { tab: "plan" })}>
								Why
							</a>
						</div>
					</li>
				))}
			</ul>
		</section>
	);
}

/** Pools with agents older than the one that new VMs get. */
function Outdated({ seen }: { readonly seen: State }) {
	const old = seen.pools.filter(({ outdated }) => (outdated ?? 0) > 0);
	if (old.length === 0) return null;
	return (
		<p class="banner mild inset" role="status">
			An older agent than the {seen.agent} that new VMs get runs in{" "}
			{old.map((pool, index) => (
				<span key={pool.endpoint}>
					{index > 0 && ", "}
					<a href={hrefOfPool(pool)}>{nameOf(pool)}</a> ({pool.outdated})
				</span>
			))}
			. Roll now, in the pool, replaces them a few at a time.
		</p>
	);
}

function PoolCard({ pool }: { readonly pool: Pool }) {
	const { dot, word } = standing(pool);
	const place = [pool.region, pool.size].filter((part) => part !== null && part !== undefined && part !== "").join(" · ");
	return (
		<li class="pool">
			<div class="who">
				<Dot is={dot} />
				<a href={hrefOfPool(pool)} data-row={pool.endpoint}>
					{pool.provider}/<wbr />
					{pool.instance}
				</a>
				<span class="state">
					{word}
					{pool.since !== null && (
						<span class="dim">
							, <Ago at={pool.since} plain />
						</span>
					)}
				</span>
				<span class="dim place">{place}</span>
			</div>
			<div class="have">
				<Bar pool={pool} />
				<span class="figures">
					<strong>{pool.ready}</strong>/{pool.wanted}
				</span>
				<span class="hidden">{inWords(countsOf(pool))}</span>
			</div>
			<div class="load">
				{pool.load === null ? (
					<span class="dim">–</span>
				) : (
					<span>
						{digits(pool.load.connections)} <small>conn.</small>
					</span>
				)}
			</div>
			<div class="cost">
				{pool.cost ? (
					<span>
						{money(pool.cost.hourly, pool.cost.currency)}
						<small>/h</small>
					</span>
				) : (
					<span class="dim">{pool.unpriced === undefined ? "–" : "price not known"}</span>
				)}
			</div>
			<div class="do">
				{pool.state === "paused" || pool.state === "stopped" ? (
					<RunButtons pool={pool} />
				) : (
					pool.state !== "removing" && <Stepper pool={pool} />
				)}
				<a class="button" href={href("use", [], { pool: nameOf(pool) })}>
					Use
				</a>
			</div>
		</li>
	);
}

export function Overview() {
	const seen = state.value;
	if (seen === null) return null;
	const all = seen.pools.reduce(
		(sum, pool) => {
			const counts = countsOf(pool);
			for (const look of Object.keys(sum) as (keyof typeof sum)[]) sum[look] += counts[look];
			return sum;
		},
		{ ready: 0, unready: 0, booting: 0, draining: 0, missing: 0 },
	);
	return (
		<>
			<h1 class="hidden">Overview</h1>
			<Problems seen={seen} />
			<Outdated seen={seen} />
			<Tiles seen={seen} />
			{seen.pools.length === 0 ? (
				<Empty title="There is no pool yet">
					<p>A pool keeps proxies at one cloud. Two settings make the first one, within a minute:</p>
					<Code
						what="the commands"
						text={
							"npx wrangler secret put DIGITALOCEAN_ACCESS_TOKEN\nnpx wrangler secret put DIGITALOCEAN_ENABLED   # True: VMs are launched, and billed\n"
						}
					/>
					<p>
						Or <a href={href("endpoints", ["new"])}>create an endpoint</a> here. <a href={href("clouds")}>Clouds</a> says what each cloud
						needs.
					</p>
				</Empty>
			) : (
				<section aria-labelledby="pools">
					<div class="heading">
						<h2 id="pools">Pools</h2>
						<Legend counts={all} />
					</div>
					<ul class="pools">
						{seen.pools.map((pool) => (
							<PoolCard key={pool.endpoint} pool={pool} />
						))}
					</ul>
				</section>
			)}
			{seen.pools.length > 0 && <Charts pool={null} which={["ready", "traffic", "success"]} />}
			{seen.pools.length > 0 && <LatestEvents />}
		</>
	);
}
