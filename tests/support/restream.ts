import { frame } from './aws-event-stream.ts';

// Whole answers as their providers would have streamed them. `noted` members are those that nobody knows: they go where a whole answer has them.

export type Json = Record<string, unknown>;

/** A text in two pieces. */
const halves = (text: string): string[] =>
  text.length < 2 ? [text] : [text.slice(0, text.length >> 1), text.slice(text.length >> 1)];

/** Data of the SSE events of Anthropic's messages. Of every block `x_note` comes in a delta. */
export function messagesFrames(answer: Json): Json[] {
  const { content, stop_reason, stop_sequence, ...message } = answer;
  const frames: Json[] = [{ type: 'message_start', message: { ...message, content: [], stop_reason: null } }];
  (content as Json[]).forEach((block, index) => {
    const { x_note: note, ...own } = block;
    const delta = (members: Json) => frames.push({ type: 'content_block_delta', index, delta: members });
    const begin = (content_block: Json) => frames.push({ type: 'content_block_start', index, content_block });
    const noted = note === undefined ? {} : { x_note: note };
    switch (block['type']) {
      case 'text': {
        const { citations, ...rest } = own;
        begin({ ...rest, text: '' });
        for (const citation of (citations as Json[] | null) ?? [])
          delta({ type: 'citations_delta', citation });
        const [first = '', ...others] = halves(String(block['text']));
        delta({ type: 'text_delta', text: first, ...noted });
        for (const text of others) delta({ type: 'text_delta', text });
        break;
      }
      case 'thinking': {
        begin({ ...own, thinking: '', signature: '' });
        for (const thinking of halves(String(block['thinking']))) delta({ type: 'thinking_delta', thinking });
        delta({ type: 'signature_delta', signature: block['signature'] });
        if (note !== undefined) delta({ type: 'note_delta', ...noted });
        break;
      }
      case 'tool_use': {
        begin({ ...own, input: {} });
        const [first = '', ...others] = halves(JSON.stringify(block['input']));
        delta({ type: 'input_json_delta', partial_json: first, ...noted });
        for (const piece of others) delta({ type: 'input_json_delta', partial_json: piece });
        break;
      }
      default:
        begin({ ...own, ...noted });
    }
    frames.push({ type: 'content_block_stop', index });
  });
  frames.push({ type: 'message_delta', delta: { stop_reason, stop_sequence }, usage: {} });
  frames.push({ type: 'message_stop' });
  return frames;
}

/** Chunks of Gemini's, a part of the answer or half a text in each. */
export function geminiChunks(answer: Json): Json[] {
  const { candidates, ...rest } = answer;
  const [candidate] = candidates as Json[];
  const { content, finishReason, ...facts } = candidate as Json;
  const parts = ((content as Json | undefined)?.['parts'] as Json[] | undefined) ?? [];
  const pieces = parts.flatMap((part) => {
    if (typeof part['text'] !== 'string') return [part];
    const { thoughtSignature, ...own } = part;
    const texts = halves(part['text']);
    return texts.map((text, i) => ({
      ...own,
      text,
      ...(i === texts.length - 1 && thoughtSignature !== undefined ? { thoughtSignature } : {}),
    }));
  });
  const chunks: Json[] = pieces.map((part) => ({
    ...rest,
    candidates: [{ index: 0, content: { role: 'model', parts: [part] } }],
  }));
  chunks.push({ ...rest, candidates: [{ index: 0, finishReason, ...facts }] });
  return chunks;
}

/** Lines of Ollama's; unknown members of the message come with the first. */
export function ollamaLines(answer: Json): Json[] {
  const { message, done: _, done_reason, ...rest } = answer;
  const { content, thinking, tool_calls, role, ...unknown } = message as Json;
  const lines: Json[] = [];
  const say = (said: Json) => lines.push({ ...rest, message: { role, ...said }, done: false });
  say({ content: '', ...unknown });
  for (const text of halves(String(thinking ?? ''))) say({ content: '', thinking: text });
  for (const text of halves(String(content ?? ''))) say({ content: text });
  for (const call of (tool_calls as Json[] | undefined) ?? []) say({ content: '', tool_calls: [call] });
  lines.push({ ...rest, message: { role, content: '' }, done: true, done_reason });
  return lines;
}

