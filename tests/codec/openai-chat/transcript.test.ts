import { expect, test } from 'vitest';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { encodeTranscript } from '../../../src/codec/openai-chat/encode-transcript.ts';
import * as build from '../../../src/model/build.ts';

const kept = build.textPart('kept');

test.each<[string, Part]>([
  [
    "another dialect's part",
    build.part({ case: 'opaque', value: build.opaque('anthropic.messages', 'container_upload', '{}') }),
  ],
  [
    "a picture in a provider's keeping",
    build.part({ case: 'image', value: build.image({ case: 'fileId', value: 'f' }) }),
  ],
  [
    'a spoken answer by its id',
    build.part({ case: 'audio', value: build.audio({ case: 'id', value: 'a' }) }),
  ],
])('%s is left out of a transcript, the rest stays', (_what, part) => {
  const message = build.message(Role.USER, [kept, part], { multipart: true });
  const result = build.toolResult('c', [kept, part], { multipart: true });
  const answered = build.message(Role.TOOL, [build.part({ case: 'toolResult', value: result })]);
  expect(JSON.parse(encodeTranscript([message, answered]))).toEqual([
    { role: 'user', content: [{ type: 'text', text: 'kept' }] },
    { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'kept' }] },
  ]);
});
