/** What is around every view: where one is, how it stands, search, the key; and what the keyboard does. */
import { useEffect, useRef, useState } from "preact/hooks";
import { nameOf } from "../model/actions.ts";
import { keptKey } from "../model/api.ts";
import { count, duration } from "../model/format.ts";
import { go, href, hrefOfPool, route } from "../model/route.ts";
import { disconnected, isOutdated, now, pools, receivedAt, session, signOut, state } from "../model/store.ts";
import { type Theme, theme } from "../model/theme.ts";
import { Dot, Empty, Icon } from "../parts/basics.tsx";
import { Dialogs, isAsking, show } from "../parts/dialog.tsx";
import { Tasks } from "../parts/tasks.tsx";
import { Clouds } from "./clouds.tsx";
import { Connections } from "./connections.tsx";
import { Endpoints } from "./endpoints.tsx";
import { Events } from "./events.tsx";
import { Overview } from "./overview.tsx";
import { PoolView } from "./pool.tsx";
import { ProxyView } from "./proxy.tsx";
import { SignIn } from "./sign-in.tsx";
import { Sites } from "./sites.tsx";
import { UseIt } from "./use.tsx";

const VIEWS = [
	{ view: "overview", title: "Overview", key: "o" },
	{ view: "events", title: "Events", key: "v" },
	{ view: "sites", title: "Sites", key: "s" },
	{ view: "endpoints", title: "Endpoints", key: "e" },
	{ view: "use", title: "Use it", key: "u" },
	{ view: "clouds", title: "Clouds", key: "c" },
] as const;

function View() {
	switch (route.value.view) {
		case "overview":
			return <Overview />;
		case "pool":
			return <PoolView />;
		case "proxy":
			return <ProxyView />;
		case "endpoints":
			return <Endpoints />;
		case "events":
			return <Events />;
		case "sites":
			return <Sites />;
		case "connections":
			return <Connections />;
		case "use":
			return <UseIt />;
		case "clouds":
			return <Clouds />;
		default:
			return (
				<Empty title="There is no such view" isPage>
					<a href={href("overview")}>Overview</a>
				</Empty>
			);
	}
}

function titleOf(): string {
	const { view, parts } = route.value;
	const own = VIEWS.find((one) => one.view === view)?.title;
	const name = view === "pool" ? parts.join("/") : view === "proxy" ? (parts[2] ?? "") : parts.length > 0 ? parts.join("/") : (own ?? "");
	return `${name} · Muster`;
}

const MOST_FOUND = 8;

function find(given: string): readonly { readonly key: string; readonly says: string; readonly note: string; readonly to: string }[] {
	const wanted = given.trim().toLowerCase();
	if (wanted === "") return [];
	const known = [
		...pools.value
			.filter((pool) => [nameOf(pool), pool.endpoint].some((name) => name.toLowerCase().includes(wanted)))
			.map((pool) => ({ key: pool.endpoint, says: nameOf(pool), note: "pool", to: hrefOfPool(pool) })),
		...pools.value.flatMap((pool) =>
			pool.unready
				.filter(({ id, address }) => id.includes(wanted) || address?.includes(wanted))
				.map(({ id, address, phase }) => ({
					key: id,
					says: address ?? id,
					note: `${phase} in ${nameOf(pool)}`,
					to: href("proxy", [pool.provider, pool.instance, id]),
				})),
		),
		...(/^[\d.:a-f]{2,}$/.test(wanted) || wanted.length > 5
			? pools.value.map((pool) => ({
					key: `in ${pool.endpoint}`,
					says: given.trim(),
					note: `among the proxies of ${nameOf(pool)}`,
					to: href("pool", [pool.provider, pool.instance], { filter: given.trim() }),
				}))
			: []),
	].slice(0, MOST_FOUND);
	// An address may be a client's as well: who is connected is asked of the pools, once it is wanted.
	const isAddress = /^[\d.:a-f[\]]{2,}$/.test(wanted);
	if (!isAddress || pools.value.length === 0) return known;
	const clients = {
		key: "connections",
		says: given.trim(),
		note: "among the clients that are connected",
		to: href("connections", [], { from: given.trim() }),
	};
	// What names a port is a client's and nothing else.
	return /[\d\]]:\d+$/.test(wanted) && (wanted.match(/:/g)?.length === 1 || wanted.startsWith("[")) ? [clients] : [...known, clients];
}

