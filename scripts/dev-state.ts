import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/** The project's directory. */
export const PROJECT = resolve(import.meta.dirname, "..");
export const DEFAULT_PORT = 8787;

/**
 * Where `npm run dev` keeps what it knows: MUSTER_STATE_DIR, else `.wrangler`, and `.wrangler/port-<PORT>` for another port,
 * so that two can run at once (VMs remember the port of the Worker that made them).
 */
export function stateDirectory(port: number): string {
	const given = process.env.MUSTER_STATE_DIR;
	if (given) return resolve(given);
	return port === DEFAULT_PORT ? join(PROJECT, ".wrangler") : join(PROJECT, ".wrangler", `port-${port}`);
}

/** What `npm run dev` keeps in its state directory; there may be other things in it, which are not its own. */
const OWN_ENTRIES = ["state", "local-cloud", "bundle", "dev-encryption-key", "dev-key-header", "dev.pid"];

/** Forgets what was kept there: the Worker's data, the local cloud's VMs, the key of stored secrets. */
export function forget(directory: string): void {
	for (const entry of OWN_ENTRIES) rmSync(join(directory, entry), { recursive: true, force: true });
}

/** The process that runs with this state, or null. */
export function runningDev(directory: string): number | null {
	const file = join(directory, "dev.pid");
	if (!existsSync(file)) return null;
	const pid = Number(readFileSync(file, "utf8"));
	try {
		process.kill(pid, 0);
	} catch {
		return null;
	}
	try {
		// The system may have given the number to another program since.
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("dev.ts") ? pid : null;
	} catch {
		return pid;
	}
}

/** Takes the state for this process; the answer gives it back. */
export function claimState(directory: string): () => void {
	mkdirSync(directory, { recursive: true, mode: 0o700 });
	const file = join(directory, "dev.pid");
	writeFileSync(file, String(process.pid));
	return () => rmSync(file, { force: true });
}

/** The key that this state's stored secrets are encrypted with, made at the first start. */
export function encryptionKey(directory: string): string {
	const file = join(directory, "dev-encryption-key");
	if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString("base64"), { mode: 0o600 });
	return readFileSync(file, "utf8");
}

/**
 * A file with the header that carries the key, for `curl -H @FILE`: a command that can be pasted, and shows no key. Null without a key.
 * The path is as short as it can be written from here.
 */
export function keyHeaderFile(directory: string, key: string | undefined): string | null {
	const file = join(directory, "dev-key-header");
	rmSync(file, { force: true });
	if (key === undefined) return null;
	writeFileSync(file, `X-Auth-Key: ${key}\n`, { mode: 0o600 });
	const fromHere = relative(process.cwd(), file);
	return fromHere.startsWith("..") ? file : fromHere;
}
