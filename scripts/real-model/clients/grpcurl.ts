// gRPC with a client that shares no code with the gateway and learns the contract from its reflection service.

import type { Answer, ChatCall, ChatClient } from '../conversation.ts';
import { getGrpcurl } from '../download.ts';
import { run } from '../processes.ts';
import { checkLifeCycle } from './connect.ts';

const service = 'llmgateway.v1.ChatService';

/** The parts of the messages' JSON form that are read here. Zeros and empty texts are left out of it. */
interface UsageJson {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
}
interface CompletionJson {
  readonly choices?: readonly {
    readonly message?: { readonly parts?: readonly { readonly text?: { readonly text?: string } }[] };
    readonly finishReason?: string;
  }[];
  readonly usage?: UsageJson;
}
interface EventJson {
  readonly delta?: { readonly text?: string };
  readonly choiceFinished?: { readonly finishReason?: string };
  readonly finished?: { readonly usage?: UsageJson };
}

/** Throws Unavailable where grpcurl is not to be had, and an error when reflection does not list the service. */
export async function grpcurlClients(url: string): Promise<ChatClient[]> {
  const grpcurl = await getGrpcurl();
  const address = new URL(url).host;
  const call = (method: string, input?: ChatCall) => {
    const args = ['-plaintext', '-max-time', '60'];
    if (input) args.push('-d', '@');
    args.push(address, method);
    return run(grpcurl, args, { timeoutMs: 70_000, input: input ? JSON.stringify(request(input)) : '' });
  };
  const listed = (await call('list')).trim().split('\n');
  console.log(`\ngrpcurl, by reflection: ${listed.join(', ')}`);
  if (!listed.includes(service)) throw new Error(`reflection does not list ${service}`);
  return [
    {
      name: 'gRPC, grpcurl, unary',
      streamed: false,
      ask: async (input) => readUnary(JSON.parse(await call(`${service}/CreateChatCompletion`, input))),
    },
    {
      name: 'gRPC, grpcurl, streamed',
      streamed: true,
      ask: async (input) => readStreamed(split(await call(`${service}/StreamChatCompletion`, input))),
    },
  ];
}

function readUnary(completion: CompletionJson): Answer {
  const choice = completion.choices?.[0];
  return {
    text: choice?.message?.parts?.map((part) => part.text?.text ?? '').join('') ?? '',
    finishReason: finishReason(choice?.finishReason),
    ...tokens(completion.usage),
    pieces: 1,
  };
}

function readStreamed(events: readonly EventJson[]): Answer {
  const kinds = events.map((event) => Object.keys(event)[0] ?? 'unset');
  checkLifeCycle(kinds.filter((kind, index) => kind !== kinds[index - 1]));
  const deltas = events.flatMap((event) => (event.delta ? [event.delta.text ?? ''] : []));
  return {
    text: deltas.join(''),
    finishReason: finishReason(events.find((event) => event.choiceFinished)?.choiceFinished?.finishReason),
    ...tokens(events.at(-1)?.finished?.usage),
    pieces: deltas.length,
  };
}

/** grpcurl prints the messages of a stream one after another, each indented: only the outermost brace is at the margin. */
function split(output: string): EventJson[] {
  return output
    .split(/(?<=^\})\n/m)
    .filter((text) => text.trim() !== '')
    .map((text) => JSON.parse(text) as EventJson);
}

function request(call: ChatCall) {
  return {
    model: call.model,
    messages: call.turns.map(({ role, text }) => ({
      role: `ROLE_${role.toUpperCase()}`,
      parts: [{ text: { text } }],
    })),
    parameters: { maxOutputTokens: call.maxTokens, temperature: 0, seed: call.seed },
  };
}

function finishReason(name = 'FINISH_REASON_UNSPECIFIED'): string {
  return name.replace('FINISH_REASON_', '').toLowerCase();
}

function tokens(usage: UsageJson | undefined): { promptTokens: number; completionTokens: number } {
  return { promptTokens: usage?.promptTokens ?? -1, completionTokens: usage?.completionTokens ?? -1 };
}
