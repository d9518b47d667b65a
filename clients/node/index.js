import createClient from "openapi-fetch";
import { ProxyAgent, fetch as undiciFetch } from "undici";

const MAX_AGENTS = 200;
/** What a request cannot have been carried out before. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT"]);

export class NoProxyError extends Error {}

export function createMuster({ url, key, waitSeconds = 60, tries = 4, proxyOptions = {} }) {
	const api = createClient({ baseUrl: url.replace(/\/+$/, ""), headers: { "X-Auth-Key": key } });
	/** By the proxy's URL, the last used one last. */
	const agents = new Map();

	async function pick(selection, tried) {
		const deadline = Date.now() + waitSeconds * 1000;
		for (;;) {
			const exclude = [...tried, ...(selection.exclude?.split(",") ?? [])].join(",");
			const query = { ...selection, ...(exclude === "" ? {} : { exclude }) };
			const { data, error, response } = await api.GET("/random", { params: { query } });
			if (data !== undefined) return data.proxy;
			// While the fleet wakes, of which it says when it will have: anything else does not mend itself.
			const later = response.headers.get("Retry-After");
			const mayCome = response.status === 503 || (response.status === 404 && later !== null && Number(later) <= 2 * waitSeconds);
			if (!mayCome || Date.now() >= deadline) throw new NoProxyError(error?.detail ?? `Muster answers ${response.status}`);
			const seconds = Math.min(2, Number(later ?? 2));
			await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
		}
	}

	function agentFor(proxy) {
		const agent = agents.get(proxy.url) ?? new ProxyAgent({ ...proxyOptions, uri: proxy.url });
		agents.delete(proxy.url);
		agents.set(proxy.url, agent);
		const [oldest] = agents.keys();
		if (agents.size > MAX_AGENTS) {
			agents.get(oldest).close();
			agents.delete(oldest);
		}
		return agent;
	}

	return {
		api,
		async fetch(input, init = {}, selection = {}) {
			const tried = new Set();
			for (let last; ; ) {
				if (tried.size >= tries) throw new NoProxyError(`${tried.size} proxies failed`, { cause: last });
				const proxy = await pick(selection, tried);
				try {
					const response = await undiciFetch(input, { ...init, dispatcher: agentFor(proxy) });
					if (response.status !== 407 && !isOfFullProxy(response)) return response;
					await response.body?.cancel();
				} catch (error) {
					if (!isProxysFault(error)) throw error;
					last = error;
					const host = new URL(typeof input === "string" ? input : (input.url ?? input)).hostname;
					await api.POST("/report", { body: [{ ip: proxy.ip, host, outcome: "error" }] }).catch(() => {});
				}
				tried.add(proxy.ip);
			}
		},
		async dispatcher(selection = {}) {
			return agentFor(await pick(selection, new Set()));
		},
		async close() {
			await Promise.all([...agents.values()].map((agent) => agent.close()));
			agents.clear();
		},
	};
}

/** Whether the answer is a proxy's that has no room for another request. */
function isOfFullProxy({ status, headers }) {
	return status === 503 && /;\s*error=connection_limit_reached/.test(headers.get("Proxy-Status") ?? "");
}

/**
 * Whether the proxy was not reached, or turned the request away itself: what undici says of it stands some causes down. Of a refused
 * CONNECT it tells the status only; a destination that cannot be reached is 502 or 504, a proxy that is full 503.
 */
function isProxysFault(error) {
	for (let cause = error; cause instanceof Error; cause = cause.cause) {
		if (NOT_CONNECTED.has(cause.code) || /Proxy response \((407|503)\)/.test(cause.message)) return true;
	}
	return false;
}
