import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { type EventStream, tapEvents } from '../model/events.ts';
import { countTokens } from '../tokens/count-tokens.ts';
import { estimateTokens } from '../tokens/estimate.ts';
import type { Budgets, Hold } from '../usage/budgets.ts';
import { costOf } from '../usage/cost.ts';
import { noteUsage } from '../usage/cut-off.ts';
import { Delivered } from '../usage/delivered.ts';
import type { Ledger } from '../usage/ledger.ts';
import type { Pico } from '../usage/money.ts';
import type { PriceBook, Priced } from '../usage/price-book.ts';
import { embeddingsBound, inputBound, outputBound } from '../usage/request-size.ts';
import { addCost } from '../usage/tell.ts';
import { answerOf, type Call, type Reply, type Stage } from './call.ts';
import type { Route } from './route.ts';

export interface UsageStageOptions {
  /** Read anew for each call, since a reload replaces it. */
  readonly prices: () => PriceBook;
  readonly budgets: Budgets;
  readonly ledger: Ledger;
  /** Tokens of output that are expected of a call that does not bound them. */
  readonly usualOutput: () => number;
  /** Told of what each answer used, and what it costs; null where that is not known. */
  readonly onUsed?: (call: Call, usage: Usage, pico: Pico | null) => void;
}

/**
 * What one answer of a provider's used and cost: also when it fails in the middle, or nobody wants the rest. The innermost stage, so that
 * every round of tools and every try is counted, once.
 */
export function usageStage(options: UsageStageOptions): Stage {
  const { prices, budgets, usualOutput } = options;
  return (next) => (call) => {
    const { provider, upstreamModel } = call.route as Route;
    const priced = prices().of(provider.name, upstreamModel);
    const applied = priced.price === 'free' ? [] : budgets.of(call.principal, provider.name, priced.model);
    if (applied.length === 0) return answered(answerOf(next, call), new Answer(call, priced, null, options));
    const held = budgets.reserve(applied, mostOf(call, priced, usualOutput()));
    const go = (hold: Hold): Promise<Reply> =>
      answered(answerOf(next, call), new Answer(call, priced, hold, options));
    return held instanceof Promise ? held.then(go) : go(held);
  };
}

/** What a call costs at most, as far as that can be told; 0 where the price is not known. */
function mostOf(call: Call, { price }: Priced, usualOutput: number): bigint {
  if (price === null || price === 'free') return 0n;
  if (call.kind === 'embeddings') return price.most(embeddingsBound(call.request), 0, '');
  const { upstreamModel } = call.route as Route;
  const tier = call.request.parameters?.serviceTier ?? '';
  return price.most(inputBound(call.request, upstreamModel), outputBound(call.request, usualOutput), tier);
}

function answered(reply: Promise<Reply>, answer: Answer): Promise<Reply> {
  return reply.then(
    (given) => answer.reply(given),
    (error: unknown) => {
      answer.nothing();
      throw error;
    },
  );
}

/** One answer, until it is over. */
class Answer {
  readonly #call: Call;
  readonly #priced: Priced;
  readonly #hold: Hold | null;
  readonly #options: UsageStageOptions;
  #over = false;
  #tier = '';

  constructor(call: Call, priced: Priced, hold: Hold | null, options: UsageStageOptions) {
    this.#call = call;
    this.#priced = priced;
    this.#hold = hold;
    this.#options = options;
  }

  reply(reply: Reply): Reply {
    if (reply.kind === 'stream') return { kind: 'stream', events: this.#stream(reply.events) };
    if (reply.kind === 'embeddings') this.#end(reply.response.usage ?? this.#embedded(), false);
    else if (reply.kind === 'unary') {
      const { usage, serviceTier, choices } = reply.response;
      this.#tier = serviceTier;
      if (usage !== undefined) this.#end(usage, false);
      else {
        const delivered = new Delivered();
        delivered.choices(choices);
        this.#end(this.#estimate(delivered), false);
      }
    } else this.nothing();
    return reply;
  }

  /** It brought nothing, and costs nothing. */
  nothing(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#hold !== null) this.#options.budgets.settle(this.#hold, 0n);
  }

  #stream(events: EventStream): EventStream {
    const delivered = new Delivered();
    const cutOff = (): void => {
      if (this.#over) return;
      const said = events.usageSoFar?.();
      if (said !== undefined) this.#end(said.estimated ? this.#completed(said, delivered) : said, true);
      else if (delivered.some) this.#end(this.#estimate(delivered), true);
      else this.nothing();
    };
    return tapEvents(events, {
      events: (batch) => {
        const first = batch[0]?.event;
        if (first?.case === 'started') this.#tier = first.value.serviceTier;
        delivered.events(batch);
        const last = batch[batch.length - 1]?.event;
        if (last?.case === 'finished') this.#end(last.value.usage ?? this.#estimate(delivered), false);
      },
      end: cutOff,
      abandoned: cutOff,
    });
  }

  #end(usage: Usage, aborted: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { provider } = this.#call.route as Route;
    const { principal, report } = this.#call;
    const { model, price } = this.#priced;
    const { tokens, pico } = costOf(usage, price, this.#tier);
    addCost(report, pico, usage.estimated);
    // A loop of tools that is cut off has told nobody of its rounds.
    if (aborted || (this.#call.kind === 'chat' && this.#call.tools !== undefined)) noteUsage(report, usage);
    this.#call.used?.(usage);
    this.#options.onUsed?.(this.#call, usage, pico);
    if (this.#hold !== null) {
      if (pico === null) this.#options.budgets.unpriced(provider.name, model);
      this.#options.budgets.settle(this.#hold, pico ?? 0n);
    }
    this.#options.ledger.record({
      tenant: principal.tenant,
      owner: principal.owner,
      key: principal.id,
      provider: provider.name,
      model,
      prompt: usage.promptTokens,
      completion: usage.completionTokens,
      cached: tokens.cacheRead,
      cacheWrite: tokens.cacheWrite,
      reasoning: tokens.reasoning,
      pico,
      estimated: usage.estimated,
      aborted,
    });
  }

  /** By the gateway's own count. */
  #estimate(delivered: Delivered): Usage {
    const { upstreamModel } = this.#call.route as Route;
    return delivered.usage(this.#promptTokens(), upstreamModel);
  }

  /** By what the provider has said, and the gateway's own count for the rest. */
  #completed(said: Usage, delivered: Delivered): Usage {
    const { upstreamModel } = this.#call.route as Route;
    return delivered.usageWith(said, () => this.#promptTokens(), upstreamModel);
  }

  #promptTokens(): number {
    if (this.#call.kind !== 'chat') return 0;
    const { provider, upstreamModel } = this.#call.route as Route;
    return countTokens(this.#call.request, { provider: provider.name, upstreamModel }).tokens;
  }

  #embedded(): Usage {
    const { upstreamModel } = this.#call.route as Route;
    const ratio = 1_000 / Math.max(1, estimateTokens(1_000, 0, upstreamModel));
    const tokens = this.#call.kind === 'embeddings' ? embeddingsBound(this.#call.request, ratio) : 0;
    return new Delivered().usage(tokens, upstreamModel);
  }
}
