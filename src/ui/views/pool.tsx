/** One pool: its target and why, its proxies, its log, its settings. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { destroy, nameOf, priceOf, restart } from "../model/actions.ts";
import { api, done, type Pool, type Proxy, type Schemas, sentenceOf } from "../model/api.ts";
import { count, digits, money, monthly, percent, rate, sentence } from "../model/format.ts";
import { lookOf, PHASE_ORDER, standing } from "../model/phases.ts";
import { go, href, refine, route } from "../model/route.ts";
import { now, poolNamed, state } from "../model/store.ts";
import { Bar, countsOf, Legend } from "../parts/bar.tsx";
import { Action, Ago, Copy, Dot, Empty } from "../parts/basics.tsx";
import { Charts } from "../parts/charts.tsx";
import { ask } from "../parts/dialog.tsx";
import { GoneVms } from "../parts/gone.tsx";
import { Log } from "../parts/log.tsx";
import { DryRun, Reasons, usePlan } from "../parts/plan.tsx";
import { askRoll, RunButtons } from "../parts/pool-actions.tsx";
import { Rolling } from "../parts/rolling.tsx";
import { openScale } from "../parts/scale.tsx";
import { SearchTable } from "../parts/search-table.tsx";
import type { Column } from "../parts/table.tsx";
import { Tile } from "./overview.tsx";
import { Reported } from "./sites.tsx";

type Configuration =
	NonNullable<Schemas["ConsoleState"]> extends never ? never : Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Its configuration as the API shows it, secrets masked; a sentence where it cannot be had. */
export function useConfiguration(endpoint: string | undefined): Configuration | string | null {
	const [configuration, setConfiguration] = useState<Configuration | string | null>(null);
	useEffect(() => {
		setConfiguration(null);
		if (endpoint === undefined) return;
		let isCurrent = true;
		done(api.GET("/v1.1/endpoints/{endpoint}", { params: { path: { endpoint } } })).then(
			(answer) => isCurrent && setConfiguration(answer as Configuration),
			(error) => isCurrent && setConfiguration(sentenceOf(error)),
		);
		return () => {
			isCurrent = false;
		};
	}, [endpoint]);
	return configuration;
}

/** A proxy of somebody else's takes no orders: no VM is behind it. */
export function isOrdered(proxy: Proxy): boolean {
	return proxy.address !== null && isOwn(proxy);
}

/** No id of an own one holds a colon. */
function isOwn({ id }: Proxy): boolean {
	return !id.includes(":");
}

export function askDestroy(pool: Pool, proxy: Proxy): void {
	const open = proxy.load?.connections ?? 0;
	ask({
		title: `Destroy ${proxy.address ?? proxy.id}?`,
		body: (
			<p>
				Its VM is deleted at once, without draining{open > 0 ? `: ${count(open, "open connection")} will break` : ""}. {nameOf(pool)}{" "}
				replaces it as far as its target asks for it.
			</p>
		),
		verb: "Destroy",
		isDanger: true,
		act: () => void destroy(pool, proxy),
	});
}

export function askRestart(pool: Pool, proxy: Proxy): void {
	ask({
		title: `Restart ${proxy.address ?? proxy.id}?`,
		body: (
			<p>
				Its VM is switched off and on by {pool.provider}. It leaves the list at once and comes back when it is healthy; its connections
				break.
			</p>
		),
		verb: "Restart",
		act: () => void restart(pool, proxy),
	});
}

export function PhaseWord({ phase, since }: { readonly phase: Proxy["phase"]; readonly since?: string }) {
	return (
		<span class={`phase ${lookOf(phase)}`}>
			<span class={`part ${lookOf(phase)}`} aria-hidden="true" />
			{phase}
			{since !== undefined && (
				<span class="dim">
					{" "}
					<Ago at={since} plain />
				</span>
			)}
		</span>
	);
}

