import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quantile } from "./load.ts";

const PROJECT = join(import.meta.dirname, "../..");
const BOOT_MS = 500;
const ROUNDS = 20;
const POLL_MS = 20;
const READY_LIMIT_MS = 90_000;
const ROUND_LIMIT_MS = 60_000;

/**
 * What Muster itself adds between a PATCH that asks for one proxy more and that proxy in `GET /`: the time it took without the VM's
 * boot, in milliseconds, over {@link ROUNDS} rounds against the local cloud with real agents.
 */
export async function benchPatch(print: (text: string) => void): Promise<{ readonly medianMs: number; readonly p95Ms: number }> {
	const directory = mkdtempSync(join(tmpdir(), "muster-bench-"));
	const [port, cloudPort] = [await freePort(), await freePort()];
	const dev = spawn(process.execPath, [join(PROJECT, "scripts/dev.ts")], {
		cwd: PROJECT,
		stdio: ["ignore", "pipe", "inherit"],
		env: {
			PATH: process.env.PATH,
			HOME: process.env.HOME,
			PORT: String(port),
			CLOUD_PORT: String(cloudPort),
			MUSTER_STATE_DIR: directory,
			LOCALCLOUD_BOOT_MS: String(BOOT_MS),
			DIGITALOCEAN_MIN_SCALING: "1",
		},
	});
	const ended = new Promise<void>((resolve) => dev.once("close", () => resolve()));
	try {
		await new Promise<void>((resolve, reject) => {
			const late = setTimeout(() => reject(new Error("dev did not become ready")), READY_LIMIT_MS);
			dev.stdout.on("data", (chunk: Buffer) => {
				if (!chunk.toString().includes("Muster is ready")) return;
				clearTimeout(late);
				resolve();
			});
			dev.once("close", () => reject(new Error("dev ended by itself")));
		});
		const base = `http://127.0.0.1:${port}`;
		await until(base, 1);
		const overheads: number[] = [];
		for (let round = 0; round < ROUNDS; round++) {
			const began = performance.now();
			await scale(base, 2);
			await until(base, 2);
			overheads.push(performance.now() - began - BOOT_MS);
			await scale(base, 1);
			await until(base, 1);
			await untilVms(cloudPort, 1);
		}
		print(`PATCH to ready, without the boot, in ms: ${overheads.map(Math.round).join(" ")}`);
		return { medianMs: quantile(overheads, 0.5), p95Ms: quantile(overheads, 0.95) };
	} finally {
		dev.kill("SIGINT");
		await ended;
		rmSync(directory, { recursive: true, force: true });
	}
}

async function scale(base: string, count: number): Promise<void> {
	const response = await fetch(`${base}/providers/digitalocean`, {
		method: "PATCH",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ min_scaling: count, max_scaling: count }),
	});
	if (!response.ok) throw new Error(`the PATCH was answered ${response.status}: ${await response.text()}`);
}

async function until(base: string, count: number): Promise<void> {
	await poll(async () => {
		const { total } = (await (await fetch(base)).json()) as { total: number };
		return total === count;
	}, `${count} ready`);
}

async function untilVms(cloudPort: number, count: number): Promise<void> {
	await poll(async () => {
		const vms = (await (await fetch(`http://127.0.0.1:${cloudPort}/_local/vms`)).json()) as unknown[];
		return vms.length === count;
	}, `${count} VMs at the cloud`);
}

async function poll(isSo: () => Promise<boolean>, what: string): Promise<void> {
	const deadline = performance.now() + ROUND_LIMIT_MS;
	while (!(await isSo())) {
		if (performance.now() > deadline) throw new Error(`not within ${ROUND_LIMIT_MS / 1000} s: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, POLL_MS));
	}
}

export async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	if (typeof address !== "object" || address === null) throw new Error("the server had no port");
	return address.port;
}
