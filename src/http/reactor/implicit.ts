import type { OpenAPIRouteSchema, ValidatedData } from "chanfana";
import type { AppContext } from "../base/context.ts";
import { NotFromEndpoint } from "../base/errors.ts";
import type { OperationClass, Route } from "../base/routes.ts";

const NAMED = "/v1.1/endpoints/:endpoint";
const IMPLICIT = "/v1.1/endpoint";

/** The routes of a named endpoint once more, without the name: each is then about the endpoint of the proxy that asks. */
export function implicitRoutes(routes: readonly Route[]): readonly Route[] {
	return routes.flatMap(([method, path, access, endpoint]): Route[] => {
		const isCreation = method === "put" && path === NAMED;
		if (isCreation || (path !== NAMED && !path.startsWith(`${NAMED}/`))) return [];
		return [[method, IMPLICIT + path.slice(NAMED.length), access, ofCaller(endpoint)]];
	});
}

/** The same handler; what it takes for the endpoint's name from the path is the name of the caller's endpoint. */
function ofCaller(base: OperationClass): OperationClass {
	let schema: OpenAPIRouteSchema | null = null;
	return class extends base {
		override getSchema(): OpenAPIRouteSchema {
			schema ??= withoutName(super.getSchema());
			return schema;
		}

		override async getValidatedData<Schema>(): Promise<ValidatedData<Schema>> {
			const data = (await super.getValidatedData<Schema>()) as { params?: Record<string, unknown> };
			const [c] = this.args as [AppContext];
			const endpoint = await c.get("addressed")?.();
			if (!endpoint) throw new NotFromEndpoint();
			return { ...data, params: { ...data.params, endpoint: endpoint.name } } as ValidatedData<Schema>;
		}
	};
}

function withoutName(schema: OpenAPIRouteSchema): OpenAPIRouteSchema {
	const { params, ...request } = schema.request ?? {};
	const rest = params?.omit({ endpoint: true });
	const isEmpty = rest === undefined || Object.keys(rest.shape).length === 0;
	return {
		...schema,
		operationId: `${schema.operationId}OfCaller`,
		summary: `${schema.summary}: the one whose proxy asks`,
		description: [
			schema.description,
			"Must be asked from the address of one of the endpoint's proxies, with that proxy's own key, the endpoint's or the admin key.",
		]
			.filter((text) => text !== undefined)
			.join("\n\n"),
		request: isEmpty ? request : { ...request, params: rest },
	};
}
