/** What Linux tells of a process and its children. */
import { readdirSync, readFileSync } from "node:fs";

/** Of what `/proc/<pid>/stat` counts time in; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds (user and system) that the process, its living children and those that it waited for have used so far. */
export function cpuSeconds(root: number): number {
	// utime, stime and, of children that have ended and were waited for, cutime and cstime: proc_pid_stat(5).
	const ticks = tree(root).flatMap((fields) => fields.slice(11, 15));
	return ticks.reduce((sum, field) => sum + Number(field), 0) / TICKS_PER_SECOND;
}

/** As {@link cpuSeconds}, of those below the process alone. */
export function cpuSecondsBelow(root: number): number {
	const own = family(root).find(({ pid }) => pid === root)?.fields ?? [];
	return cpuSeconds(root) - (Number(own[11]) + Number(own[12])) / TICKS_PER_SECOND;
}

/** Resident bytes of the process and its children: what each has for itself, and what they share counted once. */
export function residentBytes(root: number): number {
	let [own, file, shared] = [0, 0, 0];
	for (const { pid } of family(root)) {
		const status = readOrEmpty(`/proc/${pid}/status`);
		const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
		own += bytes("RssAnon");
		file = Math.max(file, bytes("RssFile"));
		shared = Math.max(shared, bytes("RssShmem"));
	}
	return own + file + shared;
}

const tree = (root: number): string[][] => family(root).map(({ fields }) => fields);

/** The process and all below it, each with the fields of its `stat` from the third (its state) on. */
function family(root: number): { readonly pid: number; readonly fields: string[] }[] {
	const all = readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.map((name) => {
			// The second field is the command's name in brackets, which may hold blanks and brackets itself.
			const stat = readOrEmpty(`/proc/${name}/stat`);
			return { pid: Number(name), fields: stat.slice(stat.lastIndexOf(")") + 2).split(" ") };
		});
	const members = new Set([root]);
	for (let before = 0; before !== members.size; ) {
		before = members.size;
		for (const { pid, fields } of all) if (members.has(Number(fields[1]))) members.add(pid);
	}
	return all.filter(({ pid }) => members.has(pid));
}

/** A process may end between two looks. */
function readOrEmpty(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