/** Events of ConverseStream, by type. Of every block `x_note` comes in a delta, that of the message at its start. */
export function converseEvents(answer: Json): [type: string, event: Json][] {
  const { output, stopReason, ...metadata } = answer;
  const { content, ...message } = (output as { message: Json }).message;
  const events: [string, Json][] = [['messageStart', message]];
  (content as Json[]).forEach((block, contentBlockIndex) => {
    const { x_note: note } = block;
    const begin = (start: Json) => events.push(['contentBlockStart', { contentBlockIndex, start }]);
    const delta = (members: Json) =>
      events.push(['contentBlockDelta', { contentBlockIndex, delta: members }]);
    const { text, toolUse, reasoningContent, citationsContent } = block as Record<string, Json>;
    if (typeof text === 'string') for (const piece of halves(text)) delta({ text: piece });
    if (citationsContent !== undefined) {
      const said = (citationsContent['content'] as Json[]).map((piece) => piece['text']).join('');
      for (const piece of halves(said)) delta({ text: piece });
      for (const citation of citationsContent['citations'] as Json[]) delta({ citation });
    }
    if (toolUse !== undefined) {
      const { input, ...call } = toolUse;
      begin({ toolUse: call });
      for (const piece of halves(JSON.stringify(input))) delta({ toolUse: { input: piece } });
    }
    if (reasoningContent !== undefined) {
      const { reasoningText, redactedContent } = reasoningContent as Record<string, Json>;
      for (const piece of halves(String(reasoningText?.['text'] ?? ''))) {
        if (piece !== '') delta({ reasoningContent: { text: piece } });
      }
      if (reasoningText?.['signature'] !== undefined) {
        delta({ reasoningContent: { signature: reasoningText['signature'] } });
      }
      if (redactedContent !== undefined) delta({ reasoningContent: { redactedContent } });
    }
    if (note !== undefined) delta({ x_note: note });
    events.push(['contentBlockStop', { contentBlockIndex }]);
  });
  events.push(['messageStop', { stopReason }], ['metadata', metadata]);
  return events;
}

/** Chunks of OpenAI's; unknown members of the message come with the first. */
export function openaiChunks(answer: Json): Json[] {
  const { choices, usage, ...rest } = answer;
  const [choice] = choices as Json[];
  const { message, finish_reason } = choice as { message: Json; finish_reason: unknown };
  const { content, reasoning_content, reasoning, reasoning_details, refusal, tool_calls, ...others } =
    message;
  const chunks: Json[] = [];
  const say = (delta: Json, finish: unknown = null) =>
    chunks.push({
      ...rest,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  say(others);
  const grow = (key: string, text: unknown) => {
    if (typeof text === 'string') for (const piece of halves(text)) say({ [key]: piece });
  };
  grow('reasoning_content', reasoning_content);
  // The details say the same as the text beside them.
  if (Array.isArray(reasoning_details)) say({ reasoning, reasoning_details });
  else grow('reasoning', reasoning);
  grow('content', content);
  grow('refusal', refusal);
  ((tool_calls as Json[] | null | undefined) ?? []).forEach((call, index) => {
    const made = call['function'] as Json;
    say({ tool_calls: [{ ...call, index, function: { ...made, arguments: '' } }] });
    for (const piece of halves(String(made['arguments']))) {
      say({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  });
  say({}, finish_reason);
  chunks.push({ ...rest, choices: [], usage });
  return chunks;
}

export const sse = (frames: readonly Json[], named = false): string =>
  frames
    .map((data) => `${named ? `event: ${data['type']}\n` : ''}data: ${JSON.stringify(data)}\n\n`)
    .join('');

export const ndjson = (lines: readonly Json[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join('');

export const eventStream = (events: readonly [type: string, event: Json][]): Buffer =>
  Buffer.concat(
    events.map(([type, event]) =>
      frame(
        { ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' },
        JSON.stringify(event),
      ),
    ),
  );
