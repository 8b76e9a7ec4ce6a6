import { readFields } from './fields.ts';
import { isMap, valueAt, type YamlMap } from './file.ts';
import { didYouMean, type Problems } from './problems.ts';
import { duration, type ValueReader, Wrong, wholeNumber } from './values.ts';

/** A rule of limits as configured. 0: no limit. */
export interface LimitConfig {
  readonly requestsPerMinute: number;
  readonly requestsPerHour: number;
  readonly tokensPerMinute: number;
  readonly burst: number;
  readonly cooldownMs: number;
  readonly concurrent: number;
}

export interface LimitsConfig {
  /** Something of limits is configured. */
  readonly given: boolean;
  readonly classes: Readonly<Record<string, LimitConfig>>;
  readonly eachKey: LimitConfig | null;
  readonly providers: Readonly<Record<string, LimitConfig>>;
  readonly global: LimitConfig | null;
}

/** What the table of settings has of them. */
export interface LimitValues {
  readonly limitRequestsPerMinute: number | null;
  readonly limitRequestsPerHour: number | null;
  readonly limitTokensPerMinute: number | null;
  readonly limitBurst: number | null;
  readonly limitCooldownMs: number | null;
  readonly limitConcurrent: number | null;
  readonly limitGlobalPerMinute: number | null;
  readonly limitUsers: Readonly<Record<string, string>>;
}

const rule = (
  requestsPerMinute: number,
  requestsPerHour: number,
  tokensPerMinute: number,
  burst: number,
  cooldownSeconds: number,
): LimitConfig => ({
  requestsPerMinute,
  requestsPerHour,
  tokensPerMinute,
  burst,
  cooldownMs: cooldownSeconds * 1_000,
  concurrent: 0,
});

const unlimited = rule(0, 0, 0, 0, 0);

export const builtinClasses: Readonly<Record<string, LimitConfig>> = {
  default: rule(60, 1_000, 50_000, 10, 60),
  premium: rule(120, 5_000, 200_000, 20, 30),
  enterprise: rule(300, 20_000, 1_000_000, 50, 15),
};

/** Used for providers that the file names, for what it does not say. */
export const builtinProviderLimits: Readonly<Record<string, LimitConfig>> = {
  ollama: rule(120, 2_000, 100_000, 20, 30),
  openai: rule(50, 500, 40_000, 5, 60),
  anthropic: rule(50, 500, 40_000, 5, 60),
  bedrock: rule(30, 300, 20_000, 3, 120),
  grok: rule(60, 1_000, 50_000, 10, 45),
};

const most = 1_000_000_000;
const limit = wholeNumber(0, most);
const fields = {
  requests_per_minute: limit,
  requests_per_hour: limit,
  tokens_per_minute: limit,
  burst_limit: limit,
  cooldown: duration(0, 86_400_000),
  concurrent: limit,
} as const;

const name = /^[^\s=,]{1,256}$/;

/** Names and their classes, as a map or as text: `alice=premium,bob=enterprise`. */
export const classMap: ValueReader<Readonly<Record<string, string>>> = (raw) => {
  const wrong = new Wrong('names and their classes: alice=premium,bob=enterprise, or a map');
  const pairs =
    typeof raw === 'string'
      ? raw
          .split(',')
          .map((pair) => pair.trim())
          .filter((pair) => pair !== '')
          .map((pair): [string, unknown] => {
            const at = pair.lastIndexOf('=');
            return [pair.slice(0, Math.max(0, at)).trim(), pair.slice(at + 1).trim()];
          })
      : isMap(raw)
        ? Object.entries(raw)
        : null;
  if (pairs === null) return wrong;
  const classes: Record<string, string> = Object.create(null);
  for (const [user, value] of pairs) {
    if (!name.test(user) || typeof value !== 'string' || !name.test(value)) return wrong;
    classes[user] = value;
  }
  return classes;
};

