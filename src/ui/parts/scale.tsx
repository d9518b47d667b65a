/** "Scale to": the stepper on a pool, and the form behind it. */
import { useState } from "preact/hooks";
import { consequence, nameOf, scale } from "../model/actions.ts";
import type { Pool } from "../model/api.ts";
import { canAct } from "../model/store.ts";
import { Action } from "./basics.tsx";
import { closeSheet, show } from "./dialog.tsx";

const MOST = 10_000;

function Form({ pool }: { readonly pool: Pool }) {
	const [min, setMin] = useState(String(pool.scaling.min_scaling));
	const [max, setMax] = useState(String(pool.scaling.max_scaling));
	const [a, b] = [Number(min), Number(max)];
	const isWhole = (text: string, value: number) => text.trim() !== "" && Number.isInteger(value) && value >= 0 && value <= MOST;
	const fault =
		!isWhole(min, a) || !isWhole(max, b) ? `Whole numbers from 0 to ${MOST}.` : b < a ? "The most must not be less than the fewest." : null;
	const isSame = a === pool.scaling.min_scaling && b === pool.scaling.max_scaling;
	return (
		<form
			onSubmit={(event) => {
				event.preventDefault();
				if (fault !== null) return;
				closeSheet();
				void scale(pool, a, b);
			}}
		>
			<div class="pair">
				<label class="field">
					<span>Fewest</span>
					<input inputMode="numeric" value={min} onInput={(event) => setMin(event.currentTarget.value)} aria-describedby="scale-says" />
				</label>
				<label class="field">
					<span>Most</span>
					<input inputMode="numeric" value={max} onInput={(event) => setMax(event.currentTarget.value)} aria-describedby="scale-says" />
				</label>
			</div>
			<p id="scale-says" class={fault === null ? "" : "fault"} role="status">
				{fault ?? consequence(pool, a, b)}
			</p>
			<p class="dim">Without rules the pool keeps the fewest; with rules the load decides between the two.</p>
			<div class="buttons">
				<button type="button" onClick={closeSheet}>
					Cancel
				</button>
				<button type="submit" class="main" disabled={fault !== null || isSame || !canAct.value}>
					Scale
				</button>
			</div>
		</form>
	);
}

export function openScale(pool: Pool): void {
	show(`Scale ${nameOf(pool)}`, <Form pool={pool} />);
}

/** [– 10 +], with what it will come to before it is done. */
export function Stepper({ pool }: { readonly pool: Pool }) {
	const { min_scaling: min, max_scaling: max } = pool.scaling;
	const [wanted, setWanted] = useState<number | null>(null);
	const shown = wanted ?? min;
	const step = (by: number) => setWanted(Math.min(MOST, Math.max(0, shown + by)));
	if (min !== max)
		return (
			<Action onClick={() => openScale(pool)} label={`${min} – ${max}: scale ${nameOf(pool)}`}>
				{min} – {max}
			</Action>
		);
	return (
		// biome-ignore lint/a11y/useSemanticElements: a fieldset would need a legend that nobody sees
		<div class="stepper" role="group" aria-label={`Scale ${nameOf(pool)}`}>
			<Action onClick={() => step(-1)} label={`One fewer in ${nameOf(pool)}`}>
				−
			</Action>
			<Action onClick={() => openScale(pool)} label={`Scale ${nameOf(pool)} to a number of your own; now ${min}`}>
				{shown}
			</Action>
			<Action onClick={() => step(1)} label={`One more in ${nameOf(pool)}`}>
				+
			</Action>
			{wanted !== null && wanted !== min && (
				<div class="says" role="status">
					<span>
						Scale to {wanted}: {consequence(pool, wanted, wanted)}
					</span>
					<Action
						kind="main"
						onClick={() => {
							setWanted(null);
							void scale(pool, wanted, wanted);
						}}
					>
						Scale
					</Action>
					<button type="button" onClick={() => setWanted(null)}>
						Cancel
					</button>
				</div>
			)}
		</div>
	);
}
