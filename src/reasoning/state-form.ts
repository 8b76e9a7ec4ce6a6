import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Part, PartSchema } from '../../gen/llmgateway/v1/message_pb.js';
import type { Step } from './answer-order.ts';
import type { CallState } from './state-memory.ts';

// How a state is kept where other processes find it: JSON, with parts as in the contract.

type StoredStep =
  | Exclude<Step, { kind: 'reasoning' }>
  | { readonly kind: 'reasoning'; readonly part: string };

interface Stored {
  readonly reasoning: readonly string[];
  readonly signature: string;
  readonly order?: {
    readonly steps: readonly StoredStep[];
    readonly length: number;
    readonly digest: string;
  };
}

const encodePart = (part: Part): string => Buffer.from(toBinary(PartSchema, part)).toString('base64');
const decodePart = (text: string): Part => fromBinary(PartSchema, Buffer.from(text, 'base64'));

export function encodeState({ reasoning, signature, order }: CallState): Uint8Array {
  const stored: Stored = {
    reasoning: reasoning.map(encodePart),
    signature,
    ...(order === undefined
      ? {}
      : {
          order: {
            ...order,
            steps: order.steps.map((step) =>
              step.kind === 'reasoning' ? { kind: step.kind, part: encodePart(step.part) } : step,
            ),
          },
        }),
  };
  return Buffer.from(JSON.stringify(stored));
}

/** Undefined for what a gateway of another version wrote in another form. */
export function decodeState(bytes: Uint8Array): CallState | undefined {
  try {
    const { reasoning, signature, order } = JSON.parse(Buffer.from(bytes).toString()) as Stored;
    return {
      reasoning: reasoning.map(decodePart),
      signature,
      ...(order === undefined
        ? {}
        : {
            order: {
              ...order,
              steps: order.steps.map((step) =>
                step.kind === 'reasoning' ? { kind: step.kind, part: decodePart(step.part) } : step,
              ),
            },
          }),
    };
  } catch {
    return undefined;
  }
}
