import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { PROJECT } from "./dev-state.ts";

/** The path on which `node` is the project's own, as in npm's scripts: wrangler runs the project's build commands with it. */
export function projectPath(): string {
	return [join(PROJECT, "node_modules/.bin"), process.env.PATH ?? ""].join(delimiter);
}

/** Runs wrangler to its end, quietly; null when it succeeded, else all that it wrote. */
export function wrangler(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string | null> {
	return new Promise((resolve) => {
		let output = "";
		const child = spawn(process.execPath, [join(PROJECT, "node_modules/wrangler/bin/wrangler.js"), ...args], {
			cwd: PROJECT,
			env,
			stdio: ["ignore", "pipe", "pipe"],
		});
		for (const stream of [child.stdout, child.stderr])
			stream.on("data", (chunk: Buffer) => {
				output += chunk;
			});
		child.once("error", (error) => resolve(error.message));
		child.once("close", (code) => resolve(code === 0 ? null : output));
	});
}
