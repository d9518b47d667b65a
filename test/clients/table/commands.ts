import { type Client, variables } from "../client.ts";

/** Programs that download what they are told on the command line. */
export const COMMANDS: readonly Client[] = [
	{
		name: "curl",
		packages: "curl",
		version: ["curl", "--version"],
		configure: "curl -x http://user:p%40ss%2Fw%3Ard@host:port URL",
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		command: ({ proxy, authority, url }) => ({ argv: ["curl", "-sS", "--fail", "--cacert", authority, "-x", proxy.either, url] }),
	},
	{
		name: "wget",
		packages: "wget",
		version: ["wget", "--version"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port wget URL",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: (errand) => ({ argv: ["wget", "-nv", "-O-", "--ca-certificate", errand.authority, errand.url], env: variables(errand) }),
	},
	{
		name: "aria2",
		packages: "aria2",
		version: ["aria2c", "--version"],
		configure: "aria2c --all-proxy=http://host:port --all-proxy-user=user --all-proxy-passwd=p@ss/w:rd URL",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: ({ proxy, authority, url }) => ({
			argv: [
				"aria2c",
				"--quiet",
				`--all-proxy=http://${proxy.host}:${proxy.port}`,
				`--all-proxy-user=${proxy.username}`,
				`--all-proxy-passwd=${proxy.password}`,
				`--ca-certificate=${authority}`,
				"--out=got",
				url,
			],
			output: "got",
		}),
	},
	{
		name: "axel",
		packages: "axel",
		version: ["axel", "--version"],
		configure: "http_proxy=http://user:p%40ss%2Fw%3Ard@host:port axel URL",
		protocols: ["http"],
		command: (errand) => ({ argv: ["axel", "-q", "-n", "1", "-o", "got", errand.url], env: variables(errand), output: "got" }),
	},
	{
		name: "git",
		packages: "git",
		version: ["git", "--version"],
		configure: "git -c http.proxy=http://user:p%40ss%2Fw%3Ard@host:port -c http.proxyAuthMethod=basic clone URL",
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		// Without http.proxyAuthMethod, as most run it: git then asks once without credentials.
		command: ({ proxy, authority, base }) => ({
			argv: ["git", "-c", `http.proxy=${proxy.either}`, "-c", `http.sslCAInfo=${authority}`, "ls-remote", `${base}repo.git`],
			env: { GIT_TERMINAL_PROMPT: "0" },
		}),
	},
	{
		name: "HTTPie",
		packages: "httpie",
		version: ["http", "--version"],
		configure: "http --proxy=https:http://user:p%40ss%2Fw%3Ard@host:port URL",
		protocols: ["http", "https", "socks5"],
		command: ({ proxy, authority, url }) => ({
			argv: [
				"http",
				"--ignore-stdin",
				"--body",
				`--verify=${authority}`,
				`--proxy=http:${proxy.either}`,
				`--proxy=https:${proxy.either}`,
				"GET",
				url,
			],
		}),
	},
	{
		name: "yt-dlp",
		packages: "yt-dlp",
		version: ["yt-dlp", "--version"],
		configure: "yt-dlp --proxy http://user:p%40ss%2Fw%3Ard@host:port URL",
		protocols: ["http", "https"],
		command: ({ proxy, authority, base }) => ({
			argv: ["yt-dlp", "--quiet", "--compat-options", "no-certifi", "--proxy", proxy.url, "-o", "got", `${base}sound.wav`],
			env: { SSL_CERT_FILE: authority },
			output: "got",
		}),
	},
	{
		name: "rclone",
		packages: "rclone",
		version: ["rclone", "version"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port rclone copyurl URL PATH",
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: ["rclone", "--ca-cert", errand.authority, "copyurl", "--stdout", errand.url],
			env: variables(errand),
		}),
	},
	{
		name: "ab",
		packages: "apache2-utils",
		version: ["ab", "-V"],
		configure: "ab -X host:port -P user:p@ss/w:rd URL",
		protocols: ["http"],
		command: ({ proxy, url }) => ({
			argv: ["ab", "-n", "1", "-v", "4", "-X", `${proxy.host}:${proxy.port}`, "-P", `${proxy.username}:${proxy.password}`, url],
		}),
	},
	{
		name: "httrack",
		packages: "httrack",
		version: ["httrack", "--version"],
		configure: "httrack -P user:p%40ss%2Fw%3Ard@host:port URL",
		protocols: ["http"],
		command: ({ proxy, url }) => ({
			argv: [
				"sh",
				"-c",
				'httrack "$1" -P "$2" -O got -r1 -s0 -q -%v0 >/dev/null 2>&1; find got -name hello.txt -exec cat {} +',
				"sh",
				url,
				proxy.url.slice("http://".length),
			],
		}),
	},
	{
		name: "lftp",
		packages: "lftp",
		version: ["lftp", "--version"],
		configure: "lftp -c 'set http:proxy http://user:p%40ss%2Fw%3Ard@host:port; cat URL'",
		protocols: ["http", "https"],
		command: ({ proxy, authority, url }) => ({
			argv: [
				"lftp",
				"-c",
				`set net:max-retries 1; set ssl:ca-file ${authority}; set http:proxy ${proxy.url}; set https:proxy ${proxy.url}; cat ${url}`,
			],
		}),
	},
	{
		name: "ffmpeg",
		packages: "ffmpeg",
		version: ["ffmpeg", "-version"],
		configure: "ffmpeg -http_proxy http://user:p%40ss%2Fw%3Ard@host:port -i URL …",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: ({ proxy, authority, base, protocol }) => ({
			argv: [
				...["ffmpeg", "-v", "error", "-http_proxy", proxy.url, ...(protocol === "https" ? ["-ca_file", authority] : [])],
				...["-i", `${base}sound.wav`, "-f", "s16le", "-"],
			],
		}),
	},
];
