// Events of a stream as plain literals; see build.ts.
import type {
  CallReport,
  ChoiceFinished,
  FinishReason,
  PartDelta,
  PartStarted,
  StreamFinished,
  StreamStarted,
  Usage,
} from '../../gen/llmgateway/v1/completion_pb.js';
import type { Part, ToolCall, ToolResult } from '../../gen/llmgateway/v1/message_pb.js';
import { type Init, name } from './build-form.ts';
import type { StreamEvent } from './events.ts';

const event = (value: StreamEvent['event']): StreamEvent => ({
  $typeName: name('StreamChatCompletionResponse'),
  event: value,
});

export const started = (
  id: string,
  model: string,
  createdAt: number,
  rest?: Init<StreamStarted>,
): StreamEvent =>
  event({
    case: 'started',
    value: {
      $typeName: name('StreamStarted'),
      id,
      model,
      createdAt,
      serviceTier: '',
      systemFingerprint: '',
      ...rest,
    },
  });

export const partStarted = (choiceIndex: number, partIndex: number, content: Part): StreamEvent => {
  const value: PartStarted = {
    $typeName: name('PartStarted'),
    choice: choiceIndex,
    part: partIndex,
    content,
  };
  return event({ case: 'partStarted', value });
};

export const delta = (
  choiceIndex: number,
  partIndex: number,
  added: string,
  rest?: Init<PartDelta>,
): StreamEvent => {
  const value: PartDelta = {
    $typeName: name('PartDelta'),
    choice: choiceIndex,
    part: partIndex,
    text: added,
    transcript: '',
    annotations: [],
  };
  return event({ case: 'delta', value: rest === undefined ? value : { ...value, ...rest } });
};

/** `final`: see PartEnded.final. */
export const partEnded = (choiceIndex: number, partIndex: number, final?: Part): StreamEvent =>
  event({
    case: 'partEnded',
    value: {
      $typeName: name('PartEnded'),
      choice: choiceIndex,
      part: partIndex,
      ...(final === undefined ? {} : { final }),
    },
  });

export const choiceFinished = (
  choiceIndex: number,
  finishReason: FinishReason,
  nativeFinishReason = '',
): StreamEvent => {
  const value: ChoiceFinished = {
    $typeName: name('ChoiceFinished'),
    choice: choiceIndex,
    finishReason,
    nativeFinishReason,
  };
  return event({ case: 'choiceFinished', value });
};

export const finished = (used?: Usage, report?: CallReport): StreamEvent => {
  const value: StreamFinished = { $typeName: name('StreamFinished') };
  if (used !== undefined) value.usage = used;
  if (report !== undefined) value.callReport = report;
  return event({ case: 'finished', value });
};

export const opaqueEvent = (dialect: string, json: string): StreamEvent =>
  event({ case: 'opaque', value: { $typeName: name('OpaqueEvent'), dialect, json } });

export const toolStarted = (round: number, call: ToolCall): StreamEvent =>
  event({ case: 'toolExecutionStarted', value: { $typeName: name('ToolExecutionStarted'), round, call } });

export const toolFinished = (round: number, result: ToolResult, durationMs: number): StreamEvent =>
  event({
    case: 'toolExecutionFinished',
    value: { $typeName: name('ToolExecutionFinished'), round, result, durationMs },
  });
