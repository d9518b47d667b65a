import { type Client, node, npmVersion, quoted, variables } from "../client.ts";

const print = ".then((text) => console.log(text))";

/** Node's own clients and npm's. */
export const NODE_CLIENTS: readonly Client[] = [
	{
		name: "Node http",
		packages: "nodejs ≥ 24",
		version: [process.execPath, "--version"],
		configure: "NODE_USE_ENV_PROXY=1 https_proxy=http://user:p%40ss%2Fw%3Ard@host:port node …",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: (errand) =>
			node(`require(${quoted(`node:${errand.protocol}`)}).get(${quoted(errand.url)}, (answer) => answer.pipe(process.stdout))`, errand, {
				NODE_USE_ENV_PROXY: "1",
				...variables(errand),
			}),
	},
	{
		name: "Node fetch",
		packages: "nodejs ≥ 24",
		version: [process.execPath, "--version"],
		configure: "NODE_USE_ENV_PROXY=1 https_proxy=http://user:p%40ss%2Fw%3Ard@host:port node …",
		protocols: ["http", "https"],
		command: (errand) =>
			node(`fetch(${quoted(errand.url)}).then((answer) => answer.text())${print}`, errand, {
				NODE_USE_ENV_PROXY: "1",
				...variables(errand),
			}),
	},
	{
		name: "undici",
		packages: "npm:undici",
		version: npmVersion("undici"),
		configure: "fetch(url, { dispatcher: new ProxyAgent(proxy) }), or new Socks5ProxyAgent(proxy)",
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		command: (errand) => {
			const { proxy, protocol } = errand;
			const kind = protocol === "socks5" ? "Socks5ProxyAgent" : "ProxyAgent";
			const place = protocol === "socks5" ? proxy.socksUrl.replace("socks5h:", "socks5:") : proxy.url;
			const tls = `{ connect: { ca: require("fs").readFileSync(${quoted(errand.authority)}) }, requestTls: { ca: require("fs").readFileSync(${quoted(errand.authority)}) } }`;
			return node(
				`const { fetch, ${kind} } = require("undici");
const dispatcher = ${kind === "ProxyAgent" ? `new ProxyAgent({ uri: ${quoted(place)}, ...${tls} })` : `new Socks5ProxyAgent(${quoted(place)})`};
fetch(${quoted(errand.url)}, { dispatcher }).then((answer) => answer.text())${print}`,
				errand,
			);
		},
	},
	{
		name: "axios",
		packages: "npm:axios",
		version: npmVersion("axios"),
		configure: "axios.get(url, { proxy: { protocol: 'http', host, port, auth: { username, password } } })",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: (errand) => {
			const { host, port, username, password } = errand.proxy;
			const proxy = { protocol: "http", host, port, auth: { username, password } };
			return node(
				`require("axios").get(${quoted(errand.url)}, { proxy: ${JSON.stringify(proxy)} }).then(({ data }) => data)${print}`,
				errand,
			);
		},
	},
	{
		name: "axios by variable",
		packages: "npm:axios",
		version: npmVersion("axios"),
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port node …",
		protocols: ["http", "https"],
		command: (errand) => node(`require("axios").get(${quoted(errand.url)}).then(({ data }) => data)${print}`, errand, variables(errand)),
	},
	{
		name: "got + hpagent",
		packages: "npm:got npm:hpagent",
		version: npmVersion("hpagent", "got"),
		configure: "got(url, { agent: { http: new HttpProxyAgent({ proxy }), https: new HttpsProxyAgent({ proxy }) } })",
		protocols: ["http", "https"],
		command: (errand) =>
			node(
				`const { HttpProxyAgent, HttpsProxyAgent } = require("hpagent"); const got = require("got").default; const proxy = ${quoted(errand.proxy.url)};
got(${quoted(errand.url)}, { agent: { http: new HttpProxyAgent({ proxy }), https: new HttpsProxyAgent({ proxy }) }, retry: { limit: 0 } }).text()${print}`,
				errand,
			),
	},
	{
		name: "node-fetch + *-proxy-agent",
		packages: "npm:node-fetch npm:http-proxy-agent npm:https-proxy-agent npm:socks-proxy-agent",
		version: npmVersion("http-proxy-agent", "https-proxy-agent", "socks-proxy-agent", "node-fetch"),
		configure: "fetch(url, { agent: new HttpsProxyAgent(proxy) }), HttpProxyAgent for http://, SocksProxyAgent",
		protocols: ["http", "https", "socks5"],
		command: (errand) => {
			const kind = { http: "HttpProxyAgent", https: "HttpsProxyAgent", socks5: "SocksProxyAgent" }[errand.protocol];
			const module = { http: "http-proxy-agent", https: "https-proxy-agent", socks5: "socks-proxy-agent" }[errand.protocol];
			return node(
				`const { ${kind} } = require(${quoted(module)}); const fetch = require("node-fetch").default;
fetch(${quoted(errand.url)}, { agent: new ${kind}(${quoted(errand.proxy.either)}) }).then((answer) => answer.text())${print}`,
				errand,
			);
		},
	},
	{
		name: "proxy-agent",
		packages: "npm:proxy-agent",
		version: npmVersion("proxy-agent"),
		configure: "http.get(url, { agent: new ProxyAgent({ getProxyForUrl: () => proxy }) })",
		protocols: ["http", "https", "socks5"],
		command: (errand) =>
			node(
				`const { ProxyAgent } = require("proxy-agent"); const agent = new ProxyAgent({ getProxyForUrl: () => ${quoted(errand.proxy.either)} });
require(${quoted(new URL(errand.url).protocol.replace(":", ""))}).get(${quoted(errand.url)}, { agent }, (answer) => answer.pipe(process.stdout))`,
				errand,
			),
	},
	{
		name: "superagent + proxy-agent",
		packages: "npm:superagent npm:proxy-agent",
		version: npmVersion("proxy-agent", "superagent"),
		configure: "superagent.get(url).agent(new ProxyAgent({ getProxyForUrl: () => proxy }))",
		protocols: ["http", "https", "socks5"],
		command: (errand) =>
			node(
				`const { ProxyAgent } = require("proxy-agent"); const agent = new ProxyAgent({ getProxyForUrl: () => ${quoted(errand.proxy.either)} });
require("superagent").get(${quoted(errand.url)}).agent(agent).then(({ text }) => text)${print}`,
				errand,
			),
	},
	{
		name: "global-agent",
		packages: "npm:global-agent npm:node-fetch",
		version: npmVersion("node-fetch", "global-agent"),
		configure: "GLOBAL_AGENT_HTTP_PROXY=http://user:p%40ss%2Fw%3Ard@host:port node -r global-agent/bootstrap …",
		protocols: ["http", "https"],
		command: (errand) =>
			node(
				`require("global-agent").bootstrap(); require(${quoted(errand.protocol)}).get(${quoted(errand.url)}, (answer) => answer.pipe(process.stdout))`,
				errand,
				{ GLOBAL_AGENT_HTTP_PROXY: errand.proxy.url },
			),
	},
	{
		name: "make-fetch-happen",
		packages: "npm:make-fetch-happen",
		version: npmVersion("make-fetch-happen"),
		configure: "fetch(url, { proxy })",
		protocols: ["http", "https"],
		command: (errand) =>
			node(
				`require("make-fetch-happen")(${quoted(errand.url)}, { proxy: ${quoted(errand.proxy.url)}, retry: false }).then((answer) => answer.text())${print}`,
				errand,
			),
	},
	{
		name: "request",
		packages: "npm:request",
		version: npmVersion("request"),
		configure: "request(url, { proxy }, callback)",
		protocols: ["http", "https"],
		command: (errand) =>
			node(
				`require("request")(${quoted(errand.url)}, { proxy: ${quoted(errand.proxy.url)} }, (error, answer, body) => console.log(error ?? body))`,
				errand,
			),
	},
	{
		name: "tunnel",
		packages: "npm:tunnel",
		version: npmVersion("tunnel"),
		configure: "http.get(url, { agent: tunnel.httpOverHttp({ proxy: { host, port, proxyAuth } }) }), httpsOverHttp for https://",
		protocols: ["http", "https"],
		command: (errand) => {
			const { host, port, username, password } = errand.proxy;
			const proxy = { host, port, proxyAuth: `${username}:${password}` };
			return node(
				`const agent = require("tunnel").${errand.protocol}OverHttp({ proxy: ${JSON.stringify(proxy)}, ca: [require("fs").readFileSync(${quoted(errand.authority)})] });
require(${quoted(errand.protocol)}).get(${quoted(errand.url)}, { agent }, (answer) => answer.pipe(process.stdout))`,
				errand,
			);
		},
	},
];
