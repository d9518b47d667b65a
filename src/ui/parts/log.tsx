/** A pool's log: a sentence, a time. */
import type { LogLine } from "../model/api.ts";
import { clock, exact, sentence } from "../model/format.ts";
import { now } from "../model/store.ts";

export function Log({ lines, most = 200 }: { readonly lines: readonly LogLine[]; readonly most?: number }) {
	const shown = [...lines].reverse().slice(0, most);
	if (shown.length === 0) return <p class="dim">Nothing has happened yet.</p>;
	return (
		<ol class="log">
			{shown.map(({ at, severity, text }, index) => (
				<li key={`${at} ${index}`} class={severity.toLowerCase()}>
					<time dateTime={at} title={exact(Date.parse(at))}>
						{clock(Date.parse(at), now.value)}
					</time>
					<span>
						{severity !== "INFO" && <span class="severity">{severity.toLowerCase()} </span>}
						{sentence(text, now.value)}
					</span>
				</li>
			))}
		</ol>
	);
}
