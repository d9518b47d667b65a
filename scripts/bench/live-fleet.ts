/** A whole Muster for `--only live`, as `npm run dev` runs it: the local cloud, and a Worker that can be deployed anew while the VMs run on. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, type Proxy, temporaryState } from "../../test/e2e/harness.ts";
import { Groups } from "../dev-group.ts";
import { devSettings } from "../dev-settings.ts";
import { PROJECT } from "../dev-state.ts";

const READY_LIMIT_MS = 60_000;
const STOP_GRACE_MS = 5_000;
const CRON_MS = 60_000;
/** Addresses of the local cloud's VMs begin there, so that two fleets beside each other share none. */
const BLOCKS = { lines: 100, calls: 180 } as const;

export class Fleet {
	readonly port: number;
	private readonly cloudPort: number;
	private readonly state = temporaryState();
	private readonly cloud = new Groups();
	private worker = new Groups();
	private cron: NodeJS.Timeout | null = null;
	private output = "";

	private constructor(port: number, cloudPort: number) {
		this.port = port;
		this.cloudPort = cloudPort;
	}

	static async start(how: keyof typeof BLOCKS, settings: Readonly<Record<string, string>>): Promise<Fleet> {
		const fleet = new Fleet(await freePort(), await freePort());
		fleet.run(fleet.cloud, "test/cloud/main.ts", {
			LOCALCLOUD_PORT: String(fleet.cloudPort),
			LOCALCLOUD_DIR: join(fleet.state.directory, "local-cloud"),
			LOCALCLOUD_BOOT_MS: "500",
			LOCALCLOUD_BLOCK: String(BLOCKS[how]),
		});
		await fleet.deploy(settings);
		return fleet;
	}

	/** Ends the Worker that there is, and all lines with it, and starts one with these settings. */
	async deploy(settings: Readonly<Record<string, string>>): Promise<void> {
		if (this.cron !== null) clearInterval(this.cron);
		await this.worker.end(STOP_GRACE_MS);
		this.worker = new Groups();
		const { port, cloudPort } = this;
		const whole = await devSettings(settings, {
			port,
			cloudPort,
			clouds: ["digitalocean"],
			encryptionKey: "the-key-of-a-bench-for-itself-alone",
		});
		this.run(this.worker, "scripts/dev-worker.ts", { ...whole, DEV_PORT: String(port), DEV_DIRECTORY: this.state.directory });
		const deadline = Date.now() + READY_LIMIT_MS;
		const tick = () => fetch(`http://127.0.0.1:${port}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`);
		for (;;) {
			const answer = await tick().catch(() => null);
			if (answer?.ok) break;
			if (Date.now() > deadline) throw new Error(`the Worker does not answer:\n${this.output}`);
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
		this.cron = setInterval(() => void tick().catch(() => undefined), CRON_MS);
	}

	private run(groups: Groups, program: string, env: Readonly<Record<string, string>>): void {
		groups.start(process.execPath, [join(PROJECT, program)], {
			cwd: PROJECT,
			env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
			line: (text) => {
				this.output = `${this.output}${text}\n`.slice(-20_000);
			},
			ended: () => undefined,
		});
	}

	async stop(): Promise<void> {
		if (this.cron !== null) clearInterval(this.cron);
		await this.worker.end(STOP_GRACE_MS);
		await this.cloud.end(STOP_GRACE_MS);
		this.state.remove();
	}

	/** One call of the API; throws where it fails. */
	async api(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
		const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
		const url = `http://127.0.0.1:${this.port}${path}`;
		// A connection that was kept may have ended meanwhile.
		const answer = await fetch(url, { method, ...init }).catch(() => fetch(url, { method, ...init }));
		const text = await answer.text();
		if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
		return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
	}

	/** What is handed out. */
	async proxies(): Promise<readonly Proxy[]> {
		const { proxies } = await this.api("GET", "/?limit=100");
		return (proxies as readonly Proxy[] | undefined) ?? [];
	}

	async control(method: string, path: string): Promise<string> {
		const url = `http://127.0.0.1:${this.cloudPort}/_local${path}`;
		const answer = await fetch(url, { method }).catch(() => fetch(url, { method }));
		if (!answer.ok) throw new Error(`/_local${path}: ${answer.status}`);
		return answer.text();
	}

	/** Of each droplet that was asked for so far, its tags; with `like`: of those of the same pool as one with these. */
	async creates(like: readonly string[] = []): Promise<readonly (readonly string[])[]> {
		const lines = (await this.control("GET", "/journal")).split("\n").filter((line) => line !== "");
		return lines
			.map((line) => JSON.parse(line) as { method: string; url: string; requestBody: string })
			.filter(({ method, url }) => method === "POST" && url === "/v2/droplets")
			.map(({ requestBody }) => (JSON.parse(requestBody) as { tags: readonly string[] }).tags)
			.filter((tags) => like.filter((tag) => !tags.includes(tag)).length <= 1);
	}

	/** The agent at an address ends, and is not started again. */
	async kill(ip: string): Promise<void> {
		const vms = JSON.parse(await this.control("GET", "/vms")) as readonly {
			readonly id: string;
			readonly provider: string;
			readonly ip: string | null;
		}[];
		const vm = vms.find((one) => one.ip === ip);
		if (vm === undefined) throw new Error(`no VM has the address ${ip}`);
		await this.control("POST", `/vms/${vm.id}/kill-agent?forever=1&provider=${vm.provider}`);
	}
}

/** The processes of the agent at this address. */
export function agentsAt(ip: string): readonly number[] {
	return readdirSync("/proc")
		.map(Number)
		.filter((pid) => {
			try {
				return pid > 0 && readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`MUSTER_BIND=${ip}`);
			} catch {
				return false; // It has ended, or is somebody else's.
			}
		});
}
