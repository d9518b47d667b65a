/** What each cloud needs, whether it has it, what it costs, and what else is in its account. */
import { useEffect, useState } from "preact/hooks";
import { nameOf } from "../model/actions.ts";
import { api, done, type Pool, type Schemas, sentenceOf } from "../model/api.ts";
import { count, money, sentence } from "../model/format.ts";
import { standing } from "../model/phases.ts";
import { href, hrefOfPool, route } from "../model/route.ts";
import { canAct, now, pools } from "../model/store.ts";
import { Dot } from "../parts/basics.tsx";
import { Markdown } from "../parts/markdown.tsx";
import { useConfiguration } from "./pool.tsx";

interface Guide {
	readonly title: string;
	readonly credentials: string;
	readonly settings: readonly {
		readonly field: string;
		readonly variable: string;
		readonly usual: string | null;
		readonly is: string;
		readonly secret: boolean;
	}[];
}
type Guides = Readonly<Record<string, Guide>>;

let kept: Guides | null = null;

function useGuides(): Guides | string | null {
	const [guides, setGuides] = useState<Guides | string | null>(kept);
	useEffect(() => {
		if (kept !== null) return;
		fetch("/ui/clouds.json")
			.then(async (answer) => {
				kept = (await answer.json()) as Guides;
				setGuides(kept);
			})
			.catch(() => setGuides("What the clouds need cannot be read now: Muster does not answer."));
	}, []);
	return guides;
}

function Summary({ own }: { readonly own: readonly Pool[] }) {
	if (own.length === 0) return <span class="dim">not used</span>;
	const costs = new Map<string, number>();
	for (const { cost } of own) if (cost) costs.set(cost.currency, (costs.get(cost.currency) ?? 0) + cost.hourly);
	const billed = own.reduce((sum, pool) => sum + (pool.billed ?? 0), 0);
	return (
		<span>
			{own.reduce((sum, pool) => sum + pool.ready, 0)} ready, {billed} billed
			{[...costs].map(([currency, hourly]) => ` · ${money(hourly, currency)}/h`)}
		</span>
	);
}

/** Asks the cloud itself, by a call that creates nothing. */
function Check({ provider, instance }: { readonly provider: string; readonly instance: string }) {
	const [answer, setAnswer] = useState<Schemas["AccountCheck"] | string | "asking" | null>(null);
	const check = async () => {
		setAnswer("asking");
		setAnswer(
			await done(api.POST("/providers/{provider}/{instance}/check", { params: { path: { provider, instance } } })).catch(sentenceOf),
		);
	};
	return (
		<div class="buttons start">
			<button type="button" onClick={check} disabled={answer === "asking" || !canAct.value}>
				{answer === "asking" ? "Checking …" : "Check credentials"}
			</button>
			<span role="status">
				{typeof answer === "string" && answer !== "asking" && <span class="fault">{answer}</span>}
				{typeof answer === "object" && answer !== null && (
					<>
						<span class={answer.ok ? "good" : "fault"}>{answer.message}</span>{" "}
						<span class="dim">
							{answer.ms} ms
							{answer.vms === null ? "" : `; ${count(answer.vms.own, "VM")} of this deployment, ${answer.vms.others} of others`}
						</span>
					</>
				)}
			</span>
		</div>
	);
}

function Cloud({ cloud, guide }: { readonly cloud: string; readonly guide: Guide }) {
	const own = pools.value.filter(({ provider }) => provider === cloud);
	const [first] = own;
	const configuration = useConfiguration(first?.endpoint);
	const set = typeof configuration === "object" && configuration !== null ? (configuration[`cloud:${cloud}`] ?? {}) : {};
	return (
		<>
			<p class="crumbs">
				<a href={href("clouds")}>Clouds</a>
			</p>
			<header class="title">
				<div>
					<h1>{guide.title}</h1>
					<p>
						<Summary own={own} />
					</p>
				</div>
			</header>
			{own.map((pool) => (
				<section key={pool.endpoint} class="card">
					<h2>
						<Dot is={standing(pool).dot} /> <a href={hrefOfPool(pool)}>{nameOf(pool)}</a>
					</h2>
					{pool.problems.length === 0 ? (
						<p class="dim">Nothing is wrong, and nothing is in its account that it does not know.</p>
					) : (
						<ul>
							{pool.problems.map((problem) => (
								<li key={problem}>{sentence(problem, now.value)}</li>
							))}
						</ul>
					)}
					<Check provider={pool.provider} instance={pool.instance} />
				</section>
			))}
			{own.length === 0 && (
				<section class="card">
					<h2>No pool runs here</h2>
					<p class="dim">Whether the credentials that are set are good can be tried all the same.</p>
					<Check provider={cloud} instance="default" />
				</section>
			)}
			<section>
				<h2>Settings{first === undefined ? "" : ` of ${nameOf(first)}`}</h2>
				<ul class="needs">
					{guide.settings.map(({ field, variable, usual, is, secret }) => {
						const value = set[field];
						const isSet = value !== undefined && value !== null && value !== "";
						return (
							<li key={field}>
								<code>{variable}</code>
								<span class={isSet ? "mono" : "dim"}>
									{isSet
										? secret
											? "set, hidden"
											: String(value)
										: secret && first === undefined
											? "not set"
											: usual === null
												? "not set"
												: `${usual.replaceAll("`", "")} (usual)`}
								</span>
								<span class="dim">{is.replaceAll("`", "")}</span>
							</li>
						);
					})}
				</ul>
			</section>
			<section>
				<h2>Credentials and permissions</h2>
				<Markdown text={guide.credentials} />
			</section>
		</>
	);
}

export function Clouds() {
	const guides = useGuides();
	const [cloud] = route.value.parts;
	if (guides === null) return <p class="dim">Asking …</p>;
	if (typeof guides === "string") return <p class="fault">{guides}</p>;
	const guide = cloud === undefined ? undefined : guides[cloud];
	if (cloud !== undefined && guide !== undefined) return <Cloud key={cloud} cloud={cloud} guide={guide} />;
	return (
		<>
			<header class="title">
				<div>
					<h1>Clouds</h1>
					<p class="dim">What each needs, whether it has it, and what it costs.</p>
				</div>
			</header>
			<ul class="endpoints">
				{Object.entries(guides).map(([name, { title }]) => {
					const own = pools.value.filter(({ provider }) => provider === name);
					const isIll = own.some(({ status }) => status === "degraded");
					return (
						<li key={name}>
							<Dot is={own.length === 0 ? "off" : isIll ? "wrong" : "good"} />
							<a href={href("clouds", [name])} data-row={name}>
								{title}
							</a>
							<Summary own={own} />
							<span class="dim">{own.map(({ instance }) => instance).join(", ")}</span>
						</li>
					);
				})}
			</ul>
		</>
	);
}
