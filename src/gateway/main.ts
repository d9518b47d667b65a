/**
 * The gateway as a program: one address that rotates through a fleet's proxies. It runs beside the clients, since their traffic must not go
 * through the Worker. It is bundled into one file without dependencies, for Node 20 and later.
 */
import { Gateway } from "./gateway.ts";
import { BadOptions, readOptions, USAGE } from "./options.ts";

const log = (line: string) => console.error(`muster-gateway: ${line}`);

try {
	const options = readOptions(process.argv.slice(2), process.env);
	if (options === null) console.log(USAGE);
	else {
		const gateway = new Gateway(options, log);
		let isStopping = false;
		for (const signal of ["SIGTERM", "SIGINT"] as const)
			process.on(signal, () => {
				// Whoever says it twice does not want to wait.
				if (isStopping) process.exit(1);
				isStopping = true;
				log("stopping once the connections have ended");
				void gateway.stop().then(() => process.exit(0));
			});
		await gateway.start();
	}
} catch (error) {
	log(error instanceof Error ? error.message : String(error));
	if (error instanceof BadOptions) console.error(`\n${USAGE}`);
	process.exit(error instanceof BadOptions ? 2 : 1);
}
