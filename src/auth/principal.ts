/** Who makes a request. Everything that is kept or counted is by this. */
export interface Principal {
  /** Id of the key or the subject of the token; 'anonymous' where nobody is told apart. Never a secret. */
  readonly id: string;
  /** Whose sessions, responses, tools, cache and usage it sees: those of one tenant are invisible to every other. */
  readonly tenant: string;
  /** Whose limits it uses up, with others of the same name. */
  readonly owner: string;
  /** Name of its class of limits. */
  readonly rateClass: string;
  /** Patterns of the models that it may ask, with `*` for any text; null for all. */
  readonly models: readonly string[] | null;
  /** What it may spend; null for no bound. */
  readonly budget: Budget | null;
  /** Whether it may call AdminService. */
  readonly admin: boolean;
}

/** How much money may be spent within a time. */
export interface Budget {
  /** In US dollars. */
  readonly usd: number;
  /** Days and months are those of UTC. */
  readonly per: 'day' | 'month' | 'total';
  /** Each owner with tokens of this issuer has it once. Without it: the key has it. */
  readonly issuer?: string;
}

/** Everybody, as long as there are no keys. */
export const anonymous: Principal = {
  id: 'anonymous',
  tenant: '',
  owner: 'anonymous',
  rateClass: 'default',
  models: null,
  budget: null,
  admin: false,
};

/** As text, to be kept with what goes on without its client. What is kept makes nobody an administrator. */
export const encodePrincipal = (principal: Principal): string => {
  const { id, tenant, owner, rateClass, models, budget } = principal;
  return principal === anonymous ? '' : JSON.stringify({ id, tenant, owner, rateClass, models, budget });
};

/** @param tenant whose it is, whatever the text says */
export const decodePrincipal = (text: string, tenant: string): Principal => ({
  ...anonymous,
  ...(text === '' ? {} : (JSON.parse(text) as Partial<Principal>)),
  tenant,
  admin: false,
});
