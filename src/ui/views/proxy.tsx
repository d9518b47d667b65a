/** One proxy: its life, its connections, and what may be done to it. */
import { useEffect, useState } from "preact/hooks";
import { drop, nameOf } from "../model/actions.ts";
import { api, done, type Pool, type Proxy, type Schemas, sentenceOf } from "../model/api.ts";
import { count, digits, money, percent, rate } from "../model/format.ts";
import { useNewest } from "../model/newest.ts";
import { useOutcomes } from "../model/outcomes.ts";
import { href, hrefOfPool, route } from "../model/route.ts";
import { canAct, pay, poolNamed, state } from "../model/store.ts";
import { Action, Ago, Copy, Empty } from "../parts/basics.tsx";
import { Log } from "../parts/log.tsx";
import { OutcomeCharts, outcomeRange } from "../parts/outcomes.tsx";
import { Tile } from "./overview.tsx";
import { askDestroy, askRestart, isOrdered, PhaseWord } from "./pool.tsx";

function Sessions({ pool, proxy }: { readonly pool: Pool; readonly proxy: Proxy }) {
	const [sessions, setSessions] = useState<readonly string[] | string | null>(null);
	const newest = useNewest<readonly string[]>(setSessions);
	const ask = () => {
		pay(2);
		newest(
			done(api.GET("/v1.1/endpoints/{endpoint}/sessions", { params: { path: { endpoint: pool.endpoint } } })).then((all) =>
				Object.entries(all)
					.filter(([, at]) => at.startsWith(`${proxy.address}:`))
					.map(([client]) => client)
					.sort(),
			),
		);
	};
	useEffect(ask, [pool.endpoint, proxy.id, proxy.load?.connections]);
	if (typeof sessions === "string") return <p class="fault">{sessions}</p>;
	if (sessions === null) return <p class="dim">Asking …</p>;
	if (sessions.length === 0)
		return (
			<p class="dim">
				Nobody is connected through it, as its agent last told. <a href={href("use", [], { pool: nameOf(pool) })}>Use it</a>
			</p>
		);
	return (
		<ul class="sessions">
			{sessions.map((session) => (
				<li key={session}>
					<span class="mono">{session}</span>
					<Action
						label={`Drop ${session}`}
						onClick={async () => {
							await drop(pool, session);
							ask();
						}}
					>
						Drop
					</Action>
				</li>
			))}
		</ul>
	);
}

type Tested = Schemas["ConsoleState"] extends never
	? never
	: { ok: boolean; message: string; milliseconds: number; exit_address: string | null };

function Test({ address }: { readonly address: string }) {
	const [result, setResult] = useState<Tested | string | "asking" | null>(null);
	const test = async () => {
		setResult("asking");
		try {
			setResult(await done(api.POST("/ui/test", { params: { query: { ip_address: address } } })));
		} catch (error) {
			setResult(sentenceOf(error));
		}
	};
	return (
		<>
			<button type="button" onClick={test} disabled={result === "asking" || !canAct.value}>
				{result === "asking" ? "Testing …" : "Test"}
			</button>
			<span role="status" class="tested">
				{typeof result === "string" && result !== "asking" && <span class="fault">{result}</span>}
				{typeof result === "object" && result !== null && (
					<span class={result.ok ? "good" : "fault"}>
						{result.message} {result.milliseconds} ms{result.exit_address === null ? "" : `, seen from ${result.exit_address}`}
					</span>
				)}
			</span>
		</>
	);
}

function Fared({ proxy }: { readonly proxy: Proxy }) {
	return <OutcomeCharts answer={useOutcomes({ range: outcomeRange(), proxy: proxy.id })} />;
}