/** Finds an address, a VM, a session, a pool. */
function Search() {
	const input = useRef<HTMLInputElement>(null);
	const [text, setText] = useState("");
	const wanted = text.trim();
	const found = find(wanted);
	const leave = (to: string) => {
		setText("");
		input.current?.blur();
		go(to);
	};
	return (
		<search class="search">
			<Icon name="search" />
			<input
				ref={input}
				id="search"
				type="search"
				placeholder="Address, VM, session"
				aria-label="Search: address, VM, session, pool"
				title="Press / to search"
				value={text}
				onInput={(event) => setText(event.currentTarget.value)}
				onKeyDown={(event) => {
					if (event.key === "Escape") {
						setText("");
						input.current?.blur();
					}
					// What was typed a moment ago may not be drawn yet.
					const [first] = find(event.currentTarget.value);
					if (event.key === "Enter" && first) leave(first.to);
				}}
			/>
			{wanted !== "" && (
				<ul class="found">
					{found.length === 0 && <li class="dim">Nothing has “{text.trim()}”.</li>}
					{found.map(({ key, says, note, to }) => (
						<li key={key}>
							<a
								href={to}
								onClick={(event) => {
									event.preventDefault();
									leave(to);
								}}
							>
								{says} <span class="dim">{note}</span>
							</a>
						</li>
					))}
				</ul>
			)}
		</search>
	);
}

function Standing() {
	const ill = pools.value.filter(({ status }) => status === "degraded");
	const moving = pools.value.filter(({ status, ready, wanted }) => status === "healthy" && ready < wanted);
	const isWrong = ill.length > 0 || (state.value?.problems.length ?? 0) > 0;
	const words = isWrong
		? ill.length === 0
			? "The deployment needs you"
			: `${ill.length} of ${count(pools.value.length, "pool")} ${ill.length === 1 ? "needs" : "need"} you`
		: moving.length > 0
			? `${count(moving.length, "pool")} filling`
			: pools.value.length === 0
				? "No pool yet"
				: "All well";
	return (
		<a class="standing" href={href("overview")}>
			<Dot is={isWrong ? "wrong" : moving.length > 0 ? "starting" : pools.value.length === 0 ? "idle" : "good"} />
			<span>{words}</span>
		</a>
	);
}

const THEMES: readonly (readonly [Theme, string])[] = [
	["system", "As the system"],
	["light", "Light"],
	["dark", "Dark"],
];

function Menu() {
	const details = useRef<HTMLDetailsElement>(null);
	return (
		<details
			class="menu"
			ref={details}
			onKeyDown={(event) => {
				if (event.key === "Escape" && details.current?.open) {
					details.current.open = false;
					details.current.querySelector("summary")?.focus();
				}
			}}
		>
			<summary aria-label="Key and appearance">
				<Icon name="key" />
			</summary>
			<div>
				<fieldset>
					<legend>Appearance</legend>
					{THEMES.map(([name, title]) => (
						<label key={name}>
							<input
								type="radio"
								name="theme"
								checked={theme.value === name}
								onChange={() => {
									theme.value = name;
								}}
							/>
							{title}
						</label>
					))}
				</fieldset>
				<a href="/docs">API</a>
				<button type="button" class="link" onClick={help}>
					Keyboard
				</button>
				{keptKey.read() === null ? (
					<p class="dim">This deployment asks for no key.</p>
				) : (
					<button type="button" onClick={signOut}>
						Sign out
					</button>
				)}
				<p class="dim">Muster {state.value?.version}</p>
			</div>
		</details>
	);
}

const KEYS = [
	["/", "search"],
	["g o", "overview"],
	["g p", "first pool that needs you, or the first"],
	["g v", "events"],
	["g s", "sites"],
	["g e", "endpoints"],
	["g u", "use it"],
	["g c", "clouds"],
	["j, k", "next and previous row"],
	["Enter", "open the row"],
	["?", "this list"],
] as const;

function help(): void {
	if (isAsking()) return;
	show(
		"Keyboard",
		<dl class="keys">
			{KEYS.map(([key, what]) => (
				<div key={key}>
					<dt>
						<kbd>{key}</kbd>
					</dt>
					<dd>{what}</dd>
				</div>
			))}
		</dl>,
	);
}

