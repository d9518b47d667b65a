/** The little Markdown that a cloud's page has: paragraphs, lists, code to copy. */
import type { ComponentChildren } from "preact";
import { Code } from "./basics.tsx";

function inline(text: string): ComponentChildren[] {
	return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*|\[[^\]]+\]\([^)]+\))/).map((part, index) => {
		if (part.startsWith("`")) return <code key={index}>{part.slice(1, -1)}</code>;
		if (part.startsWith("**")) return <strong key={index}>{part.slice(2, -2)}</strong>;
		if (part.startsWith("*") && part.length > 2) return <em key={index}>{part.slice(1, -1)}</em>;
		const link = /^\[([^\]]+)\]\(([^)]+)\)$/.exec(part);
		if (link === null) return part;
		const [, words = "", to = ""] = link;
		return to.startsWith("https://") ? (
			<a key={index} href={to} rel="noreferrer noopener" target="_blank">
				{words}
			</a>
		) : (
			words
		);
	});
}

export function Markdown({ text }: { readonly text: string }) {
	const blocks = text.split(/(^ *```\w*\n[\s\S]*?^ *```$)/m).flatMap((block) => {
		if (/^ *```/.test(block)) return [block];
		return block
			.split(/\n\n+|\n(?=\d+\. |- )/)
			.map((part) => part.trim())
			.filter((part) => part !== "");
	});
	return (
		<div class="prose">
			{blocks.map((block, index) => {
				const code = /^ *```\w*\n([\s\S]*?)\n? *```$/.exec(block);
				if (code !== null) return <Code key={index} text={(code[1] ?? "").replace(/^ {3}/gm, "")} what="the commands" />;
				return <p key={index}>{inline(block.replace(/\n */g, " "))}</p>;
			})}
		</div>
	);
}
