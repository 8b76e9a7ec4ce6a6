import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answers } from './answers.ts';
import { conversations, oneTurnLater } from './conversations.ts';
import { type Asked, type Harness, type Outcome, startHarness } from './harness.ts';
import { rawMembers } from './members.ts';
import { providers } from './providers.ts';

// One conversation, said to every provider. The files are what a provider is asked, to be read by people when they change:
// `npx vitest run tests/golden -u` writes them.

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.stop());

const folder = (name: string): string => path.join(import.meta.dirname, 'requests', name);

function printed(outcome: Outcome): string {
  if ('refused' in outcome) return `${JSON.stringify(outcome, null, 2)}\n`;
  const { path: asked, text, dropped, warnings } = outcome.asked;
  const all = {
    path: asked,
    body: JSON.parse(text) as unknown,
    ...(dropped.length > 0 ? { dropped } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  };
  return `${JSON.stringify(all, null, 2)}\n`;
}

const cells = Object.entries(conversations).flatMap(([name, conversation]) =>
  providers.map((provider) => ({ name, conversation, provider, title: provider.name })),
);

describe.each(Object.keys(conversations))('%s', (name) => {
  const row = cells.filter((cell) => cell.name === name);

  test.each(row)('is said to $title as on file', async ({ conversation, provider }) => {
    const outcome = await harness.ask(provider, conversation);
    await expect(printed(outcome)).toMatchFileSnapshot(path.join(folder(name), `${provider.name}.json`));
  });

  test.each(row)('loses nothing silently on the way to $title', async ({ conversation, provider }) => {
    const outcome = await harness.ask(provider, conversation);
    if ('refused' in outcome) {
      expect(outcome.refused.reason).toMatch(/^(?:INVALID_REQUEST|UNSUPPORTED_PARAMETER)$/);
      expect(outcome.refused.field).not.toBe('');
      expect(outcome.refused.message.length).toBeGreaterThan(20);
      return;
    }
    const { text, dropped, warnings } = outcome.asked;
    const lost = conversation.about.filter((piece) => !text.includes(inJson(piece)));
    const told = [...dropped, ...warnings.map(({ code }) => code)];
    if (lost.length > 0) expect({ lost, told }).not.toEqual({ lost, told: [] });
  });

  test.each(row)('is the beginning of the same bytes one turn later for $title', async (cell) => {
    const outcome = await harness.ask(cell.provider, cell.conversation);
    const later = await harness.ask(cell.provider, oneTurnLater(cell.conversation));
    if ('refused' in outcome) {
      expect(later).toEqual(outcome);
      return;
    }
    const [before, after] = [membersOf(outcome.asked), membersOf((later as { asked: Asked }).asked)];
    const key = before.has('contents') ? 'contents' : 'messages';
    const [said, saidLater] = [before.get(key) ?? '', after.get(key) ?? ''];
    expect(said.length).toBeGreaterThan(10);
    expect(saidLater.startsWith(`${said.slice(0, -1)},`)).toBe(true);
    // What a prompt begins with, and how it is to be answered.
    for (const map of [before, after]) map.delete(key);
    expect([...after]).toEqual([...before]);
  });
});

describe('the answer of', () => {
  test.each(providers)('$name is told as on file, whole and streamed alike', async (provider) => {
    const answer = answers[provider.name];
    if (answer === undefined) throw new Error(`no answer of ${provider.name}`);
    const whole = await harness.hear(provider, answer, false);
    expect(whole).toMatchObject({
      text: 'It drizzles.',
      calls: [{ id: 'call_A1', name: 'get_weather', arguments: '{"city":"Ghent"}' }],
      finish: 'TOOL_CALLS',
      usage: { prompt: 100, completion: 20, total: 120 },
    });
    expect(await harness.hear(provider, answer, true)).toEqual(whole);
    const file = path.join(import.meta.dirname, 'answers', `${provider.name}.json`);
    await expect(`${JSON.stringify(whole, null, 2)}\n`).toMatchFileSnapshot(file);
  });
});

/** A text as it stands within a JSON string; a member as it is. */
const inJson = (piece: string): string => (piece.includes('"') ? piece : JSON.stringify(piece).slice(1, -1));

const membersOf = ({ text }: Asked): Map<string, string> => rawMembers(text);

test('there is a file for every conversation and provider, and no other', () => {
  const root = path.join(import.meta.dirname, 'requests');
  expect(readdirSync(root).sort()).toEqual(Object.keys(conversations).sort());
  for (const name of readdirSync(root)) {
    expect(readdirSync(folder(name)).sort()).toEqual(providers.map((one) => `${one.name}.json`).sort());
  }
});
