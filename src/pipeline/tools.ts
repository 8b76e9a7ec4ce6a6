import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason, type Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type Message, Role, type ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import type { OpaqueReader } from '../model/assemble.ts';
import * as build from '../model/build.ts';
import type { EventStream, StreamEvent } from '../model/events.ts';
import { promptOf } from '../model/prompt.ts';
import { sumUsage } from '../model/sum-usage.ts';
import { ToolLoop } from '../tools/loop.ts';
import { callsOf } from '../tools/loop-calls.ts';
import { toolFinished, toolStarted } from '../tools/loop-events.ts';
import { checkApproved, type History, readHistory } from '../tools/loop-history.ts';
import { type CallRunner, runCalls } from '../tools/loop-run.ts';
import { LoopStream } from '../tools/loop-stream.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import type { TurnMemory } from '../tools/turn-memory.ts';
import type { ChatCall, Handler, Reply, Stage, ToolUse, UnaryReply } from './call.ts';

export interface ToolsStageOptions {
  readonly toolbox: Toolbox;
  /** Whose tools a call may use. */
  /** How often tools are run and the model is asked again, for one call. */
  readonly maxRounds: () => number;
  readonly memory: TurnMemory;
  /** See Assembler. */
  readonly readOpaque: OpaqueReader;
  /** Arguments of a tool with the defaults of a session's context; the same object where it has none for them. */
  readonly withDefaults: CallDefaults;
  /** The taxonomy that the user names; '' for none. */
  readonly namedTaxonomy: (messages: readonly Message[]) => string;
  /** Told of what a toolbox throws although it should not. */
  readonly onFault: (tool: string, error: unknown) => void;
}

type Json = Readonly<Record<string, unknown>>;
export type CallDefaults = (tool: string, args: Json, context: Json) => Json;

/**
 * Runs the calls that the model makes of the gateway's tools, and asks it again with the results, until it calls none of them. Calls of
 * the client's tools go back to the client. A call that enables none of the gateway's tools passes as it is.
 */
export function toolsStage(options: ToolsStageOptions): Stage {
  return (next) => (call) => {
    if (call.kind !== 'chat') return next(call);
    const { tools } = call;
    if (tools !== undefined) {
      const { memory } = options;
      const answer = (): Promise<Reply> => new ToolCalls(call, tools, next, options).answer();
      const sessions = call.session?.historyLength ?? 0;
      const learned = memory.learn(call.principal.tenant, call.request.messages, sessions);
      return learned === null ? answer() : learned.then(answer);
    }
    if (call.request.options !== undefined) checkTurn(call, nothingPending);
    return next(call);
  };
}

/** The same for calls that ask only how many tokens there are: nothing is run. */
export function countedToolsStage({ memory }: Pick<ToolsStageOptions, 'memory'>): Stage {
  return (next) => async (call) => {
    if (call.kind === 'chat' && call.tools !== undefined) {
      const { request, session, tools } = call;
      const sessions = session?.historyLength ?? 0;
      const learned = memory.learn(call.principal.tenant, request.messages, sessions);
      if (learned !== null) await learned;
      const leaves = leavesCalls(call);
      const history = readHistory(request.messages, {
        ...tools,
        memory,
        tenant: call.principal.tenant,
        sessions,
        leaves,
      });
      call.request = { ...request, messages: history.messages };
    }
    return next(call);
  };
}

const approvedBy = ({ request }: ChatCall): readonly string[] => request.options?.approvedToolCalls ?? [];
const leavesCalls = (call: ChatCall): boolean =>
  call.request.options?.toolApproval !== true && approvedBy(call).length === 0;
const approvedField = ({ face }: ChatCall): string =>
  face === 'rpc' ? 'options.approved_tool_calls' : 'approved_tool_calls';

const nothingPending = { pending: [], settled: new Map<string, never>() };

/** Makes sure that there is something to answer. @throws GatewayError INVALID_REQUEST */
function checkTurn(call: ChatCall, history: Pick<History, 'pending' | 'settled'>): void {
  const { pending } = history;
  checkApproved(history, approvedBy(call), approvedField(call));
  const { request, session } = call;
  if (pending.length > 0 || request.messages.length > (session?.historyLength ?? 0)) return;
  throw invalidRequest(
    'messages',
    "Invalid 'messages': expected at least one message, as no call is pending.",
  );
}

