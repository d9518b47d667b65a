import { gzipSync } from "node:zlib";
import { ManualClock } from "./clock.ts";
import { type CloudOptions, LocalCloud } from "./cloud.ts";

/** A local cloud in this process whose time the test turns, and a client with an account on its DigitalOcean. */
export function localCloud(options: CloudOptions = {}) {
	const clock = new ManualClock();
	const cloud = new LocalCloud({ clock, ...options });
	const call = async (method: string, path: string, body?: unknown, token: string | null = "local-test") => {
		const request = new Request(`http://cloud.test${path}`, {
			method,
			headers: {
				...(token === null ? {} : { authorization: `Bearer ${token}` }),
				...(body === undefined ? {} : { "content-type": "application/json" }),
			},
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		const response = await cloud.fetch(request, "127.0.0.9");
		const text = await response.text();
		const isJson = response.headers.get("content-type")?.startsWith("application/json") && text !== "";
		return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : null };
	};
	const digitalocean = (method: string, path: string, body?: unknown, token?: string | null) =>
		call(method, `/digitalocean${path}`, body, token);
	const create = async (name: string, more: object = {}) =>
		(await digitalocean("POST", "/v2/droplets", { ...DROPLET, name, ...more })).body.droplet.id as number;
	return { cloud, clock, call, digitalocean, create };
}

export const DROPLET = {
	name: "a",
	region: "lon1",
	size: "s-1vcpu-512mb-10gb",
	image: "ubuntu-24-04-x64",
	tags: ["muster"],
	user_data: "#cloud-config\n",
};

/** User data that installs a program as a service, in the form that the real one has. */
export function serviceUserData(python: string, credential = "secret"): string {
	const packed = gzipSync(Buffer.from(python)).toString("base64");
	return `#cloud-config
write_files:
  - path: /opt/agent/agent.py
    encoding: gz+b64
    permissions: "0755"
    content: ${packed}
  - path: /etc/agent.json
    permissions: "0600"
    content: '${credential}'
  - path: /etc/systemd/system/agent.service
    content: |
      [Unit]
      After=network-online.target
      [Service]
      ExecStart=/usr/bin/python3 /opt/agent/agent.py
      LoadCredential=agent.json:/etc/agent.json
      StateDirectory=agent
      Restart=always
      RestartSec=200ms
runcmd:
  - [systemctl, daemon-reload]
  - systemctl enable --now --no-block agent.service
`;
}

/** Waits until a claim holds, for at most `limitMs`; the last failure is the answer's. */
export async function eventually<T>(claim: () => Promise<T> | T, limitMs = 8000): Promise<T> {
	const deadline = Date.now() + limitMs;
	for (;;) {
		try {
			return await claim();
		} catch (error) {
			if (Date.now() > deadline) throw error;
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	}
}
