/** What D1 is known to hold. */
import { record, value } from "./shape.ts";
import { fact, type Slice } from "./slice.ts";

export interface PublicationFields {
	/** Hash of the projection, and version (grows by one at each attempt). */
	readonly published: { readonly hash: string; readonly version: number };
}

export const publicationSlice: Slice<PublicationFields> = {
	published: fact(record<PublicationFields["published"]>({ hash: value(""), version: value(0) })),
};
