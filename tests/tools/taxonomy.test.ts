import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { type Message, MessageSchema, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { toolPaths } from '../../src/config/tool-paths.ts';
import { createUpstreamClient } from '../../src/http/client.ts';
import { createServices } from '../../src/integrations/services.ts';
import { createLogger } from '../../src/observability/log.ts';
import { builtinTools } from '../../src/tools/builtin/builtin-tools.ts';
import { namedTaxonomy, withDefaults } from '../../src/tools/taxonomy.ts';
import { load } from '../config/support/load.ts';

describe('defaults of a session', () => {
  const context = { taxonomy: 'ai-ml', tier_filter: [1, 2], other: 'x' };

  test.each([
    ['hybrid_search', { taxonomy: 'ai-ml', tier_filter: [1, 2] }],
    ['semantic_search', { taxonomy: 'ai-ml', tier_filter: [1, 2] }],
    ['similar_chapters', { taxonomy: 'ai-ml', tier_filter: [1, 2] }],
    ['search_corpus', { taxonomy: 'ai-ml' }],
    ['cross_reference', { taxonomy_id: 'ai-ml' }],
  ])('fill what a call of %s leaves out', (tool, added) => {
    expect(withDefaults(tool, { query: 'q' }, context)).toEqual({ query: 'q', ...added });
  });

  test('are arguments that the tools have', () => {
    const config = load(null);
    const log = createLogger({ service: 'test', level: 'DEBUG', sink: () => {} });
    const services = createServices(config, createUpstreamClient(), log);
    for (const { name, parametersJson } of builtinTools(services, {
      paths: toolPaths,
      taxonomyEnabled: false,
    })) {
      const { properties } = JSON.parse(parametersJson);
      for (const added of Object.keys(withDefaults(name, {}, context)))
        expect(properties).toHaveProperty(added);
    }
  });

  test('never replace what a call says', () => {
    const args = { query: 'q', taxonomy: 'own', tier_filter: [] };
    expect(withDefaults('hybrid_search', args, context)).toBe(args);
    const own = { taxonomy_id: 'own' };
    expect(withDefaults('cross_reference', own, context)).toBe(own);
    expect(withDefaults('hybrid_search', { taxonomy: '' }, context)).toEqual({
      taxonomy: '',
      tier_filter: [1, 2],
    });
  });

  test.each(['echo', 'embed', 'get_chunk', 'my_tool', 'constructor'])('do not concern %s', (tool) => {
    const args = { query: 'q' };
    expect(withDefaults(tool, args, context)).toBe(args);
  });

  test.each([{}, { taxonomy: null, tier_filter: null }, { taxonomy: '', tier_filter: [] }])(
    'are not there: %j',
    (empty) => {
      const args = { query: 'q' };
      expect(withDefaults('hybrid_search', args, empty)).toBe(args);
    },
  );
});

const message = (role: Role, ...texts: string[]): Message =>
  create(MessageSchema, {
    role,
    parts: texts.map((text) => ({ content: { case: 'text' as const, value: { text } } })),
  });
const named = (text: string): string | null => namedTaxonomy([message(Role.USER, text)]);

describe('a taxonomy named in the prompt', () => {
  test.each([
    ['Use the ai-ml taxonomy.', 'ai-ml'],
    ['Please USE THE AI-ML TAXONOMY for this', 'AI-ML'],
    ['Search again using the security taxonomy', 'security'],
    ['use the software engineering taxonomy', 'software engineering'],
    ['use the  software\n engineering  taxonomy', 'software engineering'],
    ["use the Bloom's taxonomy", "Bloom's"],
    ['use the Q&A taxonomy', 'Q&A'],
    ['use the C++ taxonomy', 'C++'],
    ['use the Arts & Crafts taxonomy', 'Arts & Crafts'],
    ['use the v2.1_final/eu taxonomy', 'v2.1_final/eu'],
    ['use the Künstliche Intelligenz taxonomy', 'Künstliche Intelligenz'],
    ['use the "my own: list, 2" taxonomy', 'my own: list, 2'],
    ['use the “default” taxonomy', 'default'],
    ["use the 'ai-ml' taxonomy", 'ai-ml'],
    ['use the `ai-ml` taxonomy', 'ai-ml'],
    ['use the «ai-ml» taxonomy', 'ai-ml'],
    ['Could you use the ai-ml taxonomy?', 'ai-ml'],
    ["Don't forget to use the ai-ml taxonomy", 'ai-ml'],
    ["I don't know this, use the ai-ml taxonomy", 'ai-ml'],
    ["Don't use the old-one taxonomy, use the ai-ml taxonomy", 'ai-ml'],
    ['Use the a taxonomy. No, use the b taxonomy.', 'b'],
    [`use the ${'x'.repeat(64)} taxonomy`, 'x'.repeat(64)],
    [`use the "${'x'.repeat(64)}" taxonomy`, 'x'.repeat(64)],
  ])('%s', (text, name) => {
    expect(named(text)).toBe(name);
  });

  test.each([
    'use the taxonomy',
    'use the taxonomy of the book',
    'Use a taxonomy',
    'use the same taxonomy',
    'use the following taxonomy: a, b',
    'use the default taxonomy',
    "don't use the ai-ml taxonomy",
    'Don’t use the ai-ml taxonomy',
    'do not use the ai-ml taxonomy',
    'never use the ai-ml taxonomy',
    'stop using the ai-ml taxonomy',
    'without using the ai-ml taxonomy',
    'instead of using the ai-ml taxonomy do it by hand',
    "you shouldn't use the ai-ml taxonomy",
    'You must not, I say, do it; but do not ever use the ai-ml taxonomy',
    'use the words in this text to make a taxonomy',
    'use the search tool with the ai-ml taxonomy',
    'use the tool. Any taxonomy will do',
    'use the list, then the taxonomy',
    'reuse the ai-ml taxonomy',
    'misusing the ai-ml taxonomy',
    'use the ai-ml taxonomyx',
    'the ai-ml taxonomy',
    'use the "" taxonomy',
    'use the "  " taxonomy',
    `use the ${'x'.repeat(65)} taxonomy`,
    `use the "${'x'.repeat(65)}" taxonomy`,
    'use the -- taxonomy',
    '',
  ])('not in: %s', (text) => {
    expect(named(text)).toBeNull();
  });

  test('counts in messages of the user only, and in the latest that names one', () => {
    const first = message(Role.USER, 'use the a taxonomy');
    const others = [
      message(Role.SYSTEM, 'use the b taxonomy'),
      message(Role.ASSISTANT, 'use the c taxonomy'),
      message(Role.TOOL, 'use the d taxonomy'),
    ];
    expect(namedTaxonomy([first, ...others])).toBe('a');
    expect(namedTaxonomy([first, message(Role.USER, 'go on')])).toBe('a');
    expect(namedTaxonomy([first, message(Role.USER, 'use the e taxonomy')])).toBe('e');
    expect(namedTaxonomy(others)).toBeNull();
    expect(namedTaxonomy([])).toBeNull();
  });

  test('is found in any text of the message, the last one counts', () => {
    expect(namedTaxonomy([message(Role.USER, 'use the a taxonomy', 'or use the b taxonomy', 'thanks')])).toBe(
      'b',
    );
  });

  test('is looked for in time proportional to the text', () => {
    const size = 2 ** 20;
    const texts = [
      'use the ',
      'use the x ',
      'use  ',
      'use the "',
      'use the taxonomy ',
      "don't use the a taxonomy ",
      `${'a '.repeat(30)}use the `,
      ' ',
      `use the ${'a-'.repeat(40)} `,
      `use the ${'&'.repeat(40)} taxonomy `,
      `use the ${'a.'.repeat(31)} taxonomy `,
    ];
    const took = (text: string): number => {
      const started = performance.now();
      named(text);
      return performance.now() - started;
    };
    for (const text of texts) {
      const long = text.repeat(Math.ceil(size / text.length));
      expect(took(long), text).toBeLessThan(1_500);
    }
  });
});
