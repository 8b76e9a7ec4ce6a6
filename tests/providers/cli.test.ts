import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { CliAnswer } from '../../src/cli-pool/answer.ts';
import type { CliFrame } from '../../src/cli-pool/dialect.ts';
import type { CliRequest } from '../../src/cli-pool/pool.ts';
import * as build from '../../src/model/build.ts';
import { rememberSecret } from '../../src/observability/redact.ts';
import { programs } from '../../src/providers/cli/programs.ts';
import { cliProvider } from '../../src/providers/cli/provider.ts';

const good: CliFrame = { type: 'result', subtype: 'success', result: 'Well.', usage: {} };

/** What a session is asked, and answers with. */
async function ask(
  messages: Message[],
  { tenant = '', frame = good, program = 'claude' as keyof typeof programs } = {},
): Promise<CliRequest> {
  const asked: CliRequest[] = [];
  const provider = cliProvider({
    name: 'cli',
    program: programs[program],
    models: {},
    unsupported: [],
    async ask(request): Promise<CliAnswer> {
      asked.push(request);
      const frames: (readonly CliFrame[])[] = [[frame]];
      return { cold: false, next: async () => frames.shift() ?? null, cancel: () => {} };
    },
  });
  await provider.createChat?.({
    request: build.chatRequest('cli/default', messages),
    upstreamModel: 'claude-sonnet',
    requestId: 'req_1',
    tenant,
    signal: new AbortController().signal,
    timeouts: { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 },
    warn: () => {},
  });
  return asked[0] as CliRequest;
}

const said = (role: Role, text: string): Message => build.message(role, [build.textPart(text)]);
const markIn = ({ text }: CliRequest): string => /<turn-(\w+) /.exec(text)?.[1] ?? '';

const conversation = [said(Role.USER, 'What is it?'), said(Role.ASSISTANT, 'A lamp.')];

test('the mark of turns stays the same in further turns of a conversation', async () => {
  const first = await ask([...conversation, said(Role.USER, 'Light it.')]);
  const later = await ask([
    ...conversation,
    said(Role.USER, 'Light it.'),
    said(Role.ASSISTANT, 'It is lit.'),
    said(Role.USER, 'Put it out.'),
  ]);
  expect(markIn(first)).toMatch(/^[\da-f]{12}$/);
  expect(markIn(later)).toBe(markIn(first));
});

test('the mark of turns is another one for each tenant and each beginning', async () => {
  const all = await Promise.all([
    ask(conversation),
    ask(conversation, { tenant: 'acme' }),
    ask([said(Role.SYSTEM, 'Be brief.'), ...conversation]),
    ask([said(Role.USER, 'What is this?'), ...conversation.slice(1)]),
  ]);
  expect(new Set(all.map(markIn)).size).toBe(4);
});

test('the mark of turns cannot be computed from what the conversation says', async () => {
  const digest = createHash('sha256');
  for (const { role, parts } of conversation) {
    digest.update(`${role}\n`);
    for (const { content } of parts)
      if (content.case === 'text') digest.update(`${content.value.text.length}\n${content.value.text}`);
  }
  expect(markIn(await ask(conversation))).not.toBe(digest.digest('hex').slice(0, 12));
});

test('sessions are for those with the same tenant and instructions', async () => {
  const [one, other, same] = await Promise.all([
    ask([said(Role.SYSTEM, 'Be brief.'), said(Role.USER, 'Hello')]),
    ask([said(Role.SYSTEM, 'Be kind.'), said(Role.USER, 'Hello')]),
    ask([said(Role.SYSTEM, 'Be brief.'), said(Role.USER, 'Goodbye')]),
  ]);
  expect(one?.key()).toBe(same?.key());
  expect(one?.key()).not.toBe(other?.key());
});

test('the words of an error have no secret of the gateway in them', async () => {
  rememberSecret('hunter2-of-the-lighthouse');
  const frame = {
    type: 'result',
    subtype: 'success',
    is_error: true,
    api_error_status: 500,
    result: 'the proxy refused hunter2-of-the-lighthouse',
  };
  await expect(ask(conversation, { frame })).rejects.toMatchObject({
    rawMessage: 'provider cli answered with an error: the proxy refused [redacted]',
  });
});
