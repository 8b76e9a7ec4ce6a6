import { ByNames } from '../base/by-names.ts';
import {
  type Cell,
  type Counted,
  countedBy,
  type Distribution,
  Families,
  type FamilyFacts,
} from './families.ts';
import { defineFamilies } from './metric-families.ts';
import { processMetrics } from './process-metrics.ts';

/** A provider's model, and what asks for it. */
export interface ModelKey {
  /** Of the configuration; '' when the call got to none. */
  readonly provider: string;
  /** Its name at the provider, or as the client said it when the call got to none. */
  readonly model: string;
  readonly operation: 'chat' | 'embeddings';
}

/** Tokens of one answer, and their cost. */
export interface TokensUsed {
  readonly prompt: number;
  readonly completion: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
  /** US dollars; null when not known. */
  readonly cost: number | null;
}

/** A client's call that is over. */
export interface CallOutcome extends ModelKey {
  readonly face: string;
  /** `success`, or the name of the reason. */
  readonly status: string;
  readonly seconds: number;
  /** Until the first output of a stream; null when there was none, or the answer was whole. */
  readonly firstSeconds: number | null;
  /** Tokens of the answer, as far as known. */
  readonly completionTokens: number;
}

/** A request to a provider that is over. */
export interface AttemptOutcome extends ModelKey {
  /** '' for success, else the name of the reason. */
  readonly error: string;
  readonly seconds: number;
}

export interface MetricsOptions {
  /** Whether a name is one of the catalogue, the configuration or the provider's list; all others are `other`. */
  readonly isKnown: (provider: string, model: string) => boolean;
  /** Adds CPU, memory and lag of the process. */
  readonly process?: boolean;
}

/** Bundles that are kept; clients name models, so there may be many keys of the same series. */
const maxBundles = 2_000;

/** The series of one provider's model, resolved once. */
interface ModelSeries {
  readonly name: string;
  readonly duration: Distribution;
  readonly tokens: readonly Cell[];
  readonly details: readonly Cell[];
  readonly cost: Distribution;
  readonly usage: readonly Distribution[];
  readonly firstToken: Distribution;
  readonly eachToken: Distribution;
  /** By status. */
  readonly calls: Map<string, readonly Cell[]>;
  /** By error; what an attempt counts. */
  readonly attempts: Map<string, AttemptSeries>;
}

interface AttemptSeries {
  readonly counters: readonly Cell[];
  readonly latency: Distribution;
  readonly operation: Distribution;
}

/** `status` of the counters that only tell these apart. */
function classOf(status: string): string {
  switch (status) {
    case 'success':
      return 'success';
    case 'deadline_exceeded':
    case 'upstream_timeout':
      return 'timeout';
    case 'rate_limited':
    case 'budget_exhausted':
    case 'overloaded':
    case 'draining':
    case 'unauthenticated':
    case 'permission_denied':
      return 'rejected';
    case 'cancelled':
      return 'cancelled';
    default:
      return 'error';
  }
}

/** The well-known names of OpenTelemetry for providers that are called otherwise here. */
const wellKnown: Readonly<Record<string, string>> = {
  google: 'gcp.gemini',
  gemini: 'gcp.gemini',
  vertex: 'gcp.vertex_ai',
  bedrock: 'aws.bedrock',
  azure: 'azure.ai.openai',
  mistral: 'mistral_ai',
  xai: 'x_ai',
};

/** `gen_ai.provider.name`. */
export const genAiProvider = (provider: string): string => wellKnown[provider] ?? provider;

/**
 * Everything that is counted, by names of functions rather than of metrics. Each costs a microsecond or less once its series are known, and
 * none throws. Labels have few values: names of clients' making are `other`.
 */
