/** A seeded generator (sfc32 by Chris Doty-Humphrey, PractRand): nothing else decides anything in a run. */
export class Random {
	private a: number;
	private b: number;
	private c: number;
	private d = 1;

	/** Generators of different labels are independent of each other. */
	constructor(label: string) {
		this.a = mix(label, 0x811c9dc5);
		this.b = mix(label, 0x9e3779b9);
		this.c = mix(label, 0x85ebca6b);
		for (let i = 0; i < 12; i++) this.next();
	}

	/** In [0, 1). */
	readonly next = (): number => {
		const sum = (((this.a + this.b) | 0) + this.d) | 0;
		this.d = (this.d + 1) | 0;
		this.a = this.b ^ (this.b >>> 9);
		this.b = (this.c + (this.c << 3)) | 0;
		this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
		return (sum >>> 0) / 2 ** 32;
	};

	/** A whole number from `low` to `high`, both included. */
	between(low: number, high: number): number {
		return low + Math.floor(this.next() * (high - low + 1));
	}

	chance(probability: number): boolean {
		return this.next() < probability;
	}

	pick<T>(list: readonly T[]): T {
		return list[Math.floor(this.next() * list.length)] as T;
	}
}

function mix(text: string, start: number): number {
	let hash = start;
	for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
	return hash ^ (hash >>> 15);
}
