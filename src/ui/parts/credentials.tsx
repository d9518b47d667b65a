/** What all proxies ask of their clients: where it comes from, how far a change has come, and how it is changed. */
import { useEffect, useState } from "preact/hooks";
import { newPassword, ownCredentials } from "../model/actions.ts";
import { api, done, sentenceOf } from "../model/api.ts";
import { pay } from "../model/store.ts";
import { Action } from "./basics.tsx";
import { ask } from "./dialog.tsx";

const asked = () => done(api.GET("/auth"));
type Answer = Awaited<ReturnType<typeof asked>>;

/** While a change is on its way. */
const AGAIN_MS = 2_000;
const MOST_LOOKS = 15;

/** `changed`: what was copied before is out of date. */
export function Credentials({ changed }: { readonly changed: () => void }) {
	const [answer, setAnswer] = useState<Answer | string | null>(null);
	const [looks, setLooks] = useState(0);
	const isUnderWay = typeof answer === "object" && answer !== null && answer.in_force.proxies < answer.in_force.of;
	useEffect(() => {
		let isCurrent = true;
		const timer = setTimeout(
			() => {
				pay(1);
				asked().then(
					(got) => isCurrent && setAnswer(got),
					(error) => isCurrent && setAnswer(sentenceOf(error)),
				);
			},
			looks === 0 ? 0 : AGAIN_MS,
		);
		return () => {
			isCurrent = false;
			clearTimeout(timer);
		};
	}, [looks]);
	useEffect(() => {
		if (isUnderWay && looks < MOST_LOOKS) setLooks(looks + 1);
	}, [answer]);
	if (answer === null) return null;
	if (typeof answer === "string") return <p class="fault">{answer}</p>;
	const carryOut = async (order: Promise<boolean>) => {
		if (!(await order)) return;
		setLooks(looks === 0 ? 1 : 0);
		changed();
	};
	const { source, since, in_force: inForce, notice, username } = answer;
	return (
		<section class="card" aria-labelledby="credentials">
			<h2 id="credentials">User name and password</h2>
			<p>
				{source === null
					? "The proxies ask for none."
					: source === "environment"
						? "The secrets PROXY_USERNAME and PROXY_PASSWORD."
						: `Set over the API on ${new Date(since ?? 0).toLocaleString()}.`}{" "}
				<span role="status">
					{source !== null && `${inForce.proxies} of ${inForce.of} ready proxies ${isUnderWay ? "have them by now" : "have them"}.`}
				</span>
			</p>
			{notice !== null && <p class="dim">{notice}</p>}
			<div class="buttons">
				<Action
					onClick={() =>
						ask({
							title: "Give all proxies a new password?",
							body: (
								<p>
									It is generated, and in force within a second. The user name{username === null ? "" : ` ${username}`} stays. The former
									password is good for ten minutes more: whoever holds old addresses must have fetched new ones by then.
								</p>
							),
							verb: "New password",
							act: () => void carryOut(newPassword()),
						})
					}
				>
					New password
				</Action>
				{source === "api" && (
					<Action
						onClick={() =>
							ask({
								title: "Go back to the deployment's own?",
								body: (
									<p>
										All proxies ask for what the secrets say, or for nothing where there are none. What they ask for now is good for ten
										minutes more.
									</p>
								),
								verb: "Go back",
								act: () => void carryOut(ownCredentials()),
							})
						}
					>
						Back to the secrets
					</Action>
				)}
			</div>
		</section>
	);
}
