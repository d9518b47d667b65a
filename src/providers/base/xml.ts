import { parseXml, type XmlDocument, XmlElement } from "@rgrove/parse-xml";

/** An element of an XML answer, read by the names of its children. */
export class Xml {
	readonly #element: XmlElement;

	private constructor(element: XmlElement) {
		this.#element = element;
	}

	/** The root element. Throws where the text is not well-formed; entities that a document defines itself are not expanded. */
	static parse(text: string): Xml {
		const { root }: XmlDocument = parseXml(text);
		if (root === null) throw new Error("the document has no root element");
		return new Xml(root);
	}

	get name(): string {
		return this.#element.name;
	}

	/** The first element at that path of names below this one; null: there is none. */
	at(...path: readonly string[]): Xml | null {
		let element: XmlElement | undefined = this.#element;
		for (const name of path) element = element === undefined ? undefined : children(element).find((child) => child.name === name);
		return element === undefined ? null : new Xml(element);
	}

	/** The text at that path; null: there is no such element, or nothing in it. */
	text(...path: readonly string[]): string | null {
		const found = this.at(...path);
		return found === null ? null : found.#element.text.trim() || null;
	}

	/** As `text`, where an answer without it cannot be understood. */
	need(...path: readonly string[]): string {
		const text = this.text(...path);
		if (text === null) throw new Error(`the answer has no ${path.join("/")}`);
		return text;
	}

	/** The elements called `item` in the list at that path; an absent list is an empty one. */
	items(...path: readonly string[]): readonly Xml[] {
		const list = this.at(...path);
		if (list === null) return [];
		return children(list.#element)
			.filter((child) => child.name === "item")
			.map((child) => new Xml(child));
	}
}

function children(element: XmlElement): XmlElement[] {
	return element.children.filter((child) => child instanceof XmlElement);
}
