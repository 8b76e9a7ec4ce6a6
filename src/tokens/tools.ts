import type { FunctionTool } from '../../gen/llmgateway/v1/generation_pb.js';

/** Where the tokens of a request are gathered: numbers that are known, and texts that are still to be counted. */
export interface TokenSum {
  add(tokens: number): void;
  text(text: string): void;
}

/** What the parts of a function cost beyond their texts; OpenAI's cookbook found it by trying. */
export interface ToolCosts {
  readonly begin: number;
  readonly properties: number;
  readonly property: number;
  readonly enumeration: number;
  readonly enumItem: number;
  readonly end: number;
}

/** Source: num_tokens_for_tools of OpenAI's cookbook, "How to count tokens with tiktoken". */
export const toolCosts: Readonly<Record<'o200k_base' | 'cl100k_base', ToolCosts>> = {
  o200k_base: { begin: 7, properties: 3, property: 3, enumeration: -3, enumItem: 3, end: 12 },
  cl100k_base: { begin: 10, properties: 3, property: 3, enumeration: -3, enumItem: 3, end: 12 },
};

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A function as OpenAI shows it to its models. A schema that is not one counts as its text. */
export function sumFunction(sum: TokenSum, tool: FunctionTool, costs: ToolCosts): void {
  sum.add(costs.begin);
  sum.text(`${tool.name}:${withoutStop(tool.description)}`);
  if (tool.parametersJson === '') return;
  try {
    sumProperties(sum, JSON.parse(tool.parametersJson), costs, 0);
  } catch {
    sum.text(tool.parametersJson);
  }
}

/** Deeper schemas are not looked into: they cost nothing here. */
const maxDepth = 32;

function sumProperties(sum: TokenSum, schema: unknown, costs: ToolCosts, depth: number): void {
  if (!isObject(schema) || depth > maxDepth) return;
  const { properties } = schema;
  if (isObject(properties) && Object.keys(properties).length > 0) {
    sum.add(costs.properties);
    for (const [name, property] of Object.entries(properties)) {
      sum.add(costs.property);
      const facts = isObject(property) ? property : {};
      sum.text(`${name}:${typeName(facts['type'])}:${withoutStop(textOf(facts['description']))}`);
      const values = facts['enum'];
      if (Array.isArray(values)) {
        sum.add(costs.enumeration + costs.enumItem * values.length);
        for (const value of values) sum.text(String(value));
      }
      sumProperties(sum, facts, costs, depth + 1);
    }
  }
  sumProperties(sum, schema['items'], costs, depth + 1);
}

const typeName = (type: unknown): string => (Array.isArray(type) ? type.join('|') : textOf(type));
const withoutStop = (text: string): string => (text.endsWith('.') ? text.slice(0, -1) : text);
