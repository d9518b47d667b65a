/**
 * The id of the one thing that shall be (a firewall), where a cloud's names need not be unique: two isolates that each made one agree
 * on the oldest, and the other is taken back.
 * @param look the id of the oldest, null where there is none.
 * @param make makes one more, and gives its id.
 */
export async function agreedId(
	look: () => Promise<string | null>,
	make: () => Promise<string>,
	remove: (id: string) => Promise<void>,
): Promise<string> {
	const found = await look();
	if (found !== null) return found;
	const made = await make();
	const oldest = await look();
	if (oldest === null || oldest === made) return made;
	// What nothing uses yet must not stay behind; if it does, it is empty and costs nothing.
	await remove(made).catch(() => undefined);
	return oldest;
}
