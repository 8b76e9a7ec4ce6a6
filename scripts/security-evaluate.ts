// Computes how well sensitive texts are found, on a labelled set: npm run security:evaluate [-- <file>].
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Screen } from '../src/security/screening.ts';
import { root } from './lib/run.ts';

export interface Labelled {
  readonly label: 'clean' | 'secret';
  /** What kind of text, or of secret. */
  readonly group: string;
  readonly text: string;
}

interface Group {
  readonly label: string;
  count: number;
  /** Taken for sensitive. */
  found: number;
}

export interface Evaluation {
  readonly texts: number;
  readonly secrets: number;
  /** Share of the secrets that are found. */
  readonly recall: number;
  /** Share of what is found that is secret. */
  readonly precision: number;
  /** Share of the clean texts that are taken for sensitive. */
  readonly falsePositives: number;
  /** Texts that were judged wrongly. */
  readonly wrong: readonly Labelled[];
  readonly groups: ReadonlyMap<string, Group>;
}

const set = path.join(root, 'tests/security/labelled.jsonl');

/** Reads a set. Secrets have a broken bar in them, so that scanners of repositories do not take them for real ones. */
export const readLabelled = (file = set): Labelled[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const labelled = JSON.parse(line) as Labelled;
      return { ...labelled, text: labelled.text.replaceAll('¦', '') };
    });

export function evaluate(texts: readonly Labelled[], screen: Screen): Evaluation {
  const groups = new Map<string, Group>();
  const wrong: Labelled[] = [];
  const counts = { secret: { count: 0, found: 0 }, clean: { count: 0, found: 0 } };
  for (const labelled of texts) {
    const { label, group, text } = labelled;
    const { sensitive } = screen.of(text);
    const own = groups.get(group) ?? { label, count: 0, found: 0 };
    groups.set(group, own);
    for (const count of [own, counts[label]]) {
      count.count++;
      if (sensitive) count.found++;
    }
    if (sensitive !== (label === 'secret')) wrong.push(labelled);
  }
  const { secret, clean } = counts;
  return {
    texts: texts.length,
    secrets: secret.count,
    recall: secret.found / secret.count,
    precision: secret.found / (secret.found + clean.found),
    falsePositives: clean.found / clean.count,
    wrong,
    groups,
  };
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  const result = evaluate(readLabelled(file), new Screen({ keywords: [], threshold: 0.7 }));
  for (const [group, { label, count, found }] of result.groups) {
    console.log(
      `${label.padEnd(7)} ${group.padEnd(16)} ${String(count).padStart(4)} texts, ${found} sensitive`,
    );
  }
  for (const { label, group, text } of result.wrong) {
    console.log(`wrong: ${label} ${group}: ${JSON.stringify(text.slice(0, 120))}`);
  }
  const { texts, secrets, recall, precision, falsePositives } = result;
  console.log(
    `${texts} texts, ${secrets} with secrets: recall ${percent(recall)}, precision ${percent(precision)}, false positives ${percent(falsePositives)}`,
  );
}
