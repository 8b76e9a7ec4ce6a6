// Verifies an audit trail: npm run audit:verify -- <path>. Ends with 1 when a line was changed or is missing.
import { trailsAt, verifyTrail } from '../src/audit/verify.ts';

/** Verifies the trails of all workers at a path. @returns whether they are whole, and what to say of them */
export async function verifyAll(file: string): Promise<{ readonly ok: boolean; readonly lines: string[] }> {
  const said: string[] = [];
  let ok = true;
  for (const trail of trailsAt(file)) {
    try {
      const { files, lines, fault, from, torn, end } = await verifyTrail(trail);
      if (fault !== null) {
        ok = false;
        said.push(`${fault.file}:${fault.line}: this line ${fault.what}`);
        continue;
      }
      said.push(`${trail}: ${lines} lines in ${files.length} files are whole`);
      if (lines > 0 && from > 1) said.push(`${trail}: begins with line ${from}; older files are not here`);
      if (torn) said.push(`${trail}: its last line is not finished`);
      if (end !== null) said.push(`${trail}: ends with line ${end.seq}, hash ${end.hash}`);
    } catch (error) {
      ok = false;
      said.push((error as Error).message);
    }
  }
  return { ok, lines: said };
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    console.error('usage: npm run audit:verify -- <path>');
    process.exit(2);
  }
  const { ok, lines } = await verifyAll(file);
  for (const line of lines) console.log(line);
  process.exit(ok ? 0 : 1);
}
