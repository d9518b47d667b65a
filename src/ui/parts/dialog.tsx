/** The one dialog: a question about what will happen, or a small form. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { canAct } from "../model/store.ts";

interface Question {
	readonly title: string;
	/** What will happen, in sentences. */
	readonly body: ComponentChildren;
	/** On the button: what it does. */
	readonly verb: string;
	readonly isDanger?: boolean;
	/** VMs are deleted for good: this is to be typed first. */
	readonly typed?: string;
	readonly act: () => void;
}

const question = signal<Question | null>(null);
const sheet = signal<{ readonly title: string; readonly body: ComponentChildren } | null>(null);

/** Asks once, and does it if it is confirmed. */
export function ask(asked: Question): void {
	question.value = asked;
}

/** Shows something over the page; null closes it. */
export function show(title: string, body: ComponentChildren): void {
	sheet.value = { title, body };
}

export function closeSheet(): void {
	sheet.value = null;
}

export const isAsking = (): boolean => question.value !== null || sheet.value !== null;

function Modal({ title, close, children }: { readonly title: string; readonly close: () => void; readonly children: ComponentChildren }) {
	const ref = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		const opener = document.activeElement;
		ref.current?.showModal();
		return () => {
			// Where Escape closed it the browser has done so, and the viewer may be elsewhere by now.
			const isLost = document.activeElement === null || document.activeElement === document.body;
			if (isLost && opener instanceof HTMLElement) opener.focus();
		};
	}, []);
	return (
		<dialog ref={ref} onClose={close} aria-labelledby="dialog-title">
			<h2 id="dialog-title">{title}</h2>
			{children}
		</dialog>
	);
}

function Confirm({ asked }: { readonly asked: Question }) {
	const { title, body, verb, isDanger = false, typed, act } = asked;
	const [text, setText] = useState("");
	const close = () => {
		question.value = null;
	};
	const isMissing = typed !== undefined && text.trim() !== typed;
	return (
		<Modal title={title} close={close}>
			<form
				onSubmit={(event) => {
					event.preventDefault();
					if (isMissing || !canAct.value) return;
					close();
					act();
				}}
			>
				<div class="prose">{body}</div>
				{typed !== undefined && (
					<label class="field">
						<span>
							Type <code>{typed}</code> to go on
						</span>
						<input value={text} onInput={(event) => setText(event.currentTarget.value)} autoComplete="off" spellcheck={false} />
					</label>
				)}
				<div class="buttons">
					<button type="button" onClick={close}>
						Cancel
					</button>
					<button type="submit" class={isDanger ? "danger" : "main"} disabled={isMissing || !canAct.value}>
						{verb}
					</button>
				</div>
			</form>
		</Modal>
	);
}

export function Dialogs() {
	if (question.value !== null) return <Confirm asked={question.value} />;
	if (sheet.value === null) return null;
	return (
		<Modal title={sheet.value.title} close={closeSheet}>
			{sheet.value.body}
		</Modal>
	);
}
