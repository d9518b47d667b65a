/** Questions that may be asked again, of something else perhaps, before they are answered. */
import { useRef } from "preact/hooks";
import { sentenceOf } from "./api.ts";

/** Hands on what comes of the question that was asked last; an older one's answer is dropped, whenever it comes. Where it fails: a sentence. */
export function useNewest<T>(take: (answer: T | string) => void): (asking: Promise<T>) => void {
	const last = useRef<Promise<T> | null>(null);
	return (asking) => {
		last.current = asking;
		const answered = (answer: T | string) => {
			if (last.current === asking) take(answer);
		};
		asking.then(answered, (error) => answered(sentenceOf(error)));
	};
}
