import { expect, test } from 'vitest';
import { toolPaths } from '../../src/config/tool-paths.ts';
import { load, mistakes } from './support/load.ts';

test('paths of tools are those of the services, but for those that the file names', () => {
  expect(load(null).toolPaths).toEqual(toolPaths);
  const yaml = 'services: { paths: { extract_keywords: /v1/keywords, get_chunk: "/chunk/{chunk_id}/text" } }';
  expect(load(yaml).toolPaths).toEqual({
    ...toolPaths,
    extract_keywords: '/v1/keywords',
    get_chunk: '/chunk/{chunk_id}/text',
  });
});

test.each([
  ['embed', 'v1/embed'],
  ['embed', '/'],
  ['embed', '/v1/embed?x=1'],
  ['embed', '/v1/../embed'],
  ['embed', '/v1/%2E%2e/embed'],
  ['embed', '/v1/{chunk_id}'],
  ['embed', `/${'x'.repeat(512)}`],
  ['get_chunk', '/v1/chunks'],
  ['get_chunk', '/v1/chunks/{id}'],
  ['get_chunk', '/v1/{chunk_id}/{chunk_id}'],
  ['get_chunk', '/v1/chunk-{chunk_id}'],
])('%s cannot be at %s', (tool, path) => {
  expect(mistakes(JSON.stringify({ services: { paths: { [tool]: path } } }))).toEqual([
    expect.stringMatching(new RegExp(`^services\\.paths\\.${tool}: is "`)),
  ]);
});

test('a tool that there is not has no path', () => {
  expect(mistakes('services: { paths: { embeds: /x } }')).toEqual([
    'services.paths.embeds: is not a setting; did you mean embed?',
  ]);
  expect(mistakes('services: { paths: [] }')).toEqual(['services.paths: is [], has to be a map of settings']);
});
