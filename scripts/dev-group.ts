import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/**
 * Programs that end together with us. Each is the leader of a process group of its own, so that whatever it starts can be
 * ended with it; and a guard outlives us: when its standard input closes, because we are gone, it ends all groups.
 */
export class Groups {
	readonly #leaders: number[] = [];
	readonly #guard: ChildProcess;

	constructor() {
		// Without `--`, which not every shell's `kill` knows.
		const script = `groups=
while read -r leader; do groups="$groups -$leader"; done
for group in $groups; do kill -TERM "$group"; done
sleep 2
for group in $groups; do kill -KILL "$group"; done`;
		this.#guard = spawn("/bin/sh", ["-c", script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
		this.#guard.unref();
		// It only breaks when the guard was killed: then we are as well off as without it.
		this.#guard.stdin?.on("error", () => {});
	}

	/**
	 * Starts a program; each line that it writes goes to `line`. `ended` is told how it ended.
	 * Its standard input stays open as long as we live.
	 */
	start(
		program: string,
		args: readonly string[],
		options: {
			readonly env: NodeJS.ProcessEnv;
			readonly cwd: string;
			readonly line: (text: string) => void;
			readonly ended: (how: string) => void;
		},
	): void {
		const child = spawn(program, args, { cwd: options.cwd, env: options.env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
		if (child.pid !== undefined) {
			this.#leaders.push(child.pid);
			this.#guard.stdin?.write(`${child.pid}\n`);
		}
		for (const stream of [child.stdout, child.stderr]) readLines(stream, options.line);
		child.once("error", (error) => options.ended(error.message));
		child.once("exit", (code, signal) => options.ended(signal ? `it was ended by ${signal}` : `it ended with code ${code}`));
	}

	/** Ends all of them, by force what is left after `graceMs`. */
	async end(graceMs: number): Promise<void> {
		this.#signal("SIGTERM");
		const deadline = Date.now() + graceMs;
		while (this.#alive().length > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
		this.kill();
	}

	/** Ends all of them at once. */
	kill(): void {
		this.#signal("SIGKILL");
		this.#guard.kill("SIGKILL");
	}

	#signal(signal: NodeJS.Signals): void {
		for (const leader of this.#alive()) process.kill(-leader, signal);
	}

	/** The groups that still have a process. */
	#alive(): readonly number[] {
		return this.#leaders.filter((leader) => {
			try {
				return process.kill(-leader, 0);
			} catch {
				return false;
			}
		});
	}
}

function readLines(stream: Readable | null, line: (text: string) => void): void {
	if (stream) createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", line);
}
