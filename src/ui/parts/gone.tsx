/** What each VM that is gone has cost, from create to delete. */
import { useEffect, useState } from "preact/hooks";
import { nameOf } from "../model/actions.ts";
import { api, done, type Pool, type Schemas, sentenceOf } from "../model/api.ts";
import { count, duration, exact, money } from "../model/format.ts";
import { pay } from "../model/store.ts";

const MOST = 50;

export function GoneVms({ pool }: { readonly pool: Pool }) {
	const [answer, setAnswer] = useState<Schemas["GoneVms"] | string | null>(null);
	const name = nameOf(pool);
	useEffect(() => {
		let isCurrent = true;
		pay(1);
		done(api.GET("/history/vms", { params: { query: { pool: name, limit: MOST } } })).then(
			(got) => isCurrent && setAnswer(got),
			(error) => isCurrent && setAnswer(sentenceOf(error)),
		);
		return () => {
			isCurrent = false;
		};
	}, [name]);
	return (
		<section aria-labelledby="gone">
			<h2 id="gone">VMs that are gone</h2>
			{answer === null && <p class="dim">Asking …</p>}
			{typeof answer === "string" && <p class="fault">{answer}</p>}
			{typeof answer === "object" && answer !== null && (
				<>
					<p class="dim">
						{answer.vms.length === 0
							? "None yet, of the last 90 days."
							: answer.totals
									.map(
										({ currency, count: gone, cost }) =>
											`${count(gone, "VM")}${cost === null || currency === null ? "" : ` for ${money(cost, currency)}`}`,
									)
									.join(", ")}
					</p>
					<ol class="log gone">
						{answer.vms.map(({ vm, proxy, address, deleted_at, created_at, cost, currency, why, ready_after }) => (
							<li key={`${vm} ${proxy}`}>
								<time dateTime={deleted_at} title={exact(Date.parse(deleted_at))}>
									{duration((Date.parse(deleted_at) - Date.parse(created_at)) / 1_000)}
								</time>
								<span class="mono">{address ?? vm}</span>
								<span>
									{why} <span class="dim">{ready_after === null ? "never ready" : `ready after ${duration(ready_after)}`}</span>
								</span>
								<span class="number">{cost === null || currency === null ? "–" : money(cost, currency)}</span>
							</li>
						))}
					</ol>
				</>
			)}
		</section>
	);
}
