import { bareRequest, type Client, debian } from "../client.ts";

/** Programs that open a tunnel for others, or for standard input and output. */
export const TUNNELS: readonly Client[] = [
	{
		name: "ncat",
		packages: "ncat",
		version: ["ncat", "--version"],
		configure: "ncat --proxy host:port --proxy-type http --proxy-auth user:p@ss/w:rd DESTINATION PORT",
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		command: (errand) => ({
			argv: [
				...["ncat", "--no-shutdown", "--proxy", `${errand.proxy.host}:${errand.proxy.port}`],
				...["--proxy-type", errand.protocol === "socks5" ? "socks5" : "http"],
				...["--proxy-auth", `${errand.proxy.username}:${errand.proxy.password}`],
				...(errand.protocol === "https" ? ["--ssl-verify", "--ssl-trustfile", errand.authority] : []),
				...[errand.host, String(errand.port)],
			],
			input: bareRequest(errand),
		}),
	},
	{
		name: "proxychains4",
		packages: "proxychains4 curl",
		version: debian("proxychains4"),
		configure: "http host port user p@ss/w:rd (or socks5 …) below [ProxyList] in proxychains.conf",
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		command: ({ proxy, protocol, authority, url }) => {
			const kind = protocol === "socks5" ? "socks5" : "http";
			const entry = `${kind} ${proxy.host} ${proxy.port} ${proxy.username} ${proxy.password}`;
			return {
				argv: ["proxychains4", "-q", "-f", "chain.conf", "curl", "-sS", "--fail", "--cacert", authority, url],
				files: { "chain.conf": `strict_chain\nproxy_dns\n[ProxyList]\n${entry}\n` },
			};
		},
	},
	{
		name: "socat",
		packages: "socat",
		version: ["socat", "-V"],
		configure: "socat - 'PROXY:host:DESTINATION:PORT,proxyport=port,proxyauth=user\\:p@ss/w\\:rd'",
		protocols: ["http"],
		command: (errand) => ({
			argv: [
				"socat",
				"-t10",
				"-",
				`PROXY:${errand.proxy.host}:${errand.host}:${errand.port},proxyport=${errand.proxy.port},proxyauth=${errand.proxy.username}\\:${errand.proxy.password.replaceAll(":", "\\:")}`,
			],
			input: bareRequest(errand),
		}),
	},
	{
		name: "corkscrew",
		packages: "corkscrew",
		version: debian("corkscrew"),
		configure: "ProxyCommand corkscrew host port %h %p FILE, with user:p@ss/w:rd in the file",
		protocols: ["http"],
		command: (errand) => ({
			argv: ["corkscrew", errand.proxy.host, String(errand.proxy.port), errand.host, String(errand.port), "login"],
			files: { login: `${errand.proxy.username}:${errand.proxy.password}\n` },
			input: bareRequest(errand),
		}),
	},
	{
		name: "proxytunnel",
		packages: "proxytunnel",
		version: debian("proxytunnel"),
		configure: "ProxyCommand proxytunnel -p host:port -P user:p@ss/w:rd -d %h:%p",
		protocols: ["http"],
		command: (errand) => ({
			argv: [
				...["proxytunnel", "-q", "-p", `${errand.proxy.host}:${errand.proxy.port}`],
				...["-P", `${errand.proxy.username}:${errand.proxy.password}`, "-d", `${errand.host}:${errand.port}`],
			],
			input: bareRequest(errand),
		}),
	},
	{
		name: "connect-proxy",
		packages: "connect-proxy",
		version: debian("connect-proxy"),
		configure: "ProxyCommand connect-proxy -H user@host:port %h %p (or -S), with HTTP_PROXY_PASSWORD (SOCKS5_PASSWORD) set",
		protocols: ["http", "socks5"],
		command: (errand) => {
			const relay = `${errand.proxy.username}@${errand.proxy.host}:${errand.proxy.port}`;
			return {
				argv: [
					"connect-proxy",
					...(errand.protocol === "socks5" ? ["-R", "remote", "-S"] : ["-H"]),
					relay,
					errand.host,
					String(errand.port),
				],
				env: { HTTP_PROXY_PASSWORD: errand.proxy.password, SOCKS5_PASSWORD: errand.proxy.password },
				input: bareRequest(errand),
			};
		},
	},
];