/** Reads what the file says of limits. What the table of settings has of it wins. @param known names of providers */
export function readLimits(
  yaml: YamlMap,
  values: LimitValues,
  known: readonly string[],
  problems: Problems,
): LimitsConfig {
  const read = (place: string, raw: unknown, base: LimitConfig): LimitConfig => {
    const given = readFields(place, raw ?? {}, fields, problems);
    return {
      requestsPerMinute: given?.requests_per_minute ?? base.requestsPerMinute,
      requestsPerHour: given?.requests_per_hour ?? base.requestsPerHour,
      tokensPerMinute: given?.tokens_per_minute ?? base.tokensPerMinute,
      burst: given?.burst_limit ?? base.burst,
      cooldownMs: given?.cooldown ?? base.cooldownMs,
      concurrent: given?.concurrent ?? base.concurrent,
    };
  };
  const mapAt = (place: string): [string, unknown][] => {
    const raw = valueAt(yaml, place);
    if (raw === undefined || raw === null) return [];
    if (isMap(raw)) return Object.entries(raw);
    problems.wrong(place, raw, 'a map of limits by name');
    return [];
  };
  const classes: Record<string, LimitConfig> = { ...builtinClasses };
  const ownClasses = mapAt('limits.classes');
  for (const [name, raw] of ownClasses) {
    classes[name] = read(`limits.classes.${name}`, raw, builtinClasses[name] ?? unlimited);
  }
  classes['default'] = withValues(classes['default'] as LimitConfig, values);
  const ownProviders = mapAt('limits.providers');
  const providers: Record<string, LimitConfig> = {};
  for (const [name, raw] of ownProviders) {
    if (!known.includes(name)) problems.unknown(`limits.providers.${name}`, name, known);
    providers[name] = read(`limits.providers.${name}`, raw, builtinProviderLimits[name] ?? unlimited);
  }
  for (const [user, name] of Object.entries(values.limitUsers)) {
    if (!Object.hasOwn(classes, name)) {
      problems.add(
        `limits.users or LLM_GATEWAY_RATE_LIMIT_USER_CLASSES: ${problems.shown(user)} has class ${problems.shown(name)}, which is not there`,
      );
    }
  }
  const globalGiven = valueAt(yaml, 'limits.global') ?? null;
  const eachGiven = valueAt(yaml, 'limits.each_key') ?? null;
  const perMinute = values.limitGlobalPerMinute;
  let global = globalGiven === null ? null : read('limits.global', globalGiven, unlimited);
  if (perMinute !== null) global = { ...(global ?? unlimited), requestsPerMinute: perMinute };
  const eachKey = eachGiven === null ? null : read('limits.each_key', eachGiven, unlimited);
  const isSet = Object.entries(values).some(
    ([field, value]) => ofDefault.includes(field) && value !== null && value !== undefined,
  );
  const given =
    isSet ||
    ownClasses.length + ownProviders.length + Object.keys(values.limitUsers).length > 0 ||
    global !== null ||
    eachKey !== null;
  return { given, classes, eachKey, providers, global };
}

/** Who has a class that is not there has made a mistake: the default one would hold, and nobody would notice. */
export function checkRateClasses(
  { classes }: LimitsConfig,
  keys: readonly { readonly id: string; readonly rateClass: string }[],
  issuers: readonly { readonly issuer: string; readonly rateClass: string }[],
  problems: Problems,
): void {
  const check = (whose: string, name: string): void => {
    if (Object.hasOwn(classes, name)) return;
    const hint = didYouMean(name, Object.keys(classes));
    problems.add(`${whose} has class ${problems.shown(name)}, which is not there${hint}`);
  };
  for (const { id, rateClass } of keys) check(`keys: ${problems.shown(id)}`, rateClass);
  for (const { issuer, rateClass } of issuers) check(`auth.tokens: ${problems.shown(issuer)}`, rateClass);
}

const ofDefault: readonly string[] = [
  'limitRequestsPerMinute',
  'limitRequestsPerHour',
  'limitTokensPerMinute',
  'limitBurst',
  'limitCooldownMs',
  'limitConcurrent',
];

const withValues = (base: LimitConfig, values: LimitValues): LimitConfig => ({
  requestsPerMinute: values.limitRequestsPerMinute ?? base.requestsPerMinute,
  requestsPerHour: values.limitRequestsPerHour ?? base.requestsPerHour,
  tokensPerMinute: values.limitTokensPerMinute ?? base.tokensPerMinute,
  burst: values.limitBurst ?? base.burst,
  cooldownMs: values.limitCooldownMs ?? base.cooldownMs,
  concurrent: values.limitConcurrent ?? base.concurrent,
});
