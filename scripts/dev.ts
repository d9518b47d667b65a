/**
 * `npm run dev`: the Worker and the local cloud side by side, on loopback only, until Ctrl-C. Every setting of Muster in the
 * environment, or in `.dev.vars`, is passed on; CLOUDS names the clouds to run pools at (`aws,hetzner`, or `all`; DigitalOcean if it is
 * not given), PORT and CLOUD_PORT say where the two listen, LOCALCLOUD_BOOT_MS and
 * LOCALCLOUD_LIMIT how the cloud behaves, MUSTER_STATE_DIR where everything is kept. `--reset` forgets what these ports kept, first.
 *
 * It loads little by itself, and starts both halves at once: what comes before that delays the first proxy.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs, parseEnv } from "node:util";
import { encodingWarnings } from "../src/values/encoding.ts";
import { hasLoopbackAddress } from "../test/cloud/addresses.ts";
import { cloudsAsked } from "./dev-clouds.ts";
import { Groups } from "./dev-group.ts";
import { devSettings, settingsAmong } from "./dev-settings.ts";
import { claimState, DEFAULT_PORT, encryptionKey, forget, keyHeaderFile, PROJECT, runningDev, stateDirectory } from "./dev-state.ts";

const READY_LIMIT_MS = 60_000;
const STOP_GRACE_MS = 5000;
const CRON_MS = 60_000;
/** How long the first proxy is watched for, and how often. */
const FIRST_PROXY_LIMIT_MS = 120_000;
const FIRST_PROXY_LOOK_MS = 250;
const startedAt = performance.now();
const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;

function giveUp(sentence: string): never {
	console.error(sentence);
	process.exit(1);
}

function portSetting(name: string, preset: number): number {
	const text = process.env[name] || String(preset);
	const port = Number(text);
	if (!Number.isInteger(port) || port < 1 || port > 65_535) giveUp(`${name} is '${text}'; it must be a port, 1 to 65535.`);
	return port;
}

function chosenClouds(text: string | undefined): ReturnType<typeof cloudsAsked> {
	try {
		return cloudsAsked(text);
	} catch (error) {
		giveUp((error as Error).message);
	}
}

/** Whether there is a Python that the agents can run with. */
function hasPython(): Promise<boolean> {
	return new Promise((resolve) => {
		execFile("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 8))"], (error) => resolve(error === null));
	});
}

function isFree(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const server = createServer();
		server.once("error", () => resolve(false));
		server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
	});
}

/** Waits until `url` answers, whatever it says; null: it did not within the limit. */
async function answered(what: string, url: string, isWanted: () => boolean): Promise<Response | null> {
	const deadline = Date.now() + READY_LIMIT_MS;
	while (isWanted() && Date.now() < deadline) {
		try {
			const answer = await fetch(url, { signal: AbortSignal.timeout(READY_LIMIT_MS) });
			console.log(`  ${what} after ${elapsed()}`);
			return answer;
		} catch {
			// It does not listen yet.
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	}
	return null;
}

const { values: options } = parseArgs({ options: { reset: { type: "boolean", default: false } } });
const port = portSetting("PORT", DEFAULT_PORT);
const cloudPort = portSetting("CLOUD_PORT", 8790);
const directory = stateDirectory(port);
const devVars = existsSync(join(PROJECT, ".dev.vars")) ? parseEnv(readFileSync(join(PROJECT, ".dev.vars"), "utf8")) : {};
const clouds = chosenClouds(process.env.CLOUDS || devVars.CLOUDS);

if (port === cloudPort) giveUp(`PORT and CLOUD_PORT are both ${port}; they must differ.`);
const other = runningDev(directory);
if (other !== null)
	giveUp(
		`'npm run dev' already runs with the state in ${directory} (process ${other}). Another PORT, or MUSTER_STATE_DIR, gives a second one a state of its own.`,
	);
// One that was killed a moment ago leaves its ports only when its guard has ended the rest.
const patienceUntil = Date.now() + (existsSync(join(directory, "dev.pid")) ? 5000 : 0);
for (const [name, wanted] of [
	["PORT", port],
	["CLOUD_PORT", cloudPort],
] as const) {
	while (!(await isFree(wanted))) {
		if (Date.now() >= patienceUntil) giveUp(`Port ${wanted} is in use; set ${name} to another one.`);
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
}
if (!(await hasPython())) giveUp("python3, 3.8 or newer, is not on the path; the proxies of the local cloud run with it.");
if (!(await hasLoopbackAddress("127.77.0.1"))) {
	giveUp(
		`The local cloud gives its VMs addresses of 127.77.0.0/16, which this machine does not have. On macOS, add as many as you want VMs, and one for the cloud itself:\n` +
			`  for i in $(seq 1 20) 254; do sudo ifconfig lo0 alias 127.77.0.$i up; done`,
	);
}

if (options.reset) forget(directory);
const giveBack = claimState(directory);
console.log("Starting the Worker and the local cloud …");
const groups = new Groups();
let isEnding = false;
let isEnded = false;

/** Ends everything; a second call does not wait. */
async function end(code: number): Promise<void> {
	if (isEnding) {
		groups.kill();
		return;
	}
	isEnding = true;
	await groups.end(STOP_GRACE_MS);
	keyHeaderFile(directory, undefined);
	giveBack();
	isEnded = true;
	process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));
process.on("uncaughtException", (error) => {
	console.error(error);
	void end(1);
});
process.on("exit", () => {
	if (!isEnded) groups.kill();
});
// Nobody reads any more: whoever started us is gone.
process.stdout.on("error", () => void end(1));
// npm passes SIGTERM on, and no other signal that ends it: then its shell, or we, get another parent.
if (process.env.npm_lifecycle_event !== undefined) {
	const before = parents();
	setInterval(() => {
		if (parents() !== before) void end(1);
	}, 1000).unref();
}

/** Our parent, and its parent where the system tells. */
function parents(): string {
	try {
		const [, grandparent] = /\) \S (\d+)/.exec(readFileSync(`/proc/${process.ppid}/stat`, "utf8")) ?? [];
		return `${process.ppid} ${grandparent}`;
	} catch {
		return String(process.ppid);
	}
}

