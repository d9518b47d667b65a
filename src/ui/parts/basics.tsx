/** Small parts: a time, a copy button, a button, a state's dot. */
import type { ComponentChildren, TargetedMouseEvent } from "preact";
import { useState } from "preact/hooks";
import { exact, relative } from "../model/format.ts";
import { canAct, now } from "../model/store.ts";

/** When something was, relative; the exact time on hover. */
export function Ago({ at, plain = false }: { readonly at: string | number | null | undefined; readonly plain?: boolean }) {
	if (at === null || at === undefined) return <span class="dim">–</span>;
	const instant = typeof at === "number" ? at : Date.parse(at);
	const text = relative(instant, now.value);
	return (
		<time dateTime={new Date(instant).toISOString()} title={exact(instant)}>
			{plain ? text.replace(/ ago$/, "") : text}
		</time>
	);
}

const COPIED_MS = 1_500;

/** Whether it is in the clipboard now. A page that came over plain HTTP from another machine has the old way alone. */
async function copied(text: string): Promise<boolean> {
	if (navigator.clipboard !== undefined)
		return navigator.clipboard.writeText(text).then(
			() => true,
			() => false,
		);
	const area = document.createElement("textarea");
	area.value = text;
	document.body.append(area);
	area.select();
	const isDone = document.execCommand("copy");
	area.remove();
	return isDone;
}

/** Copies `text`, with a tick when it has. */
export function Copy({ text, what, label }: { readonly text: string; readonly what: string; readonly label?: string }) {
	const [isDone, setDone] = useState(false);
	const copy = async (event: TargetedMouseEvent<HTMLButtonElement>) => {
		event.stopPropagation();
		if (!(await copied(text))) return;
		setDone(true);
		setTimeout(() => setDone(false), COPIED_MS);
	};
	// A text that is seen is the name as well: who speaks to the page says what is seen.
	const named = label === undefined ? { "aria-label": `Copy ${what}` } : {};
	return (
		<button type="button" class={label === undefined ? "icon copy" : "copy"} onClick={copy} title={`Copy ${what}`} {...named}>
			<Icon name={isDone ? "tick" : "copy"} />
			{label !== undefined && <span>{isDone ? "Copied" : label}</span>}
			<span class="hidden" role="status">
				{isDone ? `Copied ${what}` : ""}
			</span>
		</button>
	);
}

interface ActionProps {
	readonly onClick: () => void;
	readonly children: ComponentChildren;
	readonly kind?: "plain" | "main" | "danger";
	readonly label?: string;
	readonly disabled?: boolean;
	readonly title?: string;
}

/** What changes something: not to be had while what is shown may be out of date. */
export function Action({ onClick, children, kind = "plain", label, disabled = false, title }: ActionProps) {
	return (
		<button
			type="button"
			class={kind}
			onClick={(event) => {
				event.stopPropagation();
				onClick();
			}}
			disabled={disabled || !canAct.value}
			{...(label === undefined ? {} : { "aria-label": label })}
			{...(title === undefined ? {} : { title })}
		>
			{children}
		</button>
	);
}

export function Dot({ is }: { readonly is: "good" | "wrong" | "idle" | "starting" | "off" }) {
	return <span class={`dot ${is}`} aria-hidden="true" />;
}

/** `isPage`: there is nothing else on the page, whose heading it is. */
export function Empty({
	title,
	isPage = false,
	children,
}: {
	readonly title: string;
	readonly isPage?: boolean;
	readonly children?: ComponentChildren;
}) {
	return (
		<div class="empty">
			{isPage ? <h1>{title}</h1> : <h2>{title}</h2>}
			{children}
		</div>
	);
}

/** What is pasted into a shell or an editor. */
export function Code({ text, what }: { readonly text: string; readonly what: string }) {
	return (
		<div class="code">
			{/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by keys */}
			<pre tabIndex={0}>
				<code>{text}</code>
			</pre>
			<Copy text={text} what={what} />
		</div>
	);
}

const PATHS = {
	copy: "M5 5V3.5A1.5 1.5 0 0 1 6.5 2h6A1.5 1.5 0 0 1 14 3.5v6a1.5 1.5 0 0 1-1.5 1.5H11M3.5 5h6A1.5 1.5 0 0 1 11 6.5v6A1.5 1.5 0 0 1 9.5 14h-6A1.5 1.5 0 0 1 2 12.5v-6A1.5 1.5 0 0 1 3.5 5Z",
	tick: "m2.5 8.5 3.5 3.5 7.5-8",
	cross: "m3.5 3.5 9 9m0-9-9 9",
	warn: "M8 2 14.5 13.5h-13L8 2Zm0 4.5v3.2m0 1.9v.3",
	search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14",
	more: "M3 8h.01M8 8h.01M13 8h.01",
	key: "M10 9a3 3 0 1 0-2.8-2L2 12.2V14h2v-1.5h1.5V11H7l.9-.9",
	next: "m6 3 5 5-5 5",
	up: "m3.5 9.5 4.5-4 4.5 4",
	down: "m3.5 6.5 4.5 4 4.5-4",
} as const;

export function Icon({ name }: { readonly name: keyof typeof PATHS }) {
	return (
		<svg class={`glyph of-${name}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
			<path d={PATHS[name]} />
		</svg>
	);
}
