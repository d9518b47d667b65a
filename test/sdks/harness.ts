import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalCloud } from "../cloud/cloud.ts";
import { noInventory, type VmRecord } from "../cloud/inventory.ts";
import type { JournalEntry } from "../cloud/journal.ts";
import { serve } from "../cloud/server.ts";

/** A local cloud on a port of its own, and a client that takes a VM through its life there, as a program of its own. */

/** Beside the clients from npm there are those of Debian's packages, where they could be installed. */
const DEBIAN = join(import.meta.dirname, "debian/root");
export const hasDebian = existsSync(DEBIAN);

const ROOT = join(import.meta.dirname, "../..");
/** The clients ask for a newer Node than Muster itself. */
const NODE = join(ROOT, "node_modules/.bin/node");
const PYTHON = "/usr/bin/python3";
const BOOT_MS = 300;
/** Every wait of a client has its own end before. */
const PATIENCE_MS = 90_000;

export interface Client {
	readonly cloud: string;
	/** A file of `clients`. */
	readonly program: string;
	/** What the client finds in its environment; `scratch` is a directory that is its own. */
	readonly env: (url: string, scratch: string) => Readonly<Record<string, string>>;
	/** It sends its tokens over TLS alone. */
	readonly tls?: true;
}

export interface Life {
	/** What the client told, a step each. */
	readonly told: readonly unknown[];
	/** Every state that the VM was kept in, oldest first, none twice in a row. */
	readonly states: readonly string[];
	/** As it was kept last. */
	readonly vm: VmRecord | undefined;
	/** VMs that the cloud still has. */
	readonly left: readonly VmRecord[];
	/** The calls that the cloud refused: `POST /v2/droplets 422 …`. */
	readonly refused: readonly string[];
}

/** Runs the client; rejects with all that it wrote when it fails or does not end. */
export async function lifeBy(client: Client, name: string, userData: string): Promise<Life> {
	const kept: VmRecord[] = [];
	const cloud = new LocalCloud({ bootMs: BOOT_MS, inventory: { ...noInventory, saveVm: (vm) => void kept.push(vm) } });
	const scratch = mkdtempSync(join(tmpdir(), "muster-sdks-"));
	const tls = client.tls ? certificate(scratch) : null;
	const { server, port } = await serve(cloud, 0, tls);
	try {
		const url = `${tls ? "https" : "http"}://127.0.0.1:${port}/${client.cloud}`;
		const env = {
			CLOUD_URL: url,
			VM_NAME: name,
			VM_USER_DATA: userData,
			SCRATCH: scratch,
			HCLOUD: join(DEBIAN, "usr/bin/hcloud"),
			...(tls ? { NODE_EXTRA_CA_CERTS: join(scratch, "cert.pem") } : {}),
			...client.env(url, scratch),
		};
		const told = await run(client.program, env).catch((error: unknown) => {
			throw new Error(`${error instanceof Error ? error.message : error}\nThe cloud refused:\n${refusals(cloud).join("\n")}`);
		});
		const states = kept.map(({ state }) => state).filter((state, at, all) => state !== all[at - 1]);
		return { told, states, vm: kept.at(-1), left: cloud.fleet.vms(), refused: refusals(cloud) };
	} finally {
		server.closeAllConnections();
		server.close();
		await cloud.fleet.close();
		rmSync(scratch, { recursive: true, force: true });
	}
}

function refusals(cloud: LocalCloud): readonly string[] {
	return cloud.journal
		.text()
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as JournalEntry)
		.filter(({ status }) => status >= 400)
		.map(({ method, url, status, responseBody }) => `${method} ${url} ${status} ${responseBody}`);
}

/** With nothing of this process's environment but its path: what a client finds there is what the test gives it. */
function run(program: string, env: Readonly<Record<string, string>>): Promise<readonly unknown[]> {
	const file = join(import.meta.dirname, "clients", program);
	const [command, more] = program.endsWith(".py")
		? [PYTHON, { PYTHONPATH: join(DEBIAN, "usr/lib/python3/dist-packages"), PYTHONDONTWRITEBYTECODE: "1" }]
		: [NODE, {}];
	const child = spawn(command, [file], {
		env: { PATH: process.env.PATH ?? "", HOME: env.SCRATCH ?? "", ...more, ...env },
		stdio: ["ignore", "pipe", "pipe"],
		timeout: PATIENCE_MS,
		killSignal: "SIGKILL",
	});
	let out = "";
	let err = "";
	child.stdout.setEncoding("utf8").on("data", (text: string) => {
		out += text;
	});
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		err += text;
	});
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("close", (code, signal) => {
			if (code !== 0) reject(new Error(`${program} ended with ${signal ?? code}:\n${out}${err}`));
			else
				resolve(
					out
						.split("\n")
						.filter((line) => line !== "")
						.map((line) => JSON.parse(line) as unknown),
				);
		});
	});
}

/** One that is its own authority, for 127.0.0.1 and for a day. */
function certificate(scratch: string): { readonly cert: string; readonly key: string } {
	const [key, cert] = [join(scratch, "key.pem"), join(scratch, "cert.pem")];
	const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"];
	const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert];
	execFileSync("openssl", ["req", "-x509", ...made, ...subject], { stdio: "ignore" });
	return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

/** Writes a file for a client, and gives its path. */
export function written(scratch: string, name: string, text: string): string {
	mkdirSync(scratch, { recursive: true });
	const path = join(scratch, name);
	writeFileSync(path, text);
	return path;
}
