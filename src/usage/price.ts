import type { ModelPrice } from '../../gen/llmgateway/v1/models_service_pb.js';
import { type Pico, perToken, picoOf } from './money.ts';
import type { TokenSplit } from './tokens.ts';

/** What a token of each kind costs, and a request. */
interface Rates {
  readonly input: Pico;
  readonly cacheRead: Pico;
  readonly cacheWrite: Pico;
  readonly cacheWrite1h: Pico;
  readonly audioInput: Pico;
  readonly cachedAudio: Pico;
  readonly imageInput: Pico;
  readonly output: Pico;
  readonly reasoning: Pico;
  readonly audioOutput: Pico;
  readonly request: Pico;
  /** The dearest kinds. */
  readonly anyInput: Pico;
  readonly anyOutput: Pico;
  /** What input costs is not known, or what output does. */
  readonly noInput: boolean;
  readonly noOutput: boolean;
}

/** Prices as the contract has them, without their variants. */
type Prices = Omit<ModelPrice, '$typeName' | '$unknown' | 'variants'>;

/** A model's prices, ready to count with. */
export class Pricing {
  readonly #price: ModelPrice;
  /** By the variants that hold, as bits. */
  readonly #rates = new Map<number, Rates>();

  /** @param price its `input` or `output` is set */
  constructor(price: ModelPrice) {
    this.#price = price;
  }

  /**
   * What tokens cost; null where that is not known of some.
   * @param serviceTier in OpenAI's words; '' for the usual one
   */
  cost(tokens: TokenSplit, serviceTier: string): Pico | null {
    const rates = this.#ratesFor(tokens.uncached + tokens.cacheRead + tokens.cacheWrite, serviceTier);
    const prompt = tokens.uncached + tokens.cacheRead + tokens.cacheWrite;
    if ((rates.noInput && prompt > 0) || (rates.noOutput && tokens.output > 0)) return null;
    let sum = rates.request;
    const add = (count: number, rate: Pico): void => {
      if (count > 0) sum += BigInt(count) * rate;
    };
    const { cacheRead, cacheWrite, cacheWrite1h, audioInput, imageInput, cachedAudio } = tokens;
    add(tokens.uncached - audioInput - imageInput, rates.input);
    add(audioInput, rates.audioInput);
    add(imageInput, rates.imageInput);
    add(cacheRead - cachedAudio, rates.cacheRead);
    add(cachedAudio, rates.cachedAudio);
    add(cacheWrite - cacheWrite1h, rates.cacheWrite);
    add(cacheWrite1h, rates.cacheWrite1h);
    const { output, reasoning, audioOutput } = tokens;
    // What is neither one nor the other; were some reasoning said aloud, it would count as reasoning.
    const spoken = Math.min(audioOutput, output - reasoning);
    add(output - reasoning - spoken, rates.output);
    add(reasoning, rates.reasoning);
    add(spoken, rates.audioOutput);
    return sum;
  }

  /** What a request costs at most that has so many tokens of input and output. */
  most(input: number, output: number, serviceTier: string): Pico {
    const { request, anyInput, anyOutput } = this.#ratesFor(input, serviceTier);
    return request + BigInt(input) * anyInput + BigInt(output) * anyOutput;
  }

  #ratesFor(promptTokens: number, serviceTier: string): Rates {
    const { variants } = this.#price;
    let which = 0;
    for (let i = 0; i < variants.length; i++) {
      const { aboveTokens, serviceTier: tier } = variants[i] as (typeof variants)[number];
      if (promptTokens >= aboveTokens + (aboveTokens > 0 ? 1 : 0) && (tier === '' || tier === serviceTier))
        which |= 1 << i;
    }
    let rates = this.#rates.get(which);
    if (rates === undefined) {
      rates = ratesOf(merged(this.#price, which));
      this.#rates.set(which, rates);
    }
    return rates;
  }
}

function dearest(...prices: Pico[]): Pico {
  let most = 0n;
  for (const price of prices) if (price > most) most = price;
  return most;
}

/** The prices with those variants that hold; what a later one says wins. */
function merged(price: ModelPrice, which: number): Prices {
  const prices: Record<string, unknown> = { ...price };
  price.variants.forEach((variant, i) => {
    if ((which & (1 << i)) === 0 || variant.price === undefined) return;
    for (const [name, value] of Object.entries(variant.price)) {
      if (typeof value === 'number') prices[name] = value;
    }
  });
  return prices as unknown as Prices;
}

function ratesOf(prices: Prices): Rates {
  const { input = 0, output = 0 } = prices;
  const { cachedInput = input, cacheWrite = input } = prices;
  const rates = {
    input: perToken(input),
    cacheRead: perToken(cachedInput),
    cacheWrite: perToken(cacheWrite),
    cacheWrite1h: perToken(prices.cacheWrite1h ?? cacheWrite),
    audioInput: perToken(prices.audioInput ?? input),
    cachedAudio: perToken(prices.cachedAudioInput ?? cachedInput),
    imageInput: perToken(prices.imageInput ?? input),
    output: perToken(output),
    reasoning: perToken(prices.reasoning ?? output),
    audioOutput: perToken(prices.audioOutput ?? output),
    request: picoOf(prices.request ?? 0) ?? 0n,
    noInput: prices.input === undefined,
    noOutput: prices.output === undefined,
  };
  return {
    ...rates,
    anyInput: dearest(rates.input, rates.cacheWrite, rates.cacheWrite1h, rates.audioInput, rates.imageInput),
    anyOutput: dearest(rates.output, rates.reasoning, rates.audioOutput),
  };
}
