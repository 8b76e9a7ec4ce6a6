import { type Message, Role, type ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import { promptOf } from '../model/prompt.ts';
import { answeredIn, callsOf, isGateways, type Ownership } from './loop-calls.ts';
import { lostResult } from './loop-run.ts';
import { restoredTurn, type TurnMemory } from './turn-memory.ts';

/** A call with its result, a message of ROLE_TOOL. */
export interface SettledCall {
  readonly call: ToolCall;
  readonly result: Message;
}

/** A conversation as the model is to see it, but for calls that are still to be run. */
export interface History {
  readonly messages: Message[];
  /** How many of them, the first ones, are the session's. */
  readonly sessions: number;
  /** Calls at its end that wait for the gateway. */
  readonly pending: readonly ToolCall[];
  /** Calls at its end whose results are put back, by their ids: they were approved before. */
  readonly settled: ReadonlyMap<string, SettledCall>;
  /** Where their results belong. */
  readonly resultsAt: number;
}

export interface HistoryOptions extends Ownership {
  readonly memory: TurnMemory;
  readonly tenant: string;
  /** How many of the messages, the first ones, are a session's: nothing can be put between them for good. */
  readonly sessions: number;
  /** Nothing has to be approved, nor is: calls at the end that the user passes over were left, by a limit, and will not be run. */
  readonly leaves: boolean;
}

/**
 * Puts back what the client of a conversation does not know: the gateway's own calls beside its own, and the results of calls that it
 * approved. A result that is not known any more is said to be lost; only calls at the very end may still wait for theirs.
 */
export function readHistory(given: readonly Message[], options: HistoryOptions): History {
  const { memory, tenant } = options;
  const last = given.findLastIndex(({ role }) => role === Role.ASSISTANT);
  const waits = !(options.leaves && given.some((message, i) => i > last && isFromUser(message)));
  const messages: Message[] = [];
  let { sessions } = options;
  let pending: readonly ToolCall[] = [];
  const settled = new Map<string, SettledCall>();
  let resultsAt = 0;
  for (let i = 0; i < given.length; i++) {
    if (i === options.sessions) sessions = messages.length;
    const message = given[i] as Message;
    const calls = message.role === Role.ASSISTANT ? callsOf(message) : [];
    if (calls.length === 0) {
      messages.push(message);
      continue;
    }
    // A session has its turns whole.
    const remembers = i >= options.sessions && !memory.isEmpty;
    const prompt = remembers ? promptOf(given, i) : '';
    const turn = remembers ? memory.recall(tenant, prompt, calls) : null;
    if (turn !== null && turn.message !== null) {
      messages.push(...turn.before, ...restoredTurn(message, turn));
      continue;
    }
    messages.push(message);
    const answered = answeredIn(given, i + 1);
    const left: ToolCall[] = [];
    for (const call of calls) {
      if (answered.has(call.id) || !isGateways(call, options)) continue;
      const known = remembers ? memory.recall(tenant, prompt, [call]) : null;
      const result = known?.results.find((one) => answers(one, call));
      if (result !== undefined) {
        messages.push(result);
        if (i === last) settled.set(call.id, { call, result });
      } else if (i === last && waits) left.push(call);
      else if (options.enabled.has(call.name)) messages.push(lostResult(call));
    }
    if (i === last) {
      pending = left;
      // After a session's messages: it can only be added to.
      resultsAt = i < options.sessions ? messages.length + options.sessions - 1 - i : messages.length;
    }
  }
  if (given.length <= options.sessions) sessions = messages.length;
  return { messages, sessions, pending, settled, resultsAt };
}

const isFromUser = ({ role, parts }: Message): boolean =>
  role === Role.USER && parts.some(({ content }) => content.case !== 'toolResult');

const answers = ({ parts }: Message, { id }: ToolCall): boolean =>
  parts.some(({ content }) => content.case === 'toolResult' && content.value.toolCallId === id);

/**
 * Makes sure that all of the pending calls may run. A request that is sent again may approve what has run already: it gets the same
 * results.
 * @param approved ids, or "*" for all
 * @param field where the client approves
 * @throws GatewayError INVALID_REQUEST
 */
export function checkApproved(
  { pending, settled }: Pick<History, 'pending' | 'settled'>,
  approved: readonly string[],
  field: string,
): void {
  const ids = new Set(pending.map(({ id }) => id));
  approved.forEach((id, i) => {
    if (id === '*' || ids.has(id) || settled.has(id)) return;
    throw invalidRequest(
      `${field}[${i}]`,
      `there is no pending call ${JSON.stringify(id)} of a gateway tool`,
    );
  });
  if (approved.includes('*')) return;
  const left = pending.find(({ id }) => !approved.includes(id));
  if (left === undefined) return;
  throw invalidRequest(
    field,
    `the call ${JSON.stringify(left.id)} of the gateway's tool ${JSON.stringify(left.name)} is neither approved nor answered`,
  );
}
