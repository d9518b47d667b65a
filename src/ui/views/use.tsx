/** Ready to paste: how a client uses a proxy of this fleet. */
import { useEffect, useState } from "preact/hooks";
import { nameOf } from "../model/actions.ts";
import { api, done, keptKey, type Schemas, sentenceOf } from "../model/api.ts";
import { href, refine, route } from "../model/route.ts";
import { snippets } from "../model/snippets.ts";
import { pools } from "../model/store.ts";
import { Code, Empty } from "../parts/basics.tsx";
import { Credentials } from "../parts/credentials.tsx";

const PAUSE_MS = 300;

export function UseIt() {
	const { query } = route.value;
	const [pool, country, region, session, proxy, client] = ["pool", "country", "region", "session", "proxy", "client"].map(
		(name) => query.get(name) ?? "",
	) as [string, string, string, string, string, string];
	const [picked, setPicked] = useState<Schemas["Proxy"] | string | null>(null);
	const [turn, setTurn] = useState(0);
	const [provider, instance] = pool.split("/");
	const selection = {
		...(provider ? { provider } : {}),
		...(instance ? { instance } : {}),
		...(country === "" ? {} : { country }),
		...(region === "" ? {} : { region }),
		...(session === "" ? {} : { session }),
	};
	const asked = new URLSearchParams(selection).toString();
	useEffect(() => {
		// What is copied must be what was chosen.
		let isCurrent = true;
		setPicked(null);
		const timer = setTimeout(() => {
			const answer = proxy === "" ? anyOf(selection) : byAddress(proxy, selection);
			answer.then(
				(got) => isCurrent && setPicked(got.proxy),
				(error) => isCurrent && setPicked(sentenceOf(error)),
			);
		}, PAUSE_MS);
		return () => {
			isCurrent = false;
			clearTimeout(timer);
		};
	}, [asked, proxy, turn]);
	const regions = [...new Set(pools.value.flatMap((one) => (typeof one.region === "string" ? [one.region] : [])))].sort();
	const url = typeof picked === "object" && picked !== null ? picked.url : null;
	const shown = snippets({
		origin: location.origin,
		needsKey: keptKey.read() !== null,
		query: asked,
		url: url ?? "http://user:password@192.0.2.1:8899",
	});
	const current = shown.find(({ name }) => name === client) ?? shown[0];
	if (pools.value.length === 0)
		return (
			<>
				<h1>Use it</h1>
				<Empty title="There is no pool to use yet">
					<p>
						Snippets come with the first ready proxy. <a href={href("clouds")}>Clouds</a> says what each cloud needs; or{" "}
						<a href={href("endpoints", ["new"])}>create an endpoint</a>.
					</p>
				</Empty>
			</>
		);
	return (
		<>
			<header class="title">
				<div>
					<h1>Use it</h1>
					<p class="dim">Choose what you need; the address is one that is ready now.</p>
				</div>
			</header>
			<form class="card choose" onSubmit={(event) => event.preventDefault()}>
				<label class="field">
					<span>Pool</span>
					<select value={pool} onChange={(event) => refine({ pool: event.currentTarget.value, proxy: "" })}>
						<option value="">any</option>
						{pools.value.map((one) => (
							<option key={one.endpoint} value={nameOf(one)}>
								{nameOf(one)}
							</option>
						))}
					</select>
				</label>
				<label class="field">
					<span>Country</span>
					<input
						value={country}
						placeholder="any; or de,fr"
						onInput={(event) => refine({ country: event.currentTarget.value.trim(), proxy: "" })}
						maxLength={64}
					/>
				</label>
				<label class="field">
					<span>Region</span>
					<select value={region} onChange={(event) => refine({ region: event.currentTarget.value, proxy: "" })}>
						<option value="">any</option>
						{regions.map((one) => (
							<option key={one} value={one}>
								{one}
							</option>
						))}
					</select>
				</label>
				<label class="field">
					<span>Session</span>
					<input
						value={session}
						placeholder="none: another one each time"
						onInput={(event) => refine({ session: event.currentTarget.value, proxy: "" })}
						maxLength={128}
					/>
				</label>
				<p class="picked" role="status">
					{picked === null ? (
						<span class="dim">Asking …</span>
					) : typeof picked === "string" ? (
						<span class="fault">{picked}</span>
					) : (
						<>
							<span class="mono">{picked.ip}</span>{" "}
							<span class="dim">
								of {picked.provider}/{picked.instance}
							</span>
						</>
					)}
					<button type="button" onClick={() => (proxy === "" ? setTurn(turn + 1) : refine({ proxy: "" }))}>
						Another
					</button>
				</p>
			</form>
			<nav class="tabs" aria-label="Client">
				{shown.map(({ name, title }) => (
					<a
						key={name}
						href={`#/use?${new URLSearchParams({ ...Object.fromEntries(query), client: name })}`}
						aria-current={name === current?.name ? "page" : undefined}
					>
						{title}
					</a>
				))}
			</nav>
			{picked !== null &&
				current?.parts.map(({ says, code }) => (
					<section key={says}>
						<p>{says}</p>
						<Code text={code} what={`the ${current.title} snippet`} />
					</section>
				))}
			<Credentials changed={() => setTurn(turn + 1)} />
		</>
	);
}

/** The ready proxy at that address. Throws Refused. */
async function byAddress(address: string, selection: object): Promise<Pick<Schemas["ProxyAnswer"], "proxy">> {
	const found = pools.value.length > 0 ? await done(api.GET("/", { params: { query: { ...selection, limit: 100 } } })) : null;
	const proxy = found?.proxies.find(({ ip }) => ip === address);
	return proxy === undefined ? anyOf(selection) : { proxy };
}

/** A ready proxy, as JSON: that is what comes where no other format is asked for. Throws Refused. */
async function anyOf(selection: object): Promise<Schemas["ProxyAnswer"]> {
	return (await done(api.GET("/random", { params: { query: selection } }))) as Schemas["ProxyAnswer"];
}
