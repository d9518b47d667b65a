/** Text as the base64 of its UTF-8 bytes. */
export function base64(text: string): string {
	return base64Bytes(new TextEncoder().encode(text));
}

/** Bytes in the alphabet of URLs, without padding (RFC 7515, section 2). */
export function base64Url(bytes: Uint8Array): string {
	return base64Bytes(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Bytes as base64. */
export function base64Bytes(bytes: Uint8Array): string {
	return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Text, as the gzip file of its UTF-8 bytes; the same each time. */
export async function gzipped(text: string): Promise<Uint8Array> {
	const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
	return new Uint8Array(await new Response(stream).arrayBuffer());
}
