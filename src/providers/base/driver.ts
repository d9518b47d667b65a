import type { ProviderContext } from "./provider.ts";

/** What every driver begins with: the settings of an account, and what it is given besides. A cloud's own file says the rest. */
export abstract class Driver<Account> {
	protected readonly account: Account;
	protected readonly context: ProviderContext;

	constructor(account: Account, context: ProviderContext) {
		this.account = account;
		this.context = context;
	}
}
