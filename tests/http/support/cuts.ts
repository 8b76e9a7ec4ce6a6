/** The pieces of `bytes` when it is cut at `cuts` (in any order, repeated or not). */
export function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    pieces.push(bytes.subarray(from, cut));
    from = cut;
  }
  pieces.push(bytes.subarray(from));
  return pieces;
}

/** Ways to cut: whole, byte by byte, and in two at every place (at about 2000 places of a long one). */
export function* everyCut(bytes: Buffer): Generator<Buffer[]> {
  yield [bytes];
  yield Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  const step = Math.max(1, Math.floor(bytes.length / 2000));
  for (let cut = 0; cut <= bytes.length; cut += step) yield cutAt(bytes, [cut]);
}
