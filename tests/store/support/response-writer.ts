import { Database } from '../../../src/store/embedded/database.ts';
import { EmbeddedResponses } from '../../../src/store/embedded/responses.ts';

// A process that works at responses in the embedded store of a folder, and says what was acknowledged, until it is killed.

const [dir = '', id = ''] = process.argv.slice(2);
const store = new EmbeddedResponses(new Database({ dir, maxBytes: 2 ** 28 }));
const encoder = new TextEncoder();
const createdUs = Date.now() * 1000;
const maxBytes = 2 ** 28;
const open = { holder: 'writer', leaseMs: 1 };
const body = encoder.encode('body');
const facts = { createdUs, expiresUs: createdUs + 3_600e6 };
await store.create('', { id, ...facts, body, input: [encoder.encode('input')], maker: '', open });
await store.createConversation('', { id: 'conversation', ...facts, metadataJson: '{}' }, []);
for (let n = 0; ; n++) {
  const events = [encoder.encode(`${n} a`), encoder.encode(`${n} b`)];
  const appended = await store.append('', id, { holder: 'writer', after: 2 * n, events, maxBytes }, 1);
  const items = [{ id: `${n}`, body: encoder.encode(`${n}`) }];
  const added = await store.addItems('', 'conversation', { items, maxBytes, after: n });
  process.stdout.write(`${n} ${appended} ${added}\n`);
}
