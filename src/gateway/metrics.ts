import { createServer, type Server } from "node:http";
import type { Front } from "./front.ts";
import type { Address } from "./options.ts";

/** `GET /metrics`, as Prometheus reads it (text format 0.0.4). */
export function startMetrics(gateway: Front, { host, port }: Address): Promise<Server> {
	const server = createServer((request, response) => {
		const isAsked = request.method === "GET" && request.url === "/metrics";
		response.writeHead(isAsked ? 200 : 404, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" });
		response.end(isAsked ? metricsText(gateway) : "There is /metrics here.\n");
	});
	return new Promise((done, failed) => {
		server.once("error", failed);
		server.listen(port, host, () => done(server));
	});
}

export function metricsText({ stats, fleet, reports, open }: Front): string {
	const metrics: readonly (readonly [name: string, type: "counter" | "gauge", help: string, value: number])[] = [
		["connections_total", "counter", "Clients' connections.", stats.connections],
		["connections_open", "gauge", "Clients' connections that are open.", open],
		["requests_total", "counter", "Requests over plain HTTP.", stats.requests],
		["tunnels_total", "counter", "Tunnels that were asked for, by CONNECT or SOCKS5.", stats.tunnels],
		["tunnels_open", "gauge", "Tunnels that are open.", stats.openTunnels],
		["tunnel_sent_bytes_total", "counter", "Bytes that clients sent through tunnels that have ended.", stats.tunnelBytesUp],
		["tunnel_received_bytes_total", "counter", "Bytes that clients got through tunnels that have ended.", stats.tunnelBytesDown],
		["failovers_total", "counter", "Proxies that failed before the first byte, whereupon the next one was tried.", stats.failovers],
		["refused_total", "counter", "Requests and tunnels that were refused.", stats.refused],
		["held_total", "counter", "Requests and tunnels that waited for a proxy to become ready.", stats.held],
		["waiting", "gauge", "Requests and tunnels that wait for one now.", fleet.waiting],
		["proxies_ready", "gauge", "Proxies that Muster lists as ready.", fleet.exits.length],
		["list_age_seconds", "gauge", "Since Muster last told what is ready.", fleet.ageSeconds],
		["list_calls_total", "counter", "Calls for the list.", fleet.calls],
		["reports_sent_total", "counter", "Outcomes that Muster was told.", reports.sent],
		["reports_lost_total", "counter", "Outcomes that it could not be told.", reports.lost],
		["resident_memory_bytes", "gauge", "Memory of this process.", process.memoryUsage.rss()],
	];
	return metrics
		.map(([name, type, help, value]) => {
			const full = `muster_gateway_${name}`;
			return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${full} ${Number.isFinite(value) ? value : "+Inf"}\n`;
		})
		.join("");
}