/** `hasOutcomes`: clients report what came of their requests. */
function columnsOf(pool: Pool, hasOutcomes: boolean): readonly Column<Proxy>[] {
	const flow = (bytes: number) => {
		const { value, unit } = rate(bytes);
		return (
			<>
				{value} <small>{unit}</small>
			</>
		);
	};
	const loads = (read: (load: NonNullable<Proxy["load"]>) => number) => (proxy: Proxy) => (proxy.load === null ? null : read(proxy.load));
	return [
		{
			key: "address",
			title: "Address",
			width: "minmax(112px, 1.1fr)",
			card: "head",
			by: ({ address }) => address,
			cell: ({ address, id }) => <span class="mono">{address ?? <span class="dim">{id}</span>}</span>,
		},
		{
			key: "phase",
			title: "Phase",
			width: "minmax(136px, 1fr)",
			card: "side",
			by: ({ phase }) => PHASE_ORDER.indexOf(phase),
			cell: ({ phase, since }) => <PhaseWord phase={phase} since={since} />,
		},
		{
			key: "region",
			title: "Region",
			width: "minmax(64px, 0.5fr)",
			isSpare: true,
			card: "none",
			by: ({ region }) => region,
			cell: ({ region, size }) => <span title={size ?? ""}>{region ?? <span class="dim">–</span>}</span>,
		},
		{
			key: "why",
			title: "Why",
			width: "minmax(64px, 1.4fr)",
			card: "line",
			by: ({ why }) => why,
			cell: ({ why }) => <span class="dim cut">{why}</span>,
		},
		{
			key: "age",
			title: "Age",
			width: "84px",
			isNumber: true,
			card: "none",
			by: ({ created_at }) => -Date.parse(created_at) || null,
			cell: ({ created_at }) => <Ago at={Date.parse(created_at) || null} plain />,
		},
		{
			key: "connections",
			title: "Conn.",
			width: "44px",
			isNumber: true,
			card: "line",
			by: loads(({ connections }) => connections),
			cell: ({ load }) =>
				load === null ? (
					<span class="dim">–</span>
				) : (
					<>
						{load.connections} <small class="narrow">conn.</small>
					</>
				),
		},
		{
			key: "requests",
			title: "Req/s",
			width: "48px",
			isSpare: true,
			isNumber: true,
			card: "none",
			by: loads(({ requests }) => requests),
			cell: ({ load }) => (load === null ? <span class="dim">–</span> : digits(load.requests)),
		},
		{
			key: "traffic",
			title: "Traffic",
			width: "72px",
			isNumber: true,
			card: "line",
			by: loads(({ bytes }) => bytes),
			cell: ({ load }) => (load === null ? <span class="dim">–</span> : flow(load.bytes)),
		},
		{
			key: "errors",
			title: "Err/s",
			width: "44px",
			isSpare: true,
			isNumber: true,
			card: "none",
			by: loads(({ errors }) => errors),
			cell: ({ load }) => (load === null ? <span class="dim">–</span> : digits(load.errors)),
		},
		{
			key: "price",
			title: "Per hour",
			width: "68px",
			isSpare: true,
			isNumber: true,
			card: "none",
			by: ({ price }) => price?.hourly ?? null,
			cell: ({ price }) => (price === null ? <span class="dim">–</span> : money(price.hourly, price.currency)),
		},
		{
			key: "agent",
			title: "Agent",
			width: "44px",
			isSpare: true,
			card: "none",
			by: ({ agent }) => agent,
			cell: ({ agent }) => agent ?? <span class="dim">–</span>,
		},
		...(hasOutcomes
			? [
					{
						key: "success",
						title: "Success",
						width: "60px",
						isNumber: true,
						card: "none",
						by: ({ outcomes }: Proxy) => outcomes?.success_rate ?? null,
						cell: ({ outcomes }: Proxy) =>
							outcomes === null ? (
								<span class="dim">–</span>
							) : (
								<span title={`${count(outcomes.reported, "request")} reported; cools down for ${count(outcomes.cooling, "site")}`}>
									{percent(outcomes.success_rate)}
								</span>
							),
					} as const,
				]
			: []),
		{
			key: "do",
			title: "",
			width: "204px",
			card: "side",
			cell: (proxy) => (
				<span class="does">
					{proxy.url !== null && <Copy text={proxy.url} what={`the URL of ${proxy.address}`} />}
					{isOrdered(proxy) && proxy.phase !== "deleting" && (
						<>
							<Action onClick={() => askRestart(pool, proxy)} label={`Restart ${proxy.address}`} disabled={proxy.phase === "restarting"}>
								Restart
							</Action>
							<Action kind="danger" onClick={() => askDestroy(pool, proxy)} label={`Destroy ${proxy.address}`}>
								Destroy
							</Action>
						</>
					)}
				</span>
			),
		},
	];
}

