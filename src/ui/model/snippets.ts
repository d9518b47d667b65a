/** What is pasted into a shell or an editor, and works as it is. */

export interface Snippet {
	readonly name: string;
	readonly title: string;
	readonly parts: readonly { readonly says: string; readonly code: string }[];
}

interface Given {
	readonly origin: string;
	/** The deployment asks for a key; it is never written out. */
	readonly needsKey: boolean;
	/** What of the fleet is wanted, as a query. */
	readonly query: string;
	/** Of a proxy, with its credentials. */
	readonly url: string;
}

const TARGET = "https://example.com/";

export function snippets({ origin, needsKey, query, url }: Given): readonly Snippet[] {
	const random = `${origin}/random${query === "" ? "" : `?${query}`}`;
	const header = needsKey ? ` -H "X-Auth-Key: $AUTH_KEY"` : "";
	const pyHeaders = needsKey ? `, headers={"X-Auth-Key": os.environ["AUTH_KEY"]}` : "";
	const jsHeaders = needsKey ? `, { headers: { "X-Auth-Key": process.env.AUTH_KEY } }` : "";
	const pyImport = needsKey ? "import os\n\n" : "";
	const plain = URL.parse(url);
	const [server, username, password] =
		plain === null ? [url, "", ""] : [`http://${plain.host}`, decodeURIComponent(plain.username), decodeURIComponent(plain.password)];
	return [
		{
			name: "curl",
			title: "curl",
			parts: [
				{ says: "Through this very proxy:", code: `curl -x '${url}' ${TARGET}` },
				{
					says: "Through one that is asked for each time:",
					code: `curl -x "$(curl -s${header} '${random}' | jq -r .proxy.url)" ${TARGET}`,
				},
			],
		},
		{
			name: "requests",
			title: "Python requests",
			parts: [
				{
					says: "One proxy for each request:",
					code: `${pyImport}import requests

def proxies():
    url = requests.get("${random}"${pyHeaders}, timeout=10).json()["proxy"]["url"]
    return {"http": url, "https": url}

print(requests.get("${TARGET}", proxies=proxies(), timeout=30).status_code)`,
				},
			],
		},
		{
			name: "scrapy",
			title: "Scrapy",
			parts: [
				{
					says: "A downloader middleware; name it in DOWNLOADER_MIDDLEWARES with a number below 750:",
					code: `${pyImport}import json
from scrapy.http import Request
from scrapy.utils.defer import maybe_deferred_to_future

class MusterProxy:
    def __init__(self, crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler)

    async def process_request(self, request, spider=None):
        if "proxy" in request.meta:
            return
        ask = Request("${random}"${pyHeaders}, meta={"proxy": None})
        answer = await maybe_deferred_to_future(self.crawler.engine.download(ask))
        request.meta["proxy"] = json.loads(answer.text)["proxy"]["url"]`,
				},
			],
		},
		{
			name: "playwright",
			title: "Playwright",
			parts: [
				{
					says: "A browser context with a proxy of its own:",
					code: `import { chromium } from "playwright";

const { proxy } = await (await fetch("${random}"${jsHeaders})).json();
const { protocol, host, username, password } = new URL(proxy.url);
const browser = await chromium.launch();
const context = await browser.newContext({
  proxy: { server: \`\${protocol}//\${host}\`, username: decodeURIComponent(username), password: decodeURIComponent(password) },
});
const page = await context.newPage();
await page.goto("${TARGET}");`,
				},
				{
					says: "With this very proxy:",
					code: `const context = await browser.newContext({
  proxy: { server: ${JSON.stringify(server)}, username: ${JSON.stringify(username)}, password: ${JSON.stringify(password)} },
});`,
				},
			],
		},
		{
			name: "node",
			title: "Node",
			parts: [
				{
					says: "With undici (npm install undici):",
					code: `import { fetch, ProxyAgent } from "undici";

const { proxy } = await (await fetch("${random}"${jsHeaders})).json();
const answer = await fetch("${TARGET}", { dispatcher: new ProxyAgent(proxy.url) });
console.log(answer.status);`,
				},
			],
		},
		{
			name: "gateway",
			title: "Gateway",
			parts: [
				{
					says: "One address that rotates, on your machine; it follows the fleet's list:",
					code: `curl -O ${origin}/gateway.mjs\n${needsKey ? 'MUSTER_KEY="$AUTH_KEY" ' : ""}node gateway.mjs --url ${origin}`,
				},
				{
					says: "What you chose stands in the user name:",
					code: `curl -x 'http://${userOf(username, query)}:any@127.0.0.1:8888' ${TARGET}`,
				},
			],
		},
	];
}

/** `user-session-abc`: a hyphen within a value is written twice. */
function userOf(name: string, query: string): string {
	const words = [...new URLSearchParams(query)].map(([key, value]) => `${key}-${value.replaceAll("-", "--")}`);
	return encodeURIComponent([name === "" ? "user" : name, ...words].join("-"));
}
