/** The bar of phases: a segment for each proxy up to sixty, proportional above. */
import type { Pool } from "../model/api.ts";
import { count, relative } from "../model/format.ts";
import { LOOK_WORDS, LOOKS, type Look, lookOf } from "../model/phases.ts";
import { now } from "../model/store.ts";

const MOST_SEGMENTS = 60;

interface Segment {
	readonly look: Look;
	readonly title: string;
}

export function countsOf(pool: Pool): Readonly<Record<Look, number>> {
	const counts: Record<Look, number> = { ready: pool.ready, unready: 0, booting: 0, draining: 0, missing: 0 };
	for (const { phase } of pool.unready) if (phase !== "ready") counts[lookOf(phase)]++;
	const isIdle = pool.state === "stopped" || pool.state === "removing";
	counts.missing = isIdle ? 0 : Math.max(0, pool.wanted - counts.ready - counts.booting - counts.unready);
	return counts;
}

/** "41 ready, 1 booting" */
export function inWords(counts: Readonly<Record<Look, number>>): string {
	const some = LOOKS.filter((look) => counts[look] > 0).map((look) => `${counts[look]} ${LOOK_WORDS[look]}`);
	return some.length === 0 ? "no proxy" : some.join(", ");
}

export function Bar({ pool }: { readonly pool: Pool }) {
	const counts = countsOf(pool);
	const total = LOOKS.reduce((sum, look) => sum + counts[look], 0);
	const label = `${inWords(counts)} of ${count(pool.wanted, "wanted proxy", "wanted proxies")}`;
	if (total === 0) return <div class="bar none" role="img" aria-label={label} />;
	if (total > MOST_SEGMENTS) {
		return (
			<div class="bar whole" role="img" aria-label={label}>
				{LOOKS.filter((look) => counts[look] > 0).map((look) => (
					<span key={look} class={`part ${look}`} style={{ flexGrow: counts[look] }} title={`${counts[look]} ${LOOK_WORDS[look]}`} />
				))}
			</div>
		);
	}
	const segments: Segment[] = [
		...Array.from({ length: counts.ready }, (): Segment => ({ look: "ready", title: "ready" })),
		...LOOKS.flatMap((look) =>
			pool.unready
				.filter(({ phase }) => phase !== "ready" && lookOf(phase) === look)
				.map(
					({ address, id, phase, since, why }): Segment => ({
						look,
						title: `${address ?? id}: ${phase}, ${relative(Date.parse(since), now.value)}${why === "" ? "" : `, ${why}`}`,
					}),
				),
		),
		...Array.from({ length: counts.missing }, (): Segment => ({ look: "missing", title: "wanted, and not launched" })),
	];
	return (
		<div class="bar" role="img" aria-label={label}>
			{segments.map(({ look, title }, index) => (
				<span key={index} class={`part ${look}`} title={title} />
			))}
		</div>
	);
}

/** What the colours mean, of those that are to be seen. */
export function Legend({ counts }: { readonly counts: Readonly<Record<Look, number>> }) {
	return (
		<ul class="legend">
			{LOOKS.filter((look) => counts[look] > 0).map((look) => (
				<li key={look}>
					<span class={`part ${look}`} aria-hidden="true" />
					{counts[look]} {LOOK_WORDS[look]}
				</li>
			))}
		</ul>
	);
}