function Proxies({ pool, proxies }: { readonly pool: Pool; readonly proxies: readonly Proxy[] }) {
	const phase = route.value.query.get("phase") ?? "";
	const hasOutcomes = proxies.some(({ outcomes }) => outcomes !== null);
	const columns = useMemo(() => columnsOf(pool, hasOutcomes), [pool, hasOutcomes]);
	const looks = [...new Set(proxies.map((proxy) => lookOf(proxy.phase)))];
	return (
		<SearchTable
			title="Proxies"
			label={`Proxies of ${nameOf(pool)}`}
			columns={columns}
			rows={proxies}
			id={({ id }) => id}
			texts={({ address, id, vm, region, why, phase, agent }) => [address, id, vm, region, why, phase, agent]}
			placeholder="Filter: address, VM, reason"
			named="Filter proxies"
			usualSort="phase"
			open={(proxy) => go(href("proxy", [pool.provider, pool.instance, proxy.id]))}
			choice={{
				param: "phase",
				isMeant: (proxy) => phase === "" || lookOf(proxy.phase) === phase,
				control: looks.length > 1 && (
					<select aria-label="Phase" value={phase} onChange={(event) => refine({ phase: event.currentTarget.value })}>
						<option value="">all phases</option>
						{looks.map((look) => (
							<option key={look} value={look}>
								{look}
							</option>
						))}
					</select>
				),
			}}
			empty={
				<Empty title="No proxy">
					<p>
						{pool.state === "stopped" || pool.state === "paused"
							? `The pool is ${pool.state}. Start it to have proxies.`
							: pool.wanted === 0
								? "None is wanted. Scale the pool up to have some."
								: "The first are about to be launched."}
					</p>
				</Empty>
			}
		/>
	);
}

/** Numbers that it keeps, and what they rest on. */
function Why({
	pool,
	configuration,
	plan,
}: {
	readonly pool: Pool;
	readonly configuration: Configuration | string | null;
	readonly plan: ReturnType<typeof usePlan>;
}) {
	const scaling = typeof configuration === "object" && configuration !== null ? configuration.scaling : undefined;
	const rules = Array.isArray(scaling?.rules) ? (scaling.rules as readonly string[]) : [];
	const { min_scaling: min, max_scaling: max } = pool.scaling;
	const of = (name: string) =>
		scaling?.[name] === undefined || scaling[name] === null || scaling[name] === "" ? null : String(scaling[name]);
	return (
		<dl class="facts">
			<dt>Wanted</dt>
			<dd>
				<strong>{pool.wanted}</strong>{" "}
				{pool.state === "stopped"
					? "as it is stopped"
					: rules.length === 0
						? min === max
							? "as its bounds say"
							: `the fewest that its bounds allow (${min} to ${max}): there is no rule`
						: `as the load asks for, between ${min} and ${max}`}
			</dd>
			{typeof plan === "object" && plan !== null && <Reasons plan={plan} pool={pool} />}
			{pool.load !== null && (
				<>
					<dt>Load</dt>
					<dd>
						{count(pool.load.connections, "connection")}, {digits(pool.load.requests)} requests/s, {rate(pool.load.bytes).value}{" "}
						{rate(pool.load.bytes).unit}
					</dd>
				</>
			)}
			<dt>Cost</dt>
			<dd>
				{pool.cost ? (
					<>
						{money(pool.cost.hourly, pool.cost.currency)}/h, {monthly(pool.cost.hourly, pool.cost.currency)} a month, for{" "}
						{count(pool.vms, "VM")}
						{of("max_hourly_cost") === null ? "" : `; at most ${money(Number(of("max_hourly_cost")), pool.cost.currency)}/h`}
						<span class="dim">
							{" "}
							· price <Ago at={pool.cost.asOf} />
						</span>
					</>
				) : (
					<span class="dim">{pool.unpriced ?? "not known yet"}</span>
				)}
			</dd>
			<dt>Place</dt>
			<dd>{[pool.region, pool.size].filter(Boolean).join(" · ") || <span class="dim">–</span>}</dd>
		</dl>
	);
}

function Settings({ configuration }: { readonly configuration: Configuration | string | null }) {
	if (configuration === null) return <p class="dim">Asking …</p>;
	if (typeof configuration === "string") return <p class="fault">{configuration}</p>;
	return (
		<div class="settings">
			{Object.entries(configuration).map(([section, values]) => (
				<section key={section}>
					<h3>{section}</h3>
					<dl>
						{Object.entries(values).map(([key, value]) => (
							<div key={key}>
								<dt>{key}</dt>
								<dd class={value === "********" ? "dim" : "mono"}>
									{value === "********"
										? "hidden"
										: Array.isArray(value)
											? value.length === 0
												? "none"
												: value.join(", ")
											: String(value ?? "–")}
								</dd>
							</div>
						))}
					</dl>
				</section>
			))}
		</div>
	);
}

const TABS = ["proxies", "sites", "history", "plan", "log", "settings"] as const;