/** One call with its rounds. */
class ToolCalls {
  readonly #call: ChatCall;
  readonly #tools: ToolUse;
  readonly #next: Handler;
  readonly #options: ToolsStageOptions;
  readonly #tenant: string;
  /** The conversation as the client sent it. */
  readonly #given: readonly Message[];
  readonly #history: History;
  readonly #loop: ToolLoop;
  /** Ends the tools and the upstream when nobody wants the rest, which the call's own signal does not always tell. */
  readonly #stop = new AbortController();
  readonly #onAbort = (): void => this.#stop.abort(this.#call.signal.reason);
  #runner: CallRunner | null = null;

  constructor(call: ChatCall, tools: ToolUse, next: Handler, options: ToolsStageOptions) {
    const { request, session } = call;
    this.#call = call;
    this.#tools = tools;
    this.#next = next;
    this.#options = options;
    this.#tenant = call.principal.tenant;
    this.#given = request.messages;
    this.#history = readHistory(request.messages, {
      ...tools,
      memory: options.memory,
      tenant: this.#tenant,
      sessions: session?.historyLength ?? 0,
      leaves: leavesCalls(call),
    });
    const approval = request.options?.toolApproval ?? false;
    const maxRounds = options.maxRounds();
    this.#loop = new ToolLoop({ ...tools, request, history: this.#history, maxRounds, approval });
  }

  async answer(): Promise<Reply> {
    const { signal, stream } = this.#call;
    const { pending } = this.#history;
    checkTurn(this.#call, this.#history);
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
    try {
      const early = this.#settled();
      if (pending.length > 0) early.push(...(await this.#runApproved(pending)));
      if (stream) return await this.#stream(early);
      const reply = await this.#unary(early);
      this.#release();
      return reply;
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  #release(): void {
    this.#call.signal.removeEventListener('abort', this.#onAbort);
  }

  /** What is told of calls that were run when they were approved first: responses keep it, which the one that ran them need not have. */
  #settled(): StreamEvent[] {
    if (this.#call.api !== 'responses') return [];
    const round = this.#loop.rounds + 1;
    return [...this.#history.settled.values()].flatMap(({ call, result }) => [
      toolStarted(round, call),
      toolFinished(round, result, 0),
    ]);
  }

  /** @returns what a stream tells of it */
  async #runApproved(pending: readonly ToolCall[]): Promise<StreamEvent[]> {
    const round = this.#loop.rounds + 1;
    const events = pending.map((call) => toolStarted(round, call));
    const results = await this.#run(pending, (result, durationMs) => {
      events.push(toolFinished(round, result, durationMs));
    });
    this.#loop.approved(results);
    if (this.#call.session !== undefined) return events;
    const at = this.#given.findLastIndex(({ role }) => role === Role.ASSISTANT);
    const prompt = promptOf(this.#given, at);
    const kept = pending.map((call, i) => {
      const hidden = { before: [], message: null, given: '', results: results.slice(i, i + 1) };
      return this.#options.memory.remember(this.#tenant, prompt, [call], hidden);
    });
    await Promise.all(kept);
    return events;
  }

  async #unary(before: readonly StreamEvent[]): Promise<UnaryReply> {
    const loop = this.#loop;
    let usage: Usage | undefined;
    for (;;) {
      const reply = await this.#ask(loop.request());
      if (reply.kind !== 'unary') throw new Error('a unary call was not answered with a completion');
      const { response } = reply;
      const [choice] = response.choices;
      const answer = choice?.message;
      usage = sumUsage(usage, response.usage);
      const decision = loop.decide(answer, choice?.finishReason ?? FinishReason.UNSPECIFIED);
      if (decision.exhausted) this.#exhausted();
      const round = loop.rounds + 1;
      const after = decision.run.map((call) => toolStarted(round, call));
      const onDone = (result: Message, durationMs: number): void =>
        void after.push(toolFinished(round, result, durationMs));
      const results = decision.run.length > 0 ? await this.#run(decision.run, onDone) : [];
      if (answer !== undefined && !decision.last) {
        loop.ran(answer, results);
        continue;
      }
      const kept = this.#ended(answer, results);
      if (kept !== null) await kept;
      if (usage !== undefined) response.usage = usage;
      response.toolMessages = loop.before;
      if (choice !== undefined && answer !== undefined && results.length > 0) {
        choice.message = loop.shown(answer);
      }
      return { ...reply, told: { before, after } };
    }
  }

  async #stream(early: readonly StreamEvent[]): Promise<Reply> {
    const ask = async (): Promise<EventStream> => {
      const reply = await this.#ask(this.#loop.request());
      if (reply.kind !== 'stream') throw new Error('a streaming call was answered without a stream');
      return reply.events;
    };
    const events = new LoopStream({
      loop: this.#loop,
      events: await ask(),
      early,
      readOpaque: this.#options.readOpaque,
      ask,
      run: (calls, onDone) => this.#run(calls, onDone),
      exhausted: () => this.#exhausted(),
      ended: (answer, results) => this.#ended(answer, results),
      over: (left) => {
        this.#release();
        if (left) this.#stop.abort(leaving());
      },
    });
    return { kind: 'stream', events };
  }

  async #ask(request: CreateChatCompletionRequest): Promise<Reply> {
    const { signal } = this.#stop;
    if (signal.aborted) throw signal.reason;
    const { report } = this.#call;
    const told = report.warnings.length;
    const reply = await this.#next({ ...this.#call, request, signal });
    // What the provider's form cannot carry it cannot carry in any round.
    if (told > 0) report.warnings = distinct(report.warnings);
    return reply;
  }

  #run(
    calls: readonly ToolCall[],
    onDone?: (result: Message, durationMs: number) => void,
  ): Promise<Message[]> {
    this.#loop.begin();
    this.#tools.rounds = this.#loop.rounds;
    for (const { name } of calls) if (this.#tools.enabled.has(name)) this.#tools.ran.add(name);
    this.#runner ??= this.#newRunner();
    return runCalls(calls, this.#runner, onDone);
  }

  #newRunner(): CallRunner {
    const { toolbox, withDefaults, namedTaxonomy, onFault } = this.#options;
    const { id, session, trace } = this.#call;
    const named = session === undefined ? namedTaxonomy(this.#given) : '';
    const defaults: Json =
      session !== undefined
        ? (JSON.parse(session.contextJson) as Json)
        : named === ''
          ? {}
          : { taxonomy: named };
    return {
      toolbox,
      enabled: this.#tools.enabled,
      context: { tenant: this.#tenant, requestId: id, signal: this.#stop.signal, trace },
      withDefaults: (tool, args) => withDefaults(tool, args, defaults),
      onFault,
    };
  }

  #exhausted(): void {
    const text = `the model still calls tools after ${this.#loop.rounds} rounds; its calls were not run`;
    this.#call.report.warnings.push(build.warning('tool_rounds_exhausted', text));
  }

  /** The last answer is there, whole: a session keeps it so, and without one the client's next call may need it. */
  #ended(answer: Message | undefined, results: readonly Message[]): Promise<unknown> | null {
    const { session, stream } = this.#call;
    if (session !== undefined) session.kept = this.#loop.kept(answer, results);
    else if (answer !== undefined && results.length > 0) {
      return this.#options.memory.remember(
        this.#tenant,
        promptOf(this.#given, this.#given.length),
        callsOf(this.#loop.shown(answer)),
        this.#loop.hidden(answer, results, stream),
      );
    }
    return null;
  }
}

const leaving = (): GatewayError => new GatewayError(ErrorReason.CANCELLED, 'the client has left');

type Warnings = ChatCall['report']['warnings'];

function distinct(warnings: Warnings): Warnings {
  const known = new Set<string>();
  return warnings.filter(({ code, field, message }) => {
    const key = JSON.stringify([code, field, message]);
    if (known.has(key)) return false;
    known.add(key);
    return true;
  });
}
