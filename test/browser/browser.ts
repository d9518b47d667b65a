import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const EXECUTABLE = process.env.CHROMIUM || "/usr/bin/chromium";
/** It asks nobody but the page's own server. */
const QUIET = [
	"--no-sandbox",
	"--disable-gpu",
	"--disable-quic",
	"--no-first-run",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SERIOUS = ["serious", "critical"];

export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 360, height: 740 };

export function startChromium(): Promise<Browser> {
	return chromium.launch({ executablePath: EXECUTABLE, args: QUIET });
}

/** What a page did that it must not: errors, refusals of its policy, requests to anybody else. */
export interface Watched {
	readonly page: Page;
	readonly faults: readonly string[];
	/** Paths that were asked for, static files left out. */
	readonly calls: string[];
}

/** A page of its own context, at `base` (`http://localhost:PORT`); `hash` is the view. */
export async function open(browser: Browser, base: string, hash = "#/", options: BrowserContextOptions = {}): Promise<Watched> {
	const context = await browser.newContext({ viewport: WIDE, permissions: ["clipboard-read", "clipboard-write"], ...options });
	const page = await context.newPage();
	page.setDefaultTimeout(20_000);
	const faults: string[] = [];
	const calls: string[] = [];
	page.on("pageerror", (error) => faults.push(String(error)));
	page.on("console", (message) => {
		// A refusal by the server is an answer, which the page shows.
		if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
	});
	page.on("request", (request) => {
		const url = new URL(request.url());
		if (url.origin !== base) faults.push(`asked ${url.href}`);
		else if (!/^\/ui\/[\w-]*(\.\w+)?$/.test(url.pathname) || url.pathname === "/ui/state")
			calls.push(`${request.method()} ${url.pathname}`);
	});
	await page.goto(`${base}/ui/${hash}`);
	return { page, faults, calls };
}

/** Serious findings of axe-core on what is shown now, a line each. */
export async function findings(page: Page): Promise<readonly string[]> {
	// By the debugger: the page's policy lets no script in.
	const found = await page.evaluate(`(async () => {
		${AXE};
		const { violations } = await axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
		return violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ html }) => html.slice(0, 160)) }));
	})()`);
	return (found as { id: string; impact: string; where: string[] }[])
		.filter(({ impact }) => SERIOUS.includes(impact))
		.map(({ id, where }) => `${id}: ${where.slice(0, 3).join(" | ")}`);
}

/** By how many pixels the page can be scrolled sideways. */
export function overhang(page: Page): Promise<number> {
	return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