export function PoolView() {
	const { parts, query } = route.value;
	const pool = poolNamed(parts[0], parts[1]);
	const configuration = useConfiguration(pool?.endpoint);
	const plan = usePlan(pool);
	const seen = state.value;
	if (seen === null) return null;
	if (pool === undefined)
		return (
			<Empty title={`There is no pool ${parts.slice(0, 2).join("/")}`} isPage>
				<p>
					It may have been removed. <a href={href("overview")}>All pools</a>
				</p>
			</Empty>
		);
	const { dot, word } = standing(pool);
	const selected = seen.selected?.provider === pool.provider && seen.selected.instance === pool.instance ? seen.selected : null;
	const tab = TABS.find((one) => one === query.get("tab")) ?? "proxies";
	const price = priceOf(pool);
	const load = pool.load;
	return (
		<>
			<header class="title">
				<div>
					<h1>{nameOf(pool)}</h1>
					<p class="state">
						<Dot is={dot} /> {word}
						{pool.since !== null && (
							<span class="dim">
								for <Ago at={pool.since} plain />
							</span>
						)}
					</p>
				</div>
				<div class="buttons">
					{pool.state !== "removing" && (
						<Action kind="main" onClick={() => openScale(pool)}>
							Scale
						</Action>
					)}
					<RunButtons pool={pool} />
					{selected?.proxies.some(isOwn) && pool.state !== "paused" && pool.state !== "stopped" && pool.state !== "removing" && (
						<Action onClick={() => askRoll(pool, selected.proxies.filter(isOwn))} title="Replace every proxy by a new one, a few at a time">
							Roll now
						</Action>
					)}
					<a class="button" href={href("use", [], { pool: nameOf(pool) })}>
						Use it
					</a>
					<a class="button" href={href("endpoints", [pool.endpoint])}>
						Edit
					</a>
				</div>
			</header>
			{pool.problems.length > 0 && (
				<section class="problems" aria-label="What is wrong">
					<ul>
						{pool.problems.map((problem) => (
							<li key={problem}>
								<span aria-hidden="true">⚠</span>
								<p>{sentence(problem, now.value)}</p>
							</li>
						))}
					</ul>
				</section>
			)}
			{(pool.outdated ?? 0) > 0 && (
				<p class="banner mild inset" role="status">
					{count(pool.outdated ?? 0, "proxy runs", "proxies run")} an older agent than the {seen.agent} that new VMs get. Roll now replaces
					them, a few at a time.
				</p>
			)}
			<dl class="tiles">
				<Tile name="Ready / wanted" note={`${pool.scaling.max_scaling} at most`}>
					{pool.ready}
					<small> / {pool.wanted}</small>
				</Tile>
				<Tile name="Connections" note={load === null ? "not reported yet" : `${digits(load.requests)} requests/s`}>
					{load === null ? "–" : digits(load.connections)}
				</Tile>
				<Tile name="Traffic" note="both ways">
					{load === null ? "–" : rate(load.bytes).value}
					{load !== null && <small> {rate(load.bytes).unit}</small>}
				</Tile>
				<Tile name="Cost" note={price === null ? `${pool.billed ?? 0} billed` : `${money(price.hourly, price.currency)} a VM`}>
					{pool.cost ? money(pool.cost.hourly, pool.cost.currency) : "–"}
					{pool.cost && <small>/h</small>}
				</Tile>
			</dl>
			<div class="phases">
				<Bar pool={pool} />
				<Legend counts={countsOf(pool)} />
			</div>
			<section aria-labelledby="why" class="card">
				<h2 id="why">Why {pool.wanted}</h2>
				<Why pool={pool} configuration={configuration} plan={plan} />
			</section>
			<nav class="tabs plain" aria-label="Of this pool">
				{TABS.map((one) => (
					<a
						key={one}
						href={href("pool", [pool.provider, pool.instance], one === "proxies" ? {} : { tab: one })}
						aria-current={tab === one ? "page" : undefined}
					>
						{one}
					</a>
				))}
			</nav>
			{tab === "proxies" && (selected === null ? <p class="dim">Asking …</p> : <Proxies pool={pool} proxies={selected.proxies} />)}
			{tab === "sites" && <Reported pool={pool} />}
			{tab === "history" && (
				<>
					<Charts pool={nameOf(pool)} which={["ready", "traffic", "connections", "requests", "success"]} />
					<GoneVms pool={pool} />
				</>
			)}
			{tab === "plan" && <DryRun pool={pool} plan={plan} />}
			{tab === "log" && (selected === null ? <p class="dim">Asking …</p> : <Log lines={selected.log} />)}
			{tab === "settings" && (
				<>
					<Rolling pool={pool} />
					<Settings configuration={configuration} />
				</>
			)}
		</>
	);
}