function half(name: string): (how: string) => void {
	return (how) => {
		if (isEnding) return;
		console.error(`The ${name} stopped by itself: ${how}. Stopping the rest.`);
		void end(1);
	};
}

const given = { ...devVars, ...process.env };
const settings = await devSettings(settingsAmong(given), { port, cloudPort, clouds, encryptionKey: encryptionKey(directory) });
const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(PATH|HOME|LANG|TMPDIR|NO_COLOR|FORCE_COLOR)$/.test(name)));

groups.start(process.execPath, [join(PROJECT, "scripts/dev-worker.ts")], {
	cwd: PROJECT,
	// Settings go by the environment: values may hold any character, and none is on disk or on a command line.
	env: { ...own, ...settings, DEV_PORT: String(port), DEV_DIRECTORY: directory },
	line: (text) => console.log(text),
	ended: half("Worker"),
});
groups.start(process.execPath, [join(PROJECT, "test/cloud/main.ts")], {
	cwd: PROJECT,
	env: {
		...own,
		...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("LOCALCLOUD_"))),
		LOCALCLOUD_PORT: String(cloudPort),
		LOCALCLOUD_DIR: join(directory, "local-cloud"),
	},
	line: (text) => console.log(text),
	ended: half("local cloud"),
});

const cron = () => fetch(`http://127.0.0.1:${port}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`);
const isWanted = () => !isEnding;
const both = await Promise.all([
	answered("local cloud", `http://127.0.0.1:${cloudPort}/_local/vms`, isWanted),
	answered("Worker", `http://127.0.0.1:${port}/health`, isWanted),
]);
if (isWanted()) {
	if (both.includes(null)) {
		console.error(`The ${both[0] === null ? "local cloud" : "Worker"} did not answer within ${READY_LIMIT_MS / 1000} s.`);
		await end(1);
	}
	let first = await cron();
	// One run makes eight pools, and the next one would be a minute later.
	for (let made = 8; first.ok && made < clouds.length; made += 8) first = await cron();
	if (!first.ok) console.error(`The Worker's first scheduled run failed with ${first.status}; the next is in a minute.`);
	// The platform fires cron triggers; locally nobody else does.
	setInterval(() => void cron().catch((error: unknown) => console.error(`The scheduled run could not be started: ${error}`)), CRON_MS);
	const header = keyHeaderFile(directory, settings.AUTH_KEY);
	const withKey = header === null ? "" : `-H @${header} `;
	console.log(`
Muster is ready:  http://localhost:${port}
Local cloud:      http://localhost:${cloudPort}

  curl -s ${withKey}localhost:${port}/random
  curl -x "$(curl -s ${withKey}localhost:${port}/random | jq -r .proxy.url)" http://localhost:${cloudPort}/ip

Ctrl-C stops both; the next start goes on where they were. 'npm run dev -- --reset' starts from nothing.
`);
	for (const warning of encodingWarnings(settings)) console.log(`Warning: ${warning}.\n`);
	await tellFirstProxy();
}

/** Says when there is a proxy. It looks at the list, since asking for one would wake a pool that sleeps. */
async function tellFirstProxy(): Promise<void> {
	const deadline = Date.now() + FIRST_PROXY_LIMIT_MS;
	const headers = settings.AUTH_KEY === undefined ? {} : { "X-Auth-Key": settings.AUTH_KEY };
	while (isWanted() && Date.now() < deadline) {
		const list = await fetch(`http://127.0.0.1:${port}/?limit=1`, { headers }).catch(() => null);
		const { proxies } = (list?.ok ? await list.json() : { proxies: [] }) as { proxies: readonly { ip: string; port: number }[] };
		const [proxy] = proxies;
		if (proxy !== undefined) {
			console.log(`First proxy after ${elapsed()}: ${proxy.ip}:${proxy.port}`);
			return;
		}
		await new Promise((resolve) => setTimeout(resolve, FIRST_PROXY_LOOK_MS));
	}
}
