import { ToolSource } from '../../../gen/llmgateway/v1/tool_service_pb.js';
import type { Tool, ToolOutcome } from '../tool.ts';
import { type Arguments, failedWith, resultOf, schemaText } from './service-tool.ts';

/** Says back what it is told. */
export const echo: Tool = {
  name: 'echo',
  description: 'Gives back the message that it is given. For trying out tool calls.',
  parametersJson: schemaText({
    properties: { message: { type: 'string', description: 'What to give back.' } },
    required: ['message'],
  }),
  source: ToolSource.BUILT_IN,
  run: async ({ message }) => resultOf({ echoed: message }),
};

/** Calculates with two numbers. */
export const calculator: Tool = {
  name: 'calculator',
  description: 'Adds, subtracts, multiplies or divides two numbers.',
  parametersJson: schemaText({
    properties: {
      a: { type: 'number', description: 'First number.' },
      b: { type: 'number', description: 'Second number.' },
      // Others are no wrong arguments, but a calculation that fails: clients tell the two apart.
      operation: {
        type: 'string',
        description: 'One of "add", "subtract", "multiply", "divide".',
        default: 'add',
      },
    },
    required: ['a', 'b'],
  }),
  source: ToolSource.BUILT_IN,
  run: async (args) => calculate(args),
};

const operations: ReadonlyMap<string, (a: number, b: number) => number> = new Map([
  ['add', (a: number, b: number) => a + b],
  ['subtract', (a: number, b: number) => a - b],
  ['multiply', (a: number, b: number) => a * b],
  ['divide', (a: number, b: number) => a / b],
]);

function calculate({ a, b, operation = 'add' }: Arguments): ToolOutcome {
  const calculation = operations.get(operation as string);
  if (calculation === undefined) return failedWith(`Unknown operation: ${operation}`);
  if (operation === 'divide' && b === 0) return failedWith('Division by zero');
  const result = calculation(a as number, b as number);
  // JSON has no infinity.
  if (!Number.isFinite(result)) return failedWith('Result out of range');
  return resultOf({ result, operation, a, b });
}
