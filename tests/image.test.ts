import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startFlags } from '../scripts/lib/start-flags.ts';

test('the image runs Node as npm start does', () => {
  const dockerfile = readFileSync(new URL('../Dockerfile', import.meta.url), 'utf8');
  const [, command = ''] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? [];
  expect(JSON.parse(command)).toEqual(['node', ...startFlags(), 'src/main.ts']);
  expect(startFlags()).not.toEqual([]);
});
