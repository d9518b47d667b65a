/** How proxies that grow old are replaced, which holds for all pools, and how far this one is. */
import { useEffect, useState } from "preact/hooks";
import { nameOf, setRolling } from "../model/actions.ts";
import { api, done, type Pool, sentenceOf } from "../model/api.ts";
import { count } from "../model/format.ts";
import { canAct, pay } from "../model/store.ts";

const ask = ({ provider, instance }: Pool) => done(api.GET("/rolling/{provider}/{instance}", { params: { path: { provider, instance } } }));
type Answer = Awaited<ReturnType<typeof ask>>;

export function Rolling({ pool }: { readonly pool: Pool }) {
	const [answer, setAnswer] = useState<Answer | string | null>(null);
	const [turn, setTurn] = useState(0);
	useEffect(() => {
		let isCurrent = true;
		pay(2);
		ask(pool).then(
			(got) => isCurrent && setAnswer(got),
			(error) => isCurrent && setAnswer(sentenceOf(error)),
		);
		return () => {
			isCurrent = false;
		};
	}, [pool.endpoint, turn]);
	if (answer === null) return <p class="dim">Asking …</p>;
	if (typeof answer === "string") return <p class="fault">{answer}</p>;
	const status = answer.status[nameOf(pool)];
	return (
		<section class="card" aria-labelledby="rolling">
			<h2 id="rolling">Rolling replacement</h2>
			<p class="dim">
				Proxies that have reached AGE_LIMIT are replaced a few at a time. This holds for all pools, until the environment's ROLLING_
				settings change.
			</p>
			{status !== undefined && (
				<p>
					{count(status.pending_recycle, "old proxy", "old proxies")} still to go, {status.recycling} on the way out, {status.pending} on
					the way in.
				</p>
			)}
			<Form key={JSON.stringify(answer.config)} config={answer.config} saved={() => setTurn(turn + 1)} />
		</section>
	);
}

function Form({ config, saved }: { readonly config: Answer["config"]; readonly saved: () => void }) {
	const [enabled, setEnabled] = useState(config.enabled);
	const [least, setLeast] = useState(String(config.min_available));
	const [batch, setBatch] = useState(String(config.batch_size));
	const isSame = enabled === config.enabled && Number(least) === config.min_available && Number(batch) === config.batch_size;
	return (
		<form
			class="inline"
			onSubmit={async (event) => {
				event.preventDefault();
				if (await setRolling({ enabled, min_available: Number(least), batch_size: Number(batch) })) saved();
			}}
		>
			<label class="check">
				<input type="checkbox" checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} /> A few at a time
			</label>
			<label class="field">
				<span>Stay ready</span>
				<input inputMode="numeric" value={least} onInput={(event) => setLeast(event.currentTarget.value)} />
			</label>
			<label class="field">
				<span>At a time</span>
				<input inputMode="numeric" value={batch} onInput={(event) => setBatch(event.currentTarget.value)} />
			</label>
			<button type="submit" class="main" disabled={isSame || !canAct.value}>
				Save
			</button>
		</form>
	);
}
