import { type Client, node, npmVersion, quoted, variables } from "../client.ts";

/** The driven browser, and those of the terminal. */
export const BROWSERS: readonly Client[] = [
	{
		name: "Playwright with Chromium",
		packages: "npm:playwright-core chromium",
		version: ["sh", "-c", 'chromium --version --no-sandbox >/dev/null && "$@"', "sh", ...npmVersion("playwright-core")],
		configure: "chromium.launch({ proxy: { server: 'http://host:port', username, password } })",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: (errand) => {
			const { host, port, username, password } = errand.proxy;
			const proxy = { server: `http://${host}:${port}`, username, password };
			return node(
				`const { chromium } = require("playwright-core"); (async () => {
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"], proxy: ${JSON.stringify(proxy)} });
const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
await page.goto(${quoted(errand.url)}); console.log(await page.textContent("body")); await browser.close();
})()`,
				errand,
			);
		},
	},
	{
		name: "Puppeteer with Chromium",
		packages: "npm:puppeteer-core chromium",
		version: ["sh", "-c", 'chromium --version --no-sandbox >/dev/null && "$@"', "sh", ...npmVersion("puppeteer-core")],
		configure: "puppeteer.launch({ args: ['--proxy-server=host:port'] }), then page.authenticate({ username, password })",
		protocols: ["http", "https"],
		command: (errand) => {
			const { host, port, username, password } = errand.proxy;
			return node(
				`const puppeteer = require("puppeteer-core").default; (async () => {
const args = ["--no-sandbox", "--proxy-server=${host}:${port}"];
const browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args, acceptInsecureCerts: true });
const page = await browser.newPage(); await page.authenticate(${JSON.stringify({ username, password })});
await page.goto(${quoted(errand.url)}); console.log(await page.$eval("body", (body) => body.textContent)); await browser.close();
})()`,
				errand,
			);
		},
	},
	{
		name: "lynx",
		packages: "lynx",
		version: ["lynx", "-version"],
		configure: "http_proxy=http://host:port/ lynx -pauth=user:p@ss/w:rd URL",
		protocols: ["http", "https"],
		tellsOriginPassword: true,
		command: ({ proxy, authority, url }) => {
			const place = `http://${proxy.host}:${proxy.port}/`;
			return {
				argv: ["lynx", "-dump", `-pauth=${proxy.username}:${proxy.password}`, url],
				env: { http_proxy: place, https_proxy: place, SSL_CERT_FILE: authority },
			};
		},
	},
	{
		name: "w3m",
		packages: "w3m",
		version: ["w3m", "-version"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port w3m URL",
		protocols: ["http", "https"],
		command: (errand) => ({ argv: ["w3m", "-o", `ssl_ca_file=${errand.authority}`, "-dump", errand.url], env: variables(errand) }),
	},
	{
		name: "elinks",
		packages: "elinks",
		version: ["elinks", "-version"],
		configure: 'set protocol.http.proxy.host = "host:port", …proxy.user and …proxy.passwd in elinks.conf; protocol.https.proxy.host',
		protocols: ["http", "https"],
		command: ({ proxy, url }) => ({
			argv: ["elinks", "-config-dir", "elinks", "-dump", url],
			files: {
				"elinks/elinks.conf": [
					`set protocol.http.proxy.host = "${proxy.host}:${proxy.port}"`,
					`set protocol.http.proxy.user = "${proxy.username}"`,
					`set protocol.http.proxy.passwd = "${proxy.password}"`,
					`set protocol.https.proxy.host = "${proxy.host}:${proxy.port}"`,
					"set connection.ssl.cert_verify = 0\n",
				].join("\n"),
			},
		}),
	},
	{
		name: "links",
		packages: "links",
		version: ["links", "-version"],
		configure: "links -http-proxy user:p%40ss%2Fw%3Ard@host:port -https-proxy … URL",
		protocols: ["http", "https"],
		command: ({ proxy, url }) => {
			const place = proxy.url.slice("http://".length);
			return { argv: ["links", "-ssl.certificates", "0", "-http-proxy", place, "-https-proxy", place, "-dump", url] };
		},
	},
];
