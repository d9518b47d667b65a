import type { LocalCloud } from "./cloud.ts";
import { json } from "./dialect.ts";
import type { VmRecord } from "./inventory.ts";

/**
 * What an operator of the local cloud may do behind its users' backs; no credentials are asked.
 *
 * - `GET /_local/vms`: `[{provider, id, name, ip, state}]`, existing VMs; `ip` is null until the cloud shows it.
 * - `DELETE /_local/vms/{id}`: the VM is gone, and nobody was told.
 * - `GET /_local/vms/{id}/user-data`: what its creator gave it to boot from. It holds that VM's secrets.
 * - `POST /_local/vms/{id}/kill-agent`: kills its agent, which is started again a second later; with `?forever=1` or a body
 *   `{"forever":true}` it never is.
 * - `POST /_local/vms/{id}/power-off`, `…/power-on`: as somebody in the cloud's own console would.
 * - `GET`, `POST`, `DELETE /_local/faults`: those that are set, set one (see `faults.ts`), forget all.
 * - `GET /_local/journal`: one JSON a line (see `journal.ts`); `DELETE` forgets it.
 */
export async function answerControl(cloud: LocalCloud, request: Request, url: URL): Promise<Response> {
	const path = url.pathname.slice("/_local".length);
	const vmPath = /^\/vms\/([^/]+)(?:\/([a-z-]+))?$/.exec(path);
	if (vmPath?.[1] !== undefined) {
		const vm = cloud.fleet.vms().find((candidate) => candidate.id === vmPath[1]);
		if (!vm) return refuse(404, `There is no VM '${vmPath[1]}'.`);
		return answerVm(cloud, vm, `${request.method} ${vmPath[2] ?? ""}`, request, url);
	}
	switch (`${request.method} ${path}`) {
		case "GET /vms":
			return json(200, cloud.fleet.vms().map(show));
		case "GET /faults":
			return json(200, cloud.faults.list());
		case "POST /faults": {
			const body = await readJson(request);
			if (body === undefined) return refuse(400, "The body is not JSON.");
			const nonsense = cloud.faults.add(body);
			return nonsense === null ? json(201, cloud.faults.list()) : refuse(422, nonsense);
		}
		case "DELETE /faults":
			cloud.faults.clear();
			return new Response(null, { status: 204 });
		case "GET /journal":
			return new Response(cloud.journal.text(), { headers: { "content-type": "application/x-ndjson; charset=utf-8" } });
		case "DELETE /journal":
			cloud.journal.clear();
			return new Response(null, { status: 204 });
		default:
			return refuse(404, `There is no ${request.method} ${url.pathname}; there are /_local/vms, /_local/faults and /_local/journal.`);
	}
}

async function answerVm(cloud: LocalCloud, vm: VmRecord, what: string, request: Request, url: URL): Promise<Response> {
	switch (what) {
		case "GET ":
			return json(200, show(vm));
		case "DELETE ":
			cloud.fleet.delete(vm);
			return new Response(null, { status: 204 });
		case "GET user-data":
			return new Response(vm.userData, { headers: { "content-type": "text/plain; charset=utf-8" } });
		case "POST kill-agent": {
			const body = await readJson(request);
			const asked = typeof body === "object" && body !== null && "forever" in body && body.forever === true;
			const isForever = asked || ["1", "true"].includes(url.searchParams.get("forever") ?? "");
			const hit = cloud.fleet.killAgent(vm, isForever);
			return hit || isForever ? json(200, { killed: hit, forever: isForever }) : refuse(409, `No agent runs on VM '${vm.id}'.`);
		}
		case "POST power-off":
		case "POST power-on": {
			const task = cloud.fleet.power(vm, what === "POST power-on" ? "on" : "off", what.slice("POST ".length).replace("-", "_"));
			return task ? new Response(null, { status: 204 }) : refuse(409, `VM '${vm.id}' is busy.`);
		}
		default:
			return refuse(404, `There is no ${request.method} ${url.pathname}.`);
	}
}

function show(vm: VmRecord): { provider: string; id: string; name: string; ip: string | null; state: string } {
	return { provider: vm.provider, id: vm.id, name: vm.name, ip: vm.state === "new" ? null : vm.address, state: vm.state };
}

function refuse(status: number, error: string): Response {
	return json(status, { error });
}

/** Undefined: it is not JSON; an empty body is null. */
async function readJson(request: Request): Promise<unknown> {
	const text = await request.text();
	if (text === "") return null;
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return undefined;
	}
}
