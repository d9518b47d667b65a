/**
 * The gateway as a program: one address that rotates through a fleet's proxies. It runs beside the clients, since their traffic must not go
 * through the Worker. It is bundled into one file without dependencies, for Node 20 and later.
 */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Gateway } from "./gateway.ts";
import { BadOptions, type Options, readOptions, USAGE } from "./options.ts";

/**
 * The space for young objects, in MB. Node's own of 48 is filled by what comes and goes with each connection, and kept: 90 MB after ten thousand of
 * them. It can be had smaller without an option of `node` in a thread only; no more is collected for it.
 */
const YOUNG_MB = 6;

if (isMainThread) startThread();
else await serve(workerData as Options);

/** Starts the thread that does the work; this one hears the signals. */
function startThread(): void {
	const options = optionsGiven();
	if (options === null) {
		console.log(USAGE);
		return;
	}
	const thread = new Worker(fileURLToPath(import.meta.url), {
		workerData: options,
		resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
	});
	thread.on("message", log);
	thread.on("error", (error) => {
		log(error instanceof Error ? error.message : String(error));
		process.exit(1);
	});
	thread.on("exit", (code) => process.exit(code));
	let isStopping = false;
	for (const signal of ["SIGTERM", "SIGINT"] as const)
		process.on(signal, () => {
			// Whoever says it twice does not want to wait.
			if (isStopping) process.exit(1);
			isStopping = true;
			log("stopping once the connections have ended");
			thread.postMessage("stop");
		});
}

function optionsGiven(): Options | null {
	try {
		return readOptions(process.argv.slice(2), process.env);
	} catch (error) {
		log(error instanceof Error ? error.message : String(error));
		if (error instanceof BadOptions) console.error(`\n${USAGE}`);
		process.exit(error instanceof BadOptions ? 2 : 1);
	}
}

function log(line: string): void {
	console.error(`muster-gateway: ${line}`);
}

/** What this thread throws the other one says. */
async function serve(options: Options): Promise<void> {
	const gateway = new Gateway(options, (line) => parentPort?.postMessage(line));
	parentPort?.on("message", () => void gateway.stop().then(() => process.exit(0)));
	await gateway.start();
}