export class Metrics {
  /** For parts that count something of their own. */
  readonly families = new Families();
  readonly #options: MetricsOptions;
  readonly #models = new ByNames<ModelSeries>(maxBundles);
  readonly #kept = new ByNames<Cell | Distribution>(maxBundles);
  readonly #f;

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#f = defineFamilies(this.families);
  }

  // --- requests at the port ---------------------------------------------------------------------------------

  requestBegan(method: string): void {
    this.#cell('in', this.#f.inProgress, methodOf(method)).value++;
  }

  /** @param path template of the route @param bodyBytes as the client announced it; null when it did not */
  requestEnded(
    method: string,
    path: string,
    status: number,
    seconds: number,
    bodyBytes: number | null,
  ): void {
    const verb = methodOf(method);
    this.#cell('in', this.#f.inProgress, verb).value--;
    this.#cell('req', this.#f.requests, verb, path, String(status)).value++;
    this.#distribution('dur', this.#f.requestSeconds, verb, path).observe(seconds);
    if (bodyBytes !== null) this.#distribution('body', this.#f.bodyBytes, path).observe(bodyBytes);
  }

  /** A request has ended that is not worth counting: a scrape. */
  requestUncounted(method: string): void {
    this.#cell('in', this.#f.inProgress, methodOf(method)).value--;
  }

  // --- calls and attempts -----------------------------------------------------------------------------------

  callBegan(kind: string): void {
    this.#cell('calls', this.#f.callsInProgress, kind).value++;
  }

  callEnded(outcome: CallOutcome): void {
    const { operation, face, status, seconds, firstSeconds, completionTokens } = outcome;
    this.#cell('calls', this.#f.callsInProgress, operation).value--;
    const series = this.#series(outcome);
    let counted = series.calls.get(status);
    if (counted === undefined) {
      const result = classOf(status);
      const { provider } = outcome;
      const { name } = series;
      const cells = [this.#f.llmRequests(provider, name, result), this.#f.llmRequest(provider, name, result)];
      if (status !== 'success') cells.push(this.#f.llmErrors(provider, name, status));
      counted = cells;
      series.calls.set(status, counted);
    }
    for (const cell of counted) cell.value++;
    this.#cell('face', this.#f.calls, face, operation, status).value++;
    series.duration.observe(seconds);
    if (firstSeconds === null) return;
    series.firstToken.observe(firstSeconds);
    // The first token came at the first output; the others took the rest of the time.
    if (status === 'success' && completionTokens > 1) {
      series.eachToken.observe((seconds - firstSeconds) / (completionTokens - 1));
    }
  }

  attemptEnded(outcome: AttemptOutcome): void {
    const { provider, operation, error, seconds } = outcome;
    const series = this.#series(outcome);
    let counted = series.attempts.get(error);
    if (counted === undefined) {
      const counters = [this.#f.providerRequests(provider)];
      if (error !== '') counters.push(this.#f.providerErrors(provider, error));
      counted = {
        counters,
        latency: this.#f.providerSeconds(provider),
        operation: this.#f.operation(operation, genAiProvider(provider), series.name, error),
      };
      series.attempts.set(error, counted);
    }
    for (const cell of counted.counters) cell.value++;
    counted.latency.observe(seconds);
    counted.operation.observe(seconds);
  }

  /** What one answer of a provider's used. */
  tokensUsed(key: ModelKey, used: TokensUsed): void {
    const { prompt, completion, cached, cacheWrite, reasoning } = used;
    const { tokens, details, usage, cost } = this.#series(key);
    (tokens[0] as Cell).value += prompt;
    (tokens[1] as Cell).value += completion;
    (tokens[2] as Cell).value += prompt;
    (tokens[3] as Cell).value += completion;
    (details[0] as Cell).value += cached;
    (details[1] as Cell).value += cacheWrite;
    (details[2] as Cell).value += reasoning;
    (usage[0] as Distribution).observe(prompt);
    if (key.operation === 'chat') (usage[1] as Distribution).observe(completion);
    if (used.cost !== null) cost.observe(used.cost);
  }

  // --- resilience -------------------------------------------------------------------------------------------

  breakerChanged(name: string, from: string, to: string): void {
    this.#f.transitions(name, stateName(to), stateName(from)).value++;
  }

  retried(provider: string, reason: string): void {
    this.#cell('retry', this.#f.retries, provider, reason).value++;
  }

  fellBack(from: string, to: string): void {
    this.#cell('fell', this.#f.fallbacks, this.#modelName('', from), this.#modelName('', to), 'chat').value++;
  }

  fallbackAnswered(from: string, by: string): void {
    const chain = this.#modelName('', from);
    this.#cell('fellok', this.#f.fallbackSuccesses, chain, this.#modelName('', by)).value++;
  }

  hedged(provider: string): void {
    this.#cell('hedge', this.#f.hedges, provider).value++;
  }

  // --- what else a call meets -------------------------------------------------------------------------------

  /** @param outcome `ok`, `failed`, `bad_arguments` or `cancelled` */
  toolRan(tool: string, outcome: string, seconds: number): void {
    this.#cell('tool', this.#f.tools, tool, outcome).value++;
    this.#distribution('toolt', this.#f.toolSeconds, tool).observe(seconds);
  }

  /** @param result `hit`, `shared` with a call under way, `miss`, `refreshed` or `failed` */
  cacheAsked(result: string): void {
    this.#cell('cache', this.#f.cache, result).value++;
    if (result === 'hit' || result === 'shared') this.#f.cacheHits().value++;
  }

  /** A limit refused a call. @param limit which kind: `minute`, `tokens`, `concurrent` … @param scope `key`, `owner`, `provider` or `global` */
  limited(limit: string, scope: string): void {
    this.#cell('limit', this.#f.limited, limit, scope).value++;
  }

  /** Texts of a call were looked at. @param outcome `plain`, `sensitive`, `kept_from` or `refused` */
  screened(mode: string, outcome: string): void {
    this.#cell('screened', this.#f.screened, mode, outcome).value++;
  }

  /** Lines of the audit trail. @param outcome `written` or `lost` */
  audited(outcome: string, lines: number): void {
    this.#cell('audit', this.#f.auditLines, outcome).value += lines;
  }

  /** A write to the audit trail failed. */
  auditFailed(): void {
    this.#f.auditFailures().value++;
  }

  /** Lines of it for the collector. @param outcome `sent` or `lost` */
  auditForwarded(outcome: string, lines: number): void {
    this.#cell('auditsent', this.#f.auditSent, outcome).value += lines;
  }

  /** A command to a store. @param outcome `ok` or `failed` @param seconds null for one that was not sent: it took no time */
  storeAsked(store: string, outcome: string, seconds: number | null): void {
    this.#cell('store', this.#f.storeCommands, store, outcome).value++;
    if (seconds !== null) this.#distribution('storet', this.#f.storeSeconds, store).observe(seconds);
  }

  /** Spans were handed to the collector, or could not be. */
  spansSent(count: number, taken: boolean): void {
    this.#cell('spans', this.#f.spans, taken ? 'taken' : 'lost').value += count;
  }

  // --- reading ----------------------------------------------------------------------------------------------

  /** Everything so far; see expose(). */
  counted(): Promise<Counted> {
    return countedBy(this.families, this.#options.process === true ? [processMetrics()] : []);
  }

  /** All metrics that there are, but for the process's. */
  facts(): readonly FamilyFacts[] {
    return this.families.facts();
  }

  /** The label of a model: its name where that is known, else `other`. */
  modelLabel(provider: string, model: string): string {
    return this.#modelName(provider, model);
  }

  #modelName(provider: string, model: string): string {
    if (model === '') return 'none';
    return this.#options.isKnown(provider, model) ? model : 'other';
  }

  #series({ provider, model, operation }: ModelKey): ModelSeries {
    const kept = this.#models.get(operation, provider, model, '');
    if (kept !== undefined) return kept;
    const name = this.#modelName(provider, model);
    // Names of clients' making share their series; so they do share what is kept of it.
    let series = this.#models.get(operation, provider, name, '');
    if (series === undefined) {
      series = this.#newSeries({ provider, model: name, operation });
      this.#models.set(operation, provider, name, '', series);
    }
    return series;
  }

  #newSeries({ provider, model: name, operation }: ModelKey): ModelSeries {
    const f = this.#f;
    const service = genAiProvider(provider);
    const types = ['prompt', 'completion'];
    return {
      name,
      duration: f.llmSeconds(provider, name),
      tokens: [
        ...types.map((type) => f.llmTokens(provider, name, type)),
        ...types.map((type) => f.tokens(provider, name, type)),
      ],
      details: ['cached', 'cache_write', 'reasoning'].map((type) => f.tokenDetails(provider, name, type)),
      cost: f.cost(provider, name),
      usage: ['input', 'output'].map((type) => f.usage(operation, service, name, type)),
      firstToken: f.firstToken(operation, service, name),
      eachToken: f.eachToken(operation, service, name),
      calls: new Map(),
      attempts: new Map(),
    };
  }

  #cell(kind: string, find: (...values: string[]) => Cell, a = '', b = '', c = ''): Cell {
    const kept = this.#kept.get(kind, a, b, c);
    if (kept !== undefined) return kept as Cell;
    const cell = find(a, b, c);
    this.#kept.set(kind, a, b, c, cell);
    return cell;
  }

  #distribution(kind: string, find: (...values: string[]) => Distribution, a = '', b = ''): Distribution {
    const kept = this.#kept.get(kind, a, b, '');
    if (kept !== undefined) return kept as Distribution;
    const distribution = find(a, b);
    this.#kept.set(kind, a, b, '', distribution);
    return distribution;
  }
}

const methods = new Set(['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS']);
const methodOf = (method: string): string => (methods.has(method) ? method : 'other');

/** As in the names of states that dashboards know. */
export const stateName = (state: string): string => state.replace('-', '_');
/** The number of a state. */
export const stateNumber = (state: string): number => ({ closed: 0, 'half-open': 1, open: 2 })[state] ?? 0;
