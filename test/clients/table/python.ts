import { type Client, type Errand, PYTHON, python, quoted, variables } from "../client.ts";

const version = (module: string, expression = `${module}.__version__`) => [PYTHON, "-c", `import ${module}; print(${expression})`];
const trusted = ({ authority }: Errand) => `ssl.create_default_context(cafile=${quoted(authority)})`;

/** Debian's modules, for Debian's Python. */
export const PYTHON_CLIENTS: readonly Client[] = [
	{
		name: "requests",
		packages: "python3-requests python3-socks",
		version: [PYTHON, "-c", "import requests, socks; print(requests.__version__)"],
		configure: 'requests.get(url, proxies={"http": proxy, "https": proxy})',
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		command: ({ proxy, authority, url }) =>
			python(
				`import requests; proxy = ${quoted(proxy.either)}
print(requests.get(${quoted(url)}, proxies={"http": proxy, "https": proxy}, verify=${quoted(authority)}).text)`,
			),
	},
	{
		name: "urllib",
		packages: "python3",
		version: [PYTHON, "--version"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port, or ProxyHandler",
		protocols: ["http", "https"],
		command: (errand) =>
			python(
				`import ssl, urllib.request
print(urllib.request.urlopen(${quoted(errand.url)}, context=${trusted(errand)}).read())`,
				variables(errand),
			),
	},
	{
		name: "http.client",
		packages: "python3",
		version: [PYTHON, "--version"],
		configure: 'HTTPSConnection(host, port).set_tunnel(destination, port, {"Proxy-Authorization": "Basic …"})',
		protocols: ["http", "https"],
		command: (errand) => {
			const { proxy, protocol, host, port, url } = errand;
			return python(`import base64, http.client, ssl
login = base64.b64encode(${quoted(`${proxy.username}:${proxy.password}`)}.encode()).decode()
connection = http.client.${protocol === "https" ? "HTTPSConnection" : "HTTPConnection"}(${quoted(proxy.host)}, ${proxy.port}${protocol === "https" ? `, context=${trusted(errand)}` : ""})
connection.set_tunnel(${quoted(host)}, ${port}, {"Proxy-Authorization": "Basic " + login})
connection.request("GET", ${quoted(new URL(url).pathname)})
print(connection.getresponse().read())`);
		},
	},
	{
		name: "urllib3",
		packages: "python3-urllib3",
		version: version("urllib3"),
		configure: 'ProxyManager("http://host:port", proxy_headers=make_headers(proxy_basic_auth="user:p@ss/w:rd"))',
		protocols: ["http", "https"],
		command: ({ proxy, authority, url }) =>
			python(`import urllib3
headers = urllib3.make_headers(proxy_basic_auth=${quoted(`${proxy.username}:${proxy.password}`)})
manager = urllib3.ProxyManager("http://${proxy.host}:${proxy.port}", proxy_headers=headers, ca_certs=${quoted(authority)})
print(manager.request("GET", ${quoted(url)}).data)`),
	},
	{
		name: "aiohttp",
		packages: "python3-aiohttp",
		version: version("aiohttp"),
		configure: "session.get(url, proxy=proxy)",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: (errand) =>
			python(`import aiohttp, asyncio, ssl
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get(${quoted(errand.url)}, proxy=${quoted(errand.proxy.url)}, ssl=${trusted(errand)}) as answer:
            print(await answer.text())
asyncio.run(main())`),
	},
	{
		name: "httpx",
		packages: "python3-httpx python3-socksio",
		version: [PYTHON, "-c", "import httpx, socksio; print(httpx.__version__)"],
		configure: "httpx.Client(proxies=proxy), since 0.26 proxy=proxy",
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		command: ({ proxy, authority, url, protocol }) =>
			python(`import httpx, inspect
option = "proxy" if "proxy" in inspect.signature(httpx.Client).parameters else "proxies"
proxy = ${quoted(protocol === "socks5" ? proxy.url.replace("http:", "socks5:") : proxy.url)}
print(httpx.Client(**{option: proxy}, verify=${quoted(authority)}).get(${quoted(url)}).text)`),
	},
	{
		name: "Scrapy",
		packages: "python3-scrapy",
		version: version("scrapy"),
		configure: 'Request(url, meta={"proxy": proxy})',
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: ({ proxy, url }) => ({
			argv: [PYTHON, "-m", "scrapy", "runspider", "--nolog", "spider.py"],
			files: {
				"spider.py": `import scrapy
class Spider(scrapy.Spider):
    name = "probe"
    custom_settings = {"ROBOTSTXT_OBEY": False, "TELNETCONSOLE_ENABLED": False}
    def start_requests(self):
        yield scrapy.Request(${quoted(url)}, meta={"proxy": ${quoted(proxy.url)}})
    def parse(self, response):
        print(response.text)
`,
			},
		}),
	},
	{
		name: "pycurl",
		packages: "python3-pycurl",
		version: version("pycurl", "pycurl.version"),
		configure: "curl.setopt(curl.PROXY, proxy)",
		protocols: ["http", "https", "socks5"],
		command: ({ proxy, authority, url }) =>
			python(`import pycurl; curl = pycurl.Curl()
curl.setopt(curl.URL, ${quoted(url)}); curl.setopt(curl.PROXY, ${quoted(proxy.either)}); curl.setopt(curl.CAINFO, ${quoted(authority)})
print(curl.perform_rs())`),
	},
	{
		name: "httplib2",
		packages: "python3-httplib2 python3-socks",
		version: version("httplib2"),
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port",
		protocols: ["http", "https"],
		command: (errand) =>
			python(
				`import httplib2
print(httplib2.Http(ca_certs=${quoted(errand.authority)}).request(${quoted(errand.url)})[1])`,
				variables(errand),
			),
	},
	{
		name: "Tornado",
		packages: "python3-tornado python3-pycurl",
		version: version("tornado", "tornado.version"),
		configure:
			'AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient"), then proxy_host, proxy_port, proxy_username, proxy_password',
		protocols: ["http", "https"],
		command: ({ proxy, authority, url }) =>
			python(`import asyncio; from tornado.httpclient import AsyncHTTPClient
AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")
async def main():
    place = dict(proxy_host=${quoted(proxy.host)}, proxy_port=${proxy.port}, proxy_username=${quoted(proxy.username)}, proxy_password=${quoted(proxy.password)})
    print((await AsyncHTTPClient().fetch(${quoted(url)}, ca_certs=${quoted(authority)}, **place)).body)
asyncio.run(main())`),
	},
	{
		name: "Twisted",
		packages: "python3-twisted",
		version: version("twisted"),
		configure: 'ProxyAgent(endpoint).request(b"GET", url, Headers({"Proxy-Authorization": ["Basic …"]}))',
		protocols: ["http"],
		command: ({ proxy, url }) =>
			python(`import base64; from twisted.internet import endpoints, task; from twisted.web.client import ProxyAgent, readBody
from twisted.web.http_headers import Headers
login = base64.b64encode(${quoted(`${proxy.username}:${proxy.password}`)}.encode()).decode()
def main(reactor):
    agent = ProxyAgent(endpoints.TCP4ClientEndpoint(reactor, ${quoted(proxy.host)}, ${proxy.port}))
    return agent.request(b"GET", ${quoted(url)}.encode(), Headers({"Proxy-Authorization": ["Basic " + login]})).addCallback(readBody).addCallback(print)
task.react(main)`),
	},
];
