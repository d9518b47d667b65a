import { z } from "zod";

// What the descriptions of Reactor's routes have in common. Its answers are bare: no envelope, and a sentence as text where something
// is wrong.

/** The path of a route that is about one endpoint. */
export const endpointParams = z.object({
	endpoint: z.string().openapi({ description: "The endpoint's name, or an alias.", example: "digitalocean-default" }),
});

/** What any route about one endpoint may answer beside what it is asked for. */
export const endpointFaults = {
	401: { description: "`unauthorized`: neither the admin key nor one that opens this endpoint came." },
	403: { description: "The key is right, and opens less." },
	404: { description: "There is no such endpoint." },
	503: { description: "The pool or the database does not answer now." },
};

/** What any route that orders something of an endpoint's pool may answer beside what it is asked for. */
export const orderFaults = {
	...endpointFaults,
	409: { description: "What is stored of the endpoint cannot be read: it can only be deleted." },
};

/** Of a route that takes a body. */
export function bodyFault(description: string): { readonly 400: { readonly description: string } } {
	return { 400: { description } };
}

/** What any route that is about no single endpoint may answer beside what it is asked for. */
export const globalFaults = {
	401: { description: "`unauthorized`" },
	403: { description: "The key is an endpoint's or a proxy's." },
	503: { description: "The deployment is closed, or the database does not answer now." },
};
