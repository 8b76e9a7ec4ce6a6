// Verifies an audit trail: npm run audit:verify -- [--archived] [--workers <number>] <path>. Ends with 1 when a line was changed, or lines or files are missing.
import { parseArgs } from 'node:util';
import { trailsAt, verifyTrail } from '../src/audit/verify.ts';

export interface VerifyOptions {
  /** Older files were put away: that the first ones are not here is no fault. */
  readonly archived?: boolean;
  /** How many workers the gateway has, each with a trail of its own. Default: as many as there are files of. */
  readonly workers?: number;
}

/** Verifies the trails of all workers at a path. @returns whether they are whole, and what to say of them */
export async function verifyAll(
  file: string,
  { archived = false, workers = 1 }: VerifyOptions = {},
): Promise<{ readonly ok: boolean; readonly lines: string[] }> {
  const said: string[] = [];
  let ok = true;
  const trails = trailsAt(file, workers);
  for (const trail of trails) {
    try {
      const { files, lines, fault, from, torn, end } = await verifyTrail(trail);
      if (fault !== null) {
        ok = false;
        said.push(`${fault.file}:${fault.line}: this line ${fault.what}`);
        continue;
      }
      const isCut = lines > 0 && from > 1;
      if (isCut && !archived) ok = false;
      const whole = isCut ? 'follow each other' : 'are whole';
      said.push(`${trail}: ${lines} lines in ${files.length} files ${whole}`);
      if (isCut) said.push(`${trail}: begins with line ${from}; older files are not here`);
      if (torn) said.push(`${trail}: its last line is not finished`);
      if (end !== null) said.push(`${trail}: ends with line ${end.seq}, hash ${end.hash}`);
    } catch (error) {
      ok = false;
      said.push((error as Error).message);
    }
  }
  said.push(
    `trails of ${trails.length} ${trails.length === 1 ? 'worker' : 'workers'}: ${ok ? 'whole' : 'not whole'}`,
  );
  return { ok, lines: said };
}

function optionsGiven(): (VerifyOptions & { readonly file: string }) | null {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { archived: { type: 'boolean', default: false }, workers: { type: 'string', default: '1' } },
    });
    const [file] = positionals;
    const isNumber = /^[1-9]\d{0,3}$/.test(values.workers);
    if (file === undefined || positionals.length > 1 || !isNumber) return null;
    return { file, archived: values.archived, workers: Number(values.workers) };
  } catch {
    return null;
  }
}

if (import.meta.main) {
  const given = optionsGiven();
  if (given === null) {
    console.error('usage: npm run audit:verify -- [--archived] [--workers <number>] <path>');
    process.exit(2);
  }
  const { ok, lines } = await verifyAll(given.file, given);
  for (const line of lines) console.log(line);
  process.exit(ok ? 0 : 1);
}
