/** Without a session: the key is asked for, or how to set one is said. */
import { useState } from "preact/hooks";
import { session, sessionProblem, signIn } from "../model/store.ts";
import { Code } from "../parts/basics.tsx";

export function SignIn() {
	const [key, setKey] = useState("");
	const [isBusy, setBusy] = useState(false);
	if (session.value === "closed")
		return (
			<main class="sign-in" id="main">
				<h1>This deployment has no key yet</h1>
				<p>It answers nobody until it has one. Set it, and come back with it:</p>
				<Code
					text={"openssl rand -base64 32                # a key: keep it\nnpx wrangler secret put AUTH_KEY       # paste it\n"}
					what="the commands"
				/>
				<p class="dim">This page looks again by itself.</p>
			</main>
		);
	return (
		<main class="sign-in" id="main">
			<h1>Muster</h1>
			<form
				onSubmit={async (event) => {
					event.preventDefault();
					if (key === "") return;
					setBusy(true);
					await signIn(key);
					setBusy(false);
				}}
			>
				<label class="field">
					<span>Admin key</span>
					<input
						type="password"
						name="key"
						autoComplete="current-password"
						value={key}
						onInput={(event) => setKey(event.currentTarget.value)}
						aria-describedby="key-says"
						aria-invalid={sessionProblem.value !== null}
						// biome-ignore lint/a11y/noAutofocus: there is nothing else on the page
						autoFocus
					/>
				</label>
				<p id="key-says" class={sessionProblem.value === null ? "dim" : "fault"} role="status">
					{sessionProblem.value ?? "It is kept in this tab alone, until that is closed or you sign out."}
				</p>
				<div class="buttons">
					<button type="submit" class="main" disabled={key === "" || isBusy}>
						{isBusy ? "Signing in …" : "Sign in"}
					</button>
				</div>
			</form>
		</main>
	);
}
