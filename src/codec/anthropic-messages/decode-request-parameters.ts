import type { GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../model/build.ts';
import {
  keepMember,
  readArray,
  readInteger,
  readName,
  readNumber,
  readObject,
  readObjectText,
  readOptionalString,
  readString,
  writeJson,
} from '../fields.ts';
import { addNested, type Json } from '../json.ts';
import { dialectName } from './dialect.ts';

const maxUint32 = 0xffff_ffff;

/** Longest `user` of OpenAI and others; what is longer (Anthropic's own command line sends more) stays Anthropic's. */
const maxUser = 64;

/** The parameters of a request as they are read, and what stays with this dialect. */
export class ParametersDecoder {
  #parameters: GenerationParameters | undefined;
  /** Members of the request's extras. */
  unknown = '';
  /** Keys of those that the model has fields for as well. */
  readonly repeated: string[] = [];

  /** Undefined when nothing is set. */
  get parameters(): GenerationParameters | undefined {
    return this.#parameters;
  }

  get #into(): GenerationParameters {
    return (this.#parameters ??= build.parameters());
  }

  /** Several tools may be called at once. */
  set parallel(value: boolean) {
    this.#into.parallelToolCalls = value;
  }

  /**
   * Takes one member of a body; null is unset.
   * @returns false when it is none of the parameters
   * @throws GatewayError INVALID_REQUEST
   */
  take(key: string, value: unknown): boolean {
    if (value === null && names.has(key)) return true;
    switch (key) {
      case 'max_tokens':
        this.#limit(readInteger(value, key, 0, maxUint32));
        return true;
      case 'temperature':
        this.#into.temperature = readNumber(value, key, 0, 2);
        return true;
      case 'top_p':
        this.#into.topP = readNumber(value, key, 0, 1);
        return true;
      case 'top_k':
        this.#into.topK = readInteger(value, key, 0, maxUint32);
        return true;
      case 'stop_sequences':
        this.#into.stop = readStops(value, key);
        return true;
      case 'service_tier': {
        const tier = readOptionalString(value, key, 64);
        this.#into.serviceTier = tier === 'standard_only' ? 'default' : tier;
        return true;
      }
      case 'metadata':
        this.#metadata(readObject(value, key));
        return true;
      case 'thinking':
        this.#thinking(readObject(value, key));
        return true;
      case 'output_config':
        this.#outputConfig(readObject(value, key));
        return true;
      case 'output_format':
        this.#outputFormat(readObject(value, key));
        return true;
      default:
        return false;
    }
  }

  /** 0 asks Anthropic to read the prompt into its cache and to answer nothing; the least that others can do is one token. */
  #limit(tokens: number): void {
    this.#into.maxOutputTokens = Math.max(tokens, 1);
    if (tokens === 0) this.unknown = keepMember(this.unknown, 'max_tokens', 0, 'max_tokens');
  }

  #metadata(json: Json): void {
    let others = '';
    let empty = true;
    for (const key in json) {
      const value = json[key];
      empty = false;
      if (key === 'user_id' && value !== null) {
        const user = readString(value, 'metadata.user_id', 8_192);
        if (user !== '' && user.length <= maxUser) this.#into.user = user;
        else others = keepMember(others, key, user, 'metadata.user_id');
      } else others = keepMember(others, key, value, `metadata.${key}`);
    }
    if (empty) this.unknown = keepMember(this.unknown, 'metadata', json, 'metadata');
    this.unknown = addNested(this.unknown, 'metadata', others);
  }

  /**
   * A budget and "off" are the model's; "adaptive", which is Anthropic's own, and whatever comes next are kept as they are, to
   * be sent with their type.
   */
  #thinking(json: Json): void {
    const type = readName(json['type'], 'thinking.type', 64);
    const { type: _type, budget_tokens: budget, ...more } = json;
    if (type === 'enabled') {
      this.#into.reasoningBudgetTokens = readInteger(budget, 'thinking.budget_tokens', 1, maxUint32);
      this.unknown = addNested(this.unknown, 'thinking', membersOf(more, 'thinking'));
      return;
    }
    if (type === 'disabled') this.#into.reasoningEffort = 'none';
    if (type !== 'disabled' || Object.keys(json).length > 1) {
      this.unknown = keepMember(this.unknown, 'thinking', json, 'thinking');
    }
  }

  /** The effort is kept twice: typed, for all, and as it was given, because the model's field also says "think". */
  #outputConfig(json: Json): void {
    let others = '';
    let effortMember = '';
    let empty = true;
    for (const key in json) {
      const value = json[key];
      const at = `output_config.${key}`;
      empty = false;
      if (key === 'effort') {
        const effort = readOptionalString(value, at, 32);
        if (this.#parameters?.reasoningEffort !== 'none' && effort !== '') {
          this.#into.reasoningEffort = effort;
          effortMember = keepMember('', key, value, at);
        }
        others = keepMember(others, key, value, at);
      } else if (key === 'format' && value !== null) {
        others = addNested(others, key, this.#format(readObject(value, at), at));
      } else others = keepMember(others, key, value, at);
    }
    if (empty) this.unknown = keepMember(this.unknown, 'output_config', json, 'output_config');
    if (effortMember !== '' && others === effortMember) this.repeated.push('output_config');
    this.unknown = addNested(this.unknown, 'output_config', others);
  }

  /** @returns members that the model has no field for */
  #format(json: Json, at: string): string {
    const type = readName(json['type'], `${at}.type`, 256);
    const parameters = this.#into;
    if (type !== 'json_schema') {
      const value = build.opaque(dialectName, type, writeJson(json, at));
      parameters.responseFormat = build.responseFormat({ case: 'opaque', value });
      return '';
    }
    const schemaJson = readObjectText(json['schema'], `${at}.schema`);
    // OpenAI requires a name; Anthropic has none. Nor has it "strict": it takes schemas that OpenAI's strict mode refuses.
    const value = build.jsonSchemaFormat(schemaName, { schemaJson });
    parameters.responseFormat = build.responseFormat({ case: 'jsonSchema', value });
    const { type: _type, schema: _schema, ...more } = json;
    return membersOf(more, at);
  }

  /** The older place of `output_config.format`; sent where it was given. */
  #outputFormat(json: Json): void {
    if (this.#format(json, 'output_format') === '') this.repeated.push('output_format');
    this.unknown = keepMember(this.unknown, 'output_format', json, 'output_format');
  }
}

const schemaName = 'response';

const names: ReadonlySet<string> = new Set([
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'service_tier',
  'metadata',
  'thinking',
  'output_config',
  'output_format',
]);

function membersOf(json: Json, at: string): string {
  let members = '';
  for (const key in json) members = keepMember(members, key, json[key], `${at}.${key}`);
  return members;
}

function readStops(value: unknown, field: string): string[] {
  const items = readArray(value, field, 64);
  return items.map((item, i) => readName(item, `${field}[${i}]`, Number.POSITIVE_INFINITY));
}