const CHORD_MS = 1_000;

function useKeyboard(): void {
	useEffect(() => {
		let gAt = Number.NEGATIVE_INFINITY;
		const press = (event: KeyboardEvent) => {
			const { target, key } = event;
			const isTyping = target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
			if (isTyping || event.ctrlKey || event.metaKey || event.altKey || isAsking() || session.peek() !== "in") return;
			const isChord = event.timeStamp - gAt < CHORD_MS;
			gAt = Number.NEGATIVE_INFINITY;
			if (isChord) {
				const view = VIEWS.find((one) => one.key === key)?.view;
				const pool = pools.peek().find(({ status }) => status === "degraded") ?? pools.peek()[0];
				if (view !== undefined) go(href(view));
				else if (key === "p" && pool !== undefined) go(hrefOfPool(pool));
				return;
			}
			if (key === "g") gAt = event.timeStamp;
			else if (key === "/") {
				event.preventDefault();
				document.getElementById("search")?.focus();
			} else if (key === "?") help();
			else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
		};
		document.addEventListener("keydown", press);
		return () => document.removeEventListener("keydown", press);
	}, []);
}

function step(by: 1 | -1): void {
	const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
	const at = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
	const next = rows[at === -1 ? (by === 1 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
	next?.focus();
	next?.scrollIntoView({ block: "nearest" });
}

/** Politely, and seldom: what a screen reader is told of changes. */
const SPOKEN_EVERY_MS = 10_000;

function Spoken() {
	const [said, setSaid] = useState("");
	const last = useRef(0);
	const words = pools.value.map((pool) => `${nameOf(pool)}: ${pool.ready} of ${pool.wanted} ready`).join(", ");
	useEffect(() => {
		const wait = Math.max(0, last.current + SPOKEN_EVERY_MS - Date.now());
		const timer = setTimeout(() => {
			last.current = Date.now();
			setSaid(words);
		}, wait);
		return () => clearTimeout(timer);
	}, [words]);
	return (
		<p class="hidden" aria-live="polite">
			{said}
		</p>
	);
}

export function Shell() {
	useKeyboard();
	const { view, parts } = route.value;
	const place = `${view}/${parts.join("/")}`;
	const main = useRef<HTMLElement>(null);
	const isFirst = useRef(true);
	useEffect(() => {
		document.title = titleOf();
		if (!isFirst.current) {
			scrollTo(0, 0);
			main.current?.focus({ preventScroll: true });
		}
		isFirst.current = false;
	}, [place]);
	if (session.value === "signedOut" || session.value === "closed") return <SignIn />;
	const age = (now.value - receivedAt.value) / 1_000;
	return (
		<>
			<button type="button" class="skip" onClick={() => main.current?.focus()}>
				Skip to the content
			</button>
			<header class="top">
				<a class="brand" href={href("overview")}>
					<img src="/ui/icon.svg" alt="" width="20" height="20" />
					muster
				</a>
				<nav aria-label="Views">
					{VIEWS.map((one) => (
						<a key={one.view} href={href(one.view)} aria-current={one.view === view ? "page" : undefined}>
							{one.title}
						</a>
					))}
				</nav>
				<Standing />
				<Search />
				<span class="live" title={`Looked ${duration(age)} ago`}>
					<Dot is={disconnected.value === null ? "good" : "wrong"} />
					<span>{disconnected.value === null ? "live" : "away"}</span>
				</span>
				<Menu />
			</header>
			{disconnected.value !== null && (
				<p class="banner" role="alert">
					{disconnected.value} {state.value === null ? "It is tried again." : `What is shown is ${duration(age)} old; it is tried again.`}
				</p>
			)}
			{isOutdated.value && (
				<p class="banner mild" role="status">
					Muster was upgraded. <a href={location.pathname}>Reload</a> for the page that belongs to it.
				</p>
			)}
			<main id="main" tabIndex={-1} ref={main} class={disconnected.value === null ? "" : "stale"} aria-busy={state.value === null}>
				{state.value === null ? <p class="dim">{disconnected.value === null ? "Asking …" : ""}</p> : <View />}
			</main>
			<Spoken />
			<Tasks />
			<Dialogs />
		</>
	);
}
