/** What is under way, and what came of it. */
import { duration } from "../model/format.ts";
import { now } from "../model/store.ts";
import { dismiss, type Task, tasks } from "../model/tasks.ts";
import { Icon } from "./basics.tsx";

function One({ task }: { readonly task: Task }) {
	const { id, title, progress, outcome, isFailed, endedAt, startedAt, undo } = task;
	const took = duration(((endedAt ?? now.value) - startedAt) / 1_000);
	return (
		<li class={`task ${endedAt === null ? "going" : isFailed ? "failed" : "done"}`}>
			<div class="row">
				<strong>{endedAt === null || isFailed ? title : outcome}</strong>
				<button type="button" class="icon" onClick={() => dismiss(id)} aria-label={`Dismiss: ${title}`}>
					<Icon name="cross" />
				</button>
			</div>
			{isFailed && <p>{outcome}</p>}
			{endedAt === null && (
				<>
					{progress !== null && progress.of > 0 && (
						<progress max={progress.of} value={progress.done} aria-label={title}>
							{progress.done} of {progress.of}
						</progress>
					)}
					<p class="dim">
						{progress === null ? "Asking …" : progress.of > 1 ? `${progress.done} of ${progress.of} ready, ${took}` : took}
						{progress !== null &&
							progress.left.length > 0 &&
							` · ${progress.left.slice(0, 3).join(", ")}${progress.left.length > 3 ? " …" : ""}`}
					</p>
				</>
			)}
			{undo !== null && !isFailed && !(undo.ends === true && endedAt !== null) && (
				<button
					type="button"
					class="link"
					onClick={() => {
						dismiss(id);
						undo.act();
					}}
				>
					{undo.ends === true ? "End" : "Undo"}
				</button>
			)}
		</li>
	);
}

export function Tasks() {
	return (
		<section class="tasks" aria-label="Actions under way" aria-live="polite">
			<ul>
				{tasks.value.map((task) => (
					<One key={task.id} task={task} />
				))}
			</ul>
		</section>
	);
}
