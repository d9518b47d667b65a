/** Clouds whose tags have values: a VM of the local cloud keeps them as words, `key=value`. */
export type Labels = { readonly [key: string]: string };

export function wordsOf(labels: Labels): string[] {
	return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}

export function labelsOf(words: readonly string[]): Labels {
	return Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
}
