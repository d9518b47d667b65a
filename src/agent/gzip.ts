import { gzipSync } from "node:zlib";

/** Text, as the gzip file of its UTF-8 bytes; the same each time. */
export async function gzipped(text: string): Promise<Uint8Array> {
	const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
	return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The same of a short text at once. */
export function gzippedShort(text: string): Uint8Array {
	return gzipSync(text, { level: 9 });
}