export function ProxyView() {
	const [provider, instance, id] = route.value.parts;
	const pool = poolNamed(provider, instance);
	const selected = state.value?.selected;
	const isHere = selected?.provider === provider && selected?.instance === instance;
	const proxy = isHere ? selected?.proxies.find((one) => one.id === id || one.address === id) : undefined;
	if (state.value === null || (pool !== undefined && !isHere)) return <p class="dim">Asking …</p>;
	if (pool === undefined || proxy === undefined)
		return (
			<Empty title="This proxy is gone" isPage>
				<p>
					{pool === undefined ? <a href={href("overview")}>All pools</a> : <a href={hrefOfPool(pool)}>{nameOf(pool)}</a>} has what came in
					its place.
				</p>
			</Empty>
		);
	const { address, phase, since, created_at, why, vm, url, load } = proxy;
	// The log names a proxy by its address, its VM, or its own id.
	const names = [proxy.id, ...(address === null ? [] : [address]), ...(vm === null ? [] : [vm])];
	const life = (selected?.log ?? []).filter(({ text }) => names.some((name) => text.split(/[\s,;:()]+/).includes(name)));
	return (
		<>
			<p class="crumbs">
				<a href={hrefOfPool(pool)}>{nameOf(pool)}</a>
			</p>
			<header class="title">
				<div>
					<h1 class="mono">{address ?? proxy.id}</h1>
					<p class="state">
						<PhaseWord phase={phase} />
						<span>
							<span class="dim">for</span> <Ago at={since} plain />
							{why !== "" && <span class="dim">: {why}</span>}
						</span>
					</p>
				</div>
				<div class="buttons">
					{url !== null && <Copy text={url} what="its URL" label="Copy URL" />}
					{address !== null && (
						<>
							<a class="button" href={href("use", [], { proxy: address, pool: nameOf(pool) })}>
								Use it
							</a>
							{isOrdered(proxy) && (
								<>
									<Action onClick={() => askRestart(pool, proxy)} disabled={phase === "restarting" || phase === "deleting"}>
										Restart
									</Action>
									<Action kind="danger" onClick={() => askDestroy(pool, proxy)} disabled={phase === "deleting"}>
										Destroy
									</Action>
								</>
							)}
						</>
					)}
				</div>
			</header>
			<dl class="tiles">
				<Tile name="Connections" note={load === null ? "nothing fresh reported" : `${digits(load.requests)} requests/s`}>
					{load === null ? "–" : load.connections}
				</Tile>
				<Tile name="Traffic" note="both ways">
					{load === null ? "–" : rate(load.bytes).value}
					{load !== null && <small> {rate(load.bytes).unit}</small>}
				</Tile>
				<Tile name="Errors" note="a second">
					{load === null ? "–" : digits(load.errors)}
				</Tile>
				<Tile name="Processor" note="of the VM">
					{load?.cpu === null || load === null ? "–" : `${Math.round((load.cpu ?? 0) * 100)}\u202f%`}
				</Tile>
			</dl>
			{address !== null && (
				<section class="card" aria-labelledby="test">
					<h2 id="test">Does it work?</h2>
					<p class="dim">Fetches this deployment's own probe page through it, as a client would.</p>
					<div class="buttons start">
						<Test key={address} address={address} />
					</div>
				</section>
			)}
			<div class="columns">
				<section aria-labelledby="life">
					<h2 id="life">Its life</h2>
					<dl class="facts">
						<dt>VM</dt>
						<dd class="mono">{vm ?? "not known yet"}</dd>
						<dt>Place</dt>
						<dd>{[proxy.region, proxy.size].filter(Boolean).join(" · ") || "–"}</dd>
						<dt>Price</dt>
						<dd>{proxy.price === null ? "–" : `${money(proxy.price.hourly, proxy.price.currency)}/h`}</dd>
						<dt>Agent</dt>
						<dd>
							{proxy.agent ?? "–"}
							{proxy.agent !== null && proxy.agent !== state.value.agent && <span class="dim">; new VMs get {state.value.agent}</span>}
						</dd>
						{proxy.outcomes !== null && (
							<>
								<dt>Success</dt>
								<dd>
									{percent(proxy.outcomes.success_rate)} of {count(proxy.outcomes.reported, "reported request")}
									{proxy.outcomes.cooling > 0 && `; it cools down for ${count(proxy.outcomes.cooling, "site")}`}
								</dd>
							</>
						)}
						<dt>Created</dt>
						<dd>
							<Ago at={Date.parse(created_at) || null} />
						</dd>
						<dt class="first">{phase}</dt>
						<dd>
							<Ago at={since} />
							{why === "" ? "" : `: ${why}`}
						</dd>
					</dl>
					<Log lines={life} most={50} />
				</section>
				<section aria-labelledby="sessions">
					<h2 id="sessions">Connections</h2>
					<Sessions pool={pool} proxy={proxy} />
				</section>
			</div>
			{proxy.outcomes !== null && <Fared proxy={proxy} />}
		</>
	);
}
