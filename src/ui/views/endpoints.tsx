/** Endpoints: the pools that are made over the API, and the names of all. */
import { signal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { nameOf } from "../model/actions.ts";
import { api, done, Refused, sentenceOf } from "../model/api.ts";
import { type Field, type Form, inert, isMain, sectionsFor, textOf, type Values, valuesOf, withoutEmpty } from "../model/configuration.ts";
import { standing } from "../model/phases.ts";
import { go, href, hrefOfPool, route } from "../model/route.ts";
import { canAct, pools, state } from "../model/store.ts";
import { carryOut } from "../model/tasks.ts";
import { Action, Dot, Empty } from "../parts/basics.tsx";
import { ask, closeSheet, show } from "../parts/dialog.tsx";
import { useConfiguration } from "./pool.tsx";

function useAsked<T>(call: () => Promise<T>, again: unknown): T | string | null {
	const [answer, setAnswer] = useState<T | string | null>(null);
	useEffect(() => {
		let isCurrent = true;
		call().then(
			(got) => isCurrent && setAnswer(got),
			(error) => isCurrent && setAnswer(sentenceOf(error)),
		);
		return () => {
			isCurrent = false;
		};
	}, [again]);
	return answer;
}

function AliasForm({ endpoint }: { readonly endpoint: string }) {
	const [name, setName] = useState("");
	const [fault, setFault] = useState<string | null>(null);
	return (
		<form
			onSubmit={async (event) => {
				event.preventDefault();
				try {
					await done(api.POST("/v1.1/endpoints/{endpoint}/alias", { params: { path: { endpoint } }, body: name }));
					closeSheet();
					named.value++;
				} catch (error) {
					setFault(sentenceOf(error));
				}
			}}
		>
			<label class="field">
				<span>Further name</span>
				<input value={name} onInput={(event) => setName(event.currentTarget.value)} aria-describedby="alias-says" spellcheck={false} />
			</label>
			<p id="alias-says" class={fault === null ? "dim" : "fault"} role="status">
				{fault ?? "It shares everything with the endpoint, and can be deleted by itself."}
			</p>
			<div class="buttons">
				<button type="button" onClick={closeSheet}>
					Cancel
				</button>
				<button type="submit" class="main" disabled={name === "" || !canAct.value}>
					Add name
				</button>
			</div>
		</form>
	);
}

/** Grows with each name that is given or taken. */
const named = signal(0);

function askDelete(name: string, others: number): void {
	const pool = pools.value.find(({ endpoint }) => endpoint === name);
	const billed = pool?.billed ?? 0;
	const call = (keep: boolean) => () => {
		void carryOut({
			title: `Deleting ${name}`,
			call: () =>
				done(
					api.DELETE("/v1.1/endpoints/{endpoint}", { params: { path: { endpoint: name }, ...(keep ? { query: { keep: "true" } } : {}) } }),
				).then(() => {
					named.value++;
				}),
			see: (seen) => {
				const left = seen.pools.find(({ endpoint }) => endpoint === name);
				return left === undefined ? { left: [], done: 1, of: 1 } : { left: ["still listed"], done: 0, of: 1 };
			},
			said: (took) =>
				`${name} is deleted, after ${took}${keep ? "; its VMs run on" : billed > 0 ? "; its VMs are drained and deleted now" : ""}.`,
		});
		go(href("endpoints"));
	};
	if (pool === undefined && others > 0) {
		ask({
			title: `Delete the name ${name}?`,
			body: <p>Only the name goes, as long as its pool has another one.</p>,
			verb: "Delete name",
			isDanger: true,
			act: call(false),
		});
		return;
	}
	ask({
		title: `Delete ${name}?`,
		body: (
			<>
				<p>
					With its last name the pool goes: its {billed === 1 ? "VM is" : `${billed} VMs are`} drained and deleted. Its settings are gone
					for good.
				</p>
				<p>
					<button
						type="button"
						class="link"
						onClick={() => {
							call(true)();
						}}
					>
						Delete it and keep the VMs
					</button>{" "}
					<span class="dim">They run on, and are not Muster's any more: you pay for them until you delete them.</span>
				</p>
			</>
		),
		verb: "Delete",
		isDanger: true,
		typed: name,
		act: call(false),
	});
}

function List() {
	const names = useAsked(
		async () => (await done(api.GET("/v1.1/endpoints"))) as readonly string[],
		`${state.value?.pools.length} ${named.value}`,
	);
	const own = new Map(pools.value.map((pool) => [pool.endpoint, pool]));
	const others = Array.isArray(names) ? names.filter((name) => !own.has(name)) : [];
	return (
		<>
			<header class="title">
				<div>
					<h1>Endpoints</h1>
					<p class="dim">Pools by the names that the API has for them. Those of the environment are changed there; others here.</p>
				</div>
				<div class="buttons">
					<a class="button main" href={href("endpoints", ["new"])}>
						Create endpoint
					</a>
				</div>
			</header>
			{typeof names === "string" && <p class="fault">{names}</p>}
			{own.size === 0 && others.length === 0 && (
				<Empty title="There is no endpoint yet">
					<p>An endpoint is a pool with a configuration of its own: a cloud, how many proxies, and by which rules.</p>
				</Empty>
			)}
			<ul class="endpoints">
				{[...own.values()].map((pool) => (
					<li key={pool.endpoint}>
						<Dot is={standing(pool).dot} />
						<a href={href("endpoints", [pool.endpoint])} data-row={pool.endpoint}>
							{pool.endpoint}
						</a>
						<span class="dim">
							{standing(pool).word} · {pool.ready} of {pool.wanted} ready ·{" "}
							{pool.source === "environment" ? "of the environment" : "made here or over the API"}
						</span>
						<span class="buttons">
							<a class="button" href={hrefOfPool(pool)}>
								Pool
							</a>
							<Action
								onClick={() => show(`Another name for ${pool.endpoint}`, <AliasForm endpoint={pool.endpoint} />)}
								label={`Add name to ${pool.endpoint}`}
							>
								Add name
							</Action>
							{pool.source === "api" && (
								<Action kind="danger" onClick={() => askDelete(pool.endpoint, others.length)} label={`Delete ${pool.endpoint}`}>
									Delete
								</Action>
							)}
						</span>
					</li>
				))}
				{others.map((name) => (
					<li key={name}>
						<Dot is="off" />
						<a href={href("endpoints", [name])} data-row={name}>
							{name}
						</a>
						<span class="dim">a further name</span>
						<span class="buttons">
							<Action kind="danger" onClick={() => askDelete(name, others.length + own.size)} label={`Delete ${name}`}>
								Delete
							</Action>
						</span>
					</li>
				))}
			</ul>
		</>
	);
}

function FieldInput({
	section,
	name,
	field,
	value,
	fault,
	change,
	clouds,
}: {
	readonly section: string;
	readonly name: string;
	readonly field: Field;
	readonly value: string;
	readonly fault: string | undefined;
	readonly change: (value: string) => void;
	readonly clouds: readonly string[];
}) {
	const id = `${section}.${name}`;
	const says = `${id}-says`;
	return (
		<div class="field">
			<label for={id}>{field.label}</label>
			{section === "endpoint" && name === "cloud" ? (
				<select id={id} value={value} onChange={(event) => change(event.currentTarget.value)} aria-describedby={says}>
					<option value="">none: static proxies only</option>
					{clouds.map((cloud) => (
						<option key={cloud} value={cloud}>
							{cloud}
						</option>
					))}
				</select>
			) : (
				<input
					id={id}
					value={value}
					placeholder={field.default ?? ""}
					onInput={(event) => change(event.currentTarget.value)}
					aria-invalid={fault !== undefined}
					aria-describedby={says}
					spellcheck={false}
					autoComplete="off"
				/>
			)}
			<small id={says} class={fault === undefined ? "dim" : "fault"}>
				{fault ?? field.description.replaceAll("`", "")}
			</small>
		</div>
	);
}

function Fields({
	section,
	fields,
	values,
	faults,
	clouds,
	change,
}: {
	readonly section: string;
	readonly fields: readonly (readonly [string, Field])[];
	readonly values: Values;
	readonly faults: Refused["fields"];
	readonly clouds: readonly string[];
	readonly change: (section: string, key: string, value: string) => void;
}) {
	const shown = fields.filter(([, field]) => !inert(field));
	if (shown.length === 0) return null;
	return (
		<fieldset>
			<legend>{section}</legend>
			{shown.map(([key, field]) => (
				<FieldInput
					key={key}
					section={section}
					name={key}
					field={field}
					clouds={clouds}
					value={values[section]?.[key] ?? ""}
					fault={faults[section]?.[key]}
					change={(value) => change(section, key, value)}
				/>
			))}
		</fieldset>
	);
}

function Editor({ endpoint }: { readonly endpoint: string | null }) {
	const form = useAsked(async () => (await done(api.GET("/endpoint"))) as Form, endpoint);
	const given = useConfiguration(endpoint ?? undefined);
	const [name, setName] = useState("");
	const [values, setValues] = useState<Values | null>(null);
	const [text, setText] = useState<string | null>(null);
	const [faults, setFaults] = useState<Refused["fields"]>({});
	const [sentence, setSentence] = useState<string | null>(null);
	const [isBusy, setBusy] = useState(false);
	const pool = pools.value.find((one) => one.endpoint === endpoint);
	useEffect(() => {
		if (endpoint === null) setValues({ endpoint: { cloud: "" }, scaling: { min_instances: "1", max_instances: "1" } });
		else if (typeof given === "object" && given !== null) setValues(valuesOf(given));
	}, [endpoint, given]);
	const clouds = useMemo(
		() =>
			typeof form === "object" && form !== null ? Object.keys(form).flatMap((section) => section.match(/^cloud:(.+)$/)?.[1] ?? []) : [],
		[form],
	);
	if (typeof form === "string") return <p class="fault">{form}</p>;
	if (typeof given === "string")
		return (
			<Empty title={`There is no endpoint ${endpoint}`} isPage>
				<p>{given}</p>
				<a href={href("endpoints")}>All endpoints</a>
			</Empty>
		);
	if (form === null || values === null) return <p class="dim">Asking …</p>;
	const cloud = values.endpoint?.cloud ?? "";
	const target = endpoint ?? name;

	const save = async () => {
		setBusy(true);
		setFaults({});
		setSentence(null);
		const path = { params: { path: { endpoint: target } } };
		const body =
			text === null
				? { body: withoutEmpty(values, cloud) as never }
				: { body: text as never, bodySerializer: (whole: unknown) => whole as string, headers: { "Content-Type": "text/plain" } };
		try {
			if (endpoint === null) await done(api.PUT("/v1.1/endpoints/{endpoint}", { ...path, ...body }));
			else await done(api.POST("/v1.1/endpoints/{endpoint}", { ...path, ...body }));
		} catch (error) {
			setBusy(false);
			if (error instanceof Refused) setFaults(error.fields);
			setSentence(sentenceOf(error));
			return;
		}
		setBusy(false);
		void carryOut({
			title: endpoint === null ? `Creating ${target}` : `Changing ${target}`,
			call: async () => {},
			see: (seen) =>
				seen.pools.some((one) => one.endpoint === target) || endpoint !== null
					? { left: [], done: 1, of: 1 }
					: { left: ["not listed yet"], done: 0, of: 1 },
			said: () =>
				endpoint === null ? `${target} is there, and paused: start it to launch its proxies.` : `${target} has its new configuration.`,
		});
		go(href("endpoints"));
	};

	const change = (section: string, key: string, value: string) => setValues({ ...values, [section]: { ...values[section], [key]: value } });
	const shared = { values, faults, clouds, change };
	const known = text === null ? sectionsFor(form, cloud) : [];
	const isDeep = Object.entries(faults).some(([section, fields]) => Object.keys(fields).some((key) => !isMain(section, key, cloud)));
	const orphan = Object.entries(faults).flatMap(([section, fields]) =>
		Object.entries(fields)
			.filter(([key]) => text !== null || !known.some(([one, shown]) => one === section && shown.some(([field]) => field === key)))
			.map(([key, message]) => `${section}.${key} ${message}`),
	);
	return (
		<>
			<p class="crumbs">
				<a href={href("endpoints")}>Endpoints</a>
			</p>
			<header class="title">
				<div>
					<h1>{endpoint ?? "Create an endpoint"}</h1>
					<p class="dim">
						{endpoint === null
							? "It begins paused: nothing is launched, or billed, before you start it."
							: pool?.source === "environment"
								? "Its cloud and account are the environment's. What you change of the rest holds until the environment says something else."
								: "Secrets are hidden; left as they are, they stay."}
					</p>
				</div>
				<div class="buttons">
					<button
						type="button"
						onClick={() => setText(text === null ? textOf(withoutEmpty(values, cloud)) : null)}
						aria-pressed={text !== null}
					>
						{text === null ? "As text" : "As a form"}
					</button>
					{pool !== undefined && (
						<a class="button" href={hrefOfPool(pool)}>
							{nameOf(pool)}
						</a>
					)}
				</div>
			</header>
			<form
				class="editor"
				onSubmit={(event) => {
					event.preventDefault();
					void save();
				}}
			>
				{endpoint === null && (
					<div class="field">
						<label for="endpoint-name">Name</label>
						<input
							id="endpoint-name"
							value={name}
							onInput={(event) => setName(event.currentTarget.value)}
							spellcheck={false}
							autoComplete="off"
						/>
						<small class="dim">By which the API knows it.</small>
					</div>
				)}
				{text !== null ? (
					<label class="field wide" for="endpoint-text">
						<span>Configuration: INI or JSON</span>
						<textarea
							id="endpoint-text"
							rows={18}
							spellcheck={false}
							value={text}
							onInput={(event) => setText(event.currentTarget.value)}
						/>
					</label>
				) : (
					<>
						{known.map(([section, fields]) => (
							<Fields key={section} section={section} fields={fields.filter(([key]) => isMain(section, key, cloud))} {...shared} />
						))}
						<details class="more" open={isDeep}>
							<summary>More settings</summary>
							{known.map(([section, fields]) => (
								<Fields key={section} section={section} fields={fields.filter(([key]) => !isMain(section, key, cloud))} {...shared} />
							))}
						</details>
					</>
				)}
				{sentence !== null && (
					<p class="fault" role="alert">
						{orphan.length > 0
							? orphan.join("; ")
							: Object.keys(faults).length > 0
								? "Some fields are not what they may be: see below them."
								: sentence}
					</p>
				)}
				<div class="buttons">
					<a class="button" href={href("endpoints")}>
						Cancel
					</a>
					<button type="submit" class="main" disabled={target === "" || isBusy || !canAct.value}>
						{endpoint === null ? "Create" : "Save"}
					</button>
				</div>
			</form>
		</>
	);
}

export function Endpoints() {
	const [which] = route.value.parts;
	if (which === undefined) return <List />;
	return <Editor key={which} endpoint={which === "new" ? null : which} />;
}
