/** The choice of how far back charts go; it stands in the address. */
import { refine } from "../model/route.ts";

interface RangesProps {
	readonly names: readonly string[];
	readonly usual: string;
	readonly current: string;
}

export function Ranges({ names, usual, current }: RangesProps) {
	return (
		// biome-ignore lint/a11y/useSemanticElements: a fieldset would need a legend that nobody sees
		<div class="ranges" role="group" aria-label="Range">
			{names.map((name) => (
				<button key={name} type="button" aria-pressed={current === name} onClick={() => refine({ range: name === usual ? "" : name })}>
					{name}
				</button>
			))}
		</div>
	);
}
