import { nameOf } from "../model/actions.ts";
import { refine } from "../model/route.ts";
import { pools } from "../model/store.ts";

/** Narrows a view to one pool, which its address then names. */
export function PoolChoice({ pool }: { readonly pool: string }) {
	return (
		<select aria-label="Pool" value={pool} onChange={(event) => refine({ pool: event.currentTarget.value })}>
			<option value="">all pools</option>
			{pools.value.map((one) => (
				<option key={one.endpoint} value={nameOf(one)}>
					{nameOf(one)}
				</option>
			))}
		</select>
	);
}
