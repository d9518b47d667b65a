/** The address is the state: view, what it is about, filter and range all stand in it, so that every view is a link. */
import { signal } from "@preact/signals";

export interface Route {
	readonly view: string;
	readonly parts: readonly string[];
	readonly query: URLSearchParams;
}

/** What is no encoding is taken as it stands: an address may be anybody's. */
function decoded(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

function parse(hash: string): Route {
	const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
	const [view = "", ...parts] = path.split("/").map(decoded);
	return { view: view === "" ? "overview" : view, parts, query: new URLSearchParams(query) };
}

export const route = signal<Route>(parse(location.hash));
addEventListener("hashchange", () => {
	route.value = parse(location.hash);
});

export function href(view: string, parts: readonly string[] = [], query: Readonly<Record<string, string>> = {}): string {
	const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
	const path = [view === "overview" ? "" : view, ...parts].map(encodeURIComponent).join("/");
	return `#/${path}${asked === "" ? "" : `?${asked}`}`;
}

export function go(to: string): void {
	location.hash = to;
}

/** Changes a part of the query in place: a filter that is typed makes no history. */
export function refine(changes: Readonly<Record<string, string>>): void {
	const { view, parts, query } = route.value;
	const all = { ...Object.fromEntries(query), ...changes };
	history.replaceState(null, "", href(view, parts, all));
	route.value = parse(location.hash);
}

export const hrefOfPool = ({ provider, instance }: { readonly provider: string; readonly instance: string }): string =>
	href("pool", [provider, instance]);
