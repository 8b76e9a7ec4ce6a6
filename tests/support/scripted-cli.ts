import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

// A program that speaks as `claude` does with stream-json, in a process of its own. What it does is in the prompt: words of the form `name=value`.
// Prompts without any are echoed. SCRIPTED_CLI, as JSON: { log?: a file for a line at each start, startMs?, deaf?, startExit?, pingExit?, refuse? }.

interface Settings {
  readonly log?: string;
  /** Before the first line of input is read. */
  readonly startMs?: number;
  /** Ends at once. */
  readonly startExit?: number;
  /** Ends at this sign of life, counted from 1, which is the one at the start. */
  readonly pingExit?: number;
  /** Gives no sign of life from this one on. */
  readonly pingDeaf?: number;
  /** Asks no to end nicely. */
  readonly stubborn?: boolean;
  /** Sets no other models than these. */
  readonly models?: readonly string[];
  /** Refuses instructions. */
  readonly uninstructed?: boolean;
  /** Ends when it is interrupted. */
  readonly interruptExit?: boolean;
  /** Says this, which is no frame, before anything else. */
  readonly greets?: string;
}

const settings = JSON.parse(process.env['SCRIPTED_CLI'] ?? '{}') as Settings;
const note = (what: string, more: Record<string, unknown> = {}): void => {
  if (settings.log !== undefined) {
    appendFileSync(settings.log, `${JSON.stringify({ what, pid: process.pid, ...more })}\n`);
  }
};
const say = (frame: object, end = '\n'): void => void process.stdout.write(`${JSON.stringify(frame)}${end}`);
/** In pieces that end anywhere. */
async function dribble(frame: object): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify(frame)}\n`);
  for (let at = 0; at < bytes.length; at += 7) {
    process.stdout.write(bytes.subarray(at, at + 7));
    await new Promise((resolve) => setImmediate(resolve));
  }
}
const event = (inner: object): object => ({ type: 'stream_event', event: inner, session_id: session });

const session = `session-${process.pid}`;
let model = process.argv[process.argv.indexOf('--model') + 1] ?? '';
let system = '';
let pings = 0;
let interrupted: (() => void) | null = null;
let turns = 0;
const earlier: string[] = [];

note('start', { args: process.argv.slice(2), env: process.env, cwd: process.cwd() });
if (settings.stubborn === true)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => {});
if (settings.startExit !== undefined) {
  process.stderr.write('there is no account: log in first\n');
  process.exit(settings.startExit);
}
if (settings.startMs !== undefined) await new Promise((resolve) => setTimeout(resolve, settings.startMs));

if (settings.greets !== undefined) process.stdout.write(`${settings.greets}\n`);

interface Line {
  readonly type: string;
  readonly request_id?: string;
  readonly request?: { readonly subtype: string; readonly model?: string; readonly systemPrompt?: string };
  readonly message?: { readonly content: readonly { readonly type: string; readonly text?: string }[] };
}

const refuse = (id: string | undefined, error: string, code?: string): void =>
  say({ type: 'control_response', response: { subtype: 'error', request_id: id, error, error_code: code } });

function control({ request_id: id, request }: Line): void {
  if (request?.model !== undefined && settings.models?.includes(request.model) === false) {
    if (request.model === 'unreachable') refuse(id, 'Network error', 'check_unreachable');
    else refuse(id, `model not changed: there is no ${request.model}`);
    return;
  }
  // Its first word counts, and it says so of further ones.
  if (request?.subtype === 'initialize' && (settings.uninstructed === true || system !== '')) {
    refuse(id, 'Already initialized');
    return;
  }
  if (request?.subtype === 'set_model') {
    model = request.model ?? model;
    pings++;
    if (id?.startsWith('probe_')) {
      if (settings.pingExit !== undefined && pings >= settings.pingExit) process.exit(3);
      if (settings.pingDeaf !== undefined && pings >= settings.pingDeaf) return;
    }
  }
  if (request?.subtype === 'initialize') system = request.systemPrompt ?? '';
  if (request?.subtype === 'interrupt') {
    note('interrupt');
    if (settings.interruptExit === true) process.exit(130);
    interrupted?.();
  }
  say({ type: 'control_response', response: { subtype: 'success', request_id: id, response: {} } });
}

async function turn(prompt: string): Promise<void> {
  turns++;
  note('turn', { prompt, model, system });
  const wants = (name: string): string | null => new RegExp(`\\b${name}=(\\S+)`).exec(prompt)?.[1] ?? null;
  const said = prompt.includes('what-before') ? earlier.join('|') : prompt;
  earlier.push(prompt);
  const megabytes = Number(wants('flood-mb') ?? 0);
  const words = Array.from({ length: Number(wants('repeat') ?? 1) }, () => said.split(/(?<= )/)).flat();
  const frames: object[] = [
    { type: 'system', subtype: 'init', session_id: session, model, tools: [] },
    event({
      type: 'message_start',
      message: { id: 'msg_1', type: 'message', role: 'assistant', model, content: [] },
    }),
    event({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'thinking', thinking: '', signature: '' },
    }),
    event({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm.' } }),
    event({ type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } }),
    event({ type: 'content_block_stop', index: 0 }),
    event({ type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } }),
    ...[...words, ...Array.from({ length: megabytes }, () => 'x'.repeat(2 ** 20))].map((text) =>
      event({ type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text } }),
    ),
    { type: 'a_new_kind_of_frame', session_id: session },
    event({ type: 'content_block_stop', index: 1 }),
    event({
      type: 'message_delta',
      delta: { stop_reason: wants('stop') ?? 'end_turn', stop_sequence: null },
      usage: { output_tokens: 7 },
    }),
    event({ type: 'message_stop' }),
  ];
  const notes = Number(wants('notes') ?? 0);
  for (let n = 0; n < notes; n++) say({ type: 'system', subtype: 'status', session_id: session });
  const crash = wants('crash-at');
  const hang = wants('hang-at');
  const delay = Number(wants('delay') ?? 0);
  let stop = false;
  const stopped = new Promise<void>((resolve) => {
    interrupted = () => {
      stop = true;
      resolve();
    };
  });
  // Crashes of a kind that is over at the second try.
  const once = wants('once');
  if (wants('children') !== null) {
    // One in the group of this process, and one that leaves it.
    for (const detached of [false, true]) {
      const child = spawn('sleep', ['1000'], { detached, stdio: 'ignore' });
      child.unref();
      note('child', { child: child.pid });
    }
  }
  const complains = Number(wants('complain-kb') ?? 0);
  for (let n = 0; n < complains; n++) process.stderr.write(`${n} ${'x'.repeat(1_020)}\n`);
  const pieces = wants('dribble') !== null;
  const tried = once !== null && countOf(once) > 1;
  for (const [at, frame] of [...frames, null].entries()) {
    if (stop) break;
    if (!tried && crash === String(at)) {
      process.stderr.write(`it was frame ${at}, with sk-ant-secret0123456789\n`);
      process.exit(9);
    }
    if (hang === String(at)) await (wants('deaf') === null ? stopped : new Promise(() => {}));
    if (wants('half-at') === String(at)) {
      process.stdout.write(JSON.stringify(frames[at]).slice(0, 20));
      process.exit(0);
    }
    if (wants('garbage-at') === String(at)) process.stdout.write('Segmentation fault {{{\n');
    if (wants('question-at') === String(at)) {
      say({
        type: 'control_request',
        request_id: 'q1',
        request: { subtype: 'can_use_tool', tool_name: 'Bash' },
      });
    }
    if (frame !== null && !stop) await (pieces ? dribble(frame) : say(frame));
    if (delay > 0) await Promise.race([new Promise((resolve) => setTimeout(resolve, delay)), stopped]);
  }
  const failure = wants('fail');
  if (wants('account') === 'none') {
    say({ type: 'assistant', error: 'authentication_failed', message: { content: [] }, session_id: session });
    say({ type: 'result', subtype: 'success', is_error: true, result: 'Not logged in', session_id: session });
    return;
  }
  const unended = wants('unended') !== null;
  const result = {
    type: 'result',
    subtype: stop ? 'error_during_execution' : 'success',
    is_error: stop || failure !== null,
    ...(failure === null
      ? { result: said }
      : {
          result: 'API Error: it is too much',
          api_error_status: Number(failure),
          api_error_type: 'rate_limit_error',
        }),
    session_id: session,
    num_turns: turns,
    stop_reason: wants('stop') ?? 'end_turn',
    usage: { input_tokens: 10, output_tokens: 7, cache_read_input_tokens: 4, cache_creation_input_tokens: 2 },
  };
  say(result, unended ? '' : '\n');
  if (unended) process.exit(0);
  interrupted = null;
}

/** How often turns with this word were begun, by all processes. */
function countOf(word: string): number {
  if (settings.log === undefined) return 1;
  return readFileSync(settings.log, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"turn"') && line.includes(`once=${word}`)).length;
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const line = JSON.parse(text) as Line;
    if (line.type === 'control_request') control(line);
    else if (line.type === 'user') {
      void turn((line.message?.content ?? []).map((block) => block.text ?? '').join('\n'));
    } else note('answer', { line });
  })
  .on('close', () => {
    if (settings.stubborn !== true) process.exit(0);
    setInterval(() => {}, 1_000);
  });
