/**
 * What tells whether a text fits a pattern, in which `*` is any text. Unlike a regular expression it never goes back, since patterns may be strangers': the
 * pieces between the stars are found one after the other.
 * @param one a character that stands for any single one; '' for none
 */
export function wildcard(pattern: string, one: '' | '?' = ''): (text: string) => boolean {
  const pieces = pattern.split('*');
  const first = pieces.shift() as string;
  const last = pieces.pop();
  const hasOne = one !== '' && pattern.includes(one);
  const stands = (piece: string, text: string, at: number): boolean => {
    if (!hasOne) return text.startsWith(piece, at);
    for (let i = 0; i < piece.length; i++) {
      if (piece[i] !== one && piece[i] !== text[at + i]) return false;
    }
    return at + piece.length <= text.length;
  };
  const find = (piece: string, text: string, from: number): number => {
    if (!hasOne) return text.indexOf(piece, from);
    for (let at = from; at + piece.length <= text.length; at++) if (stands(piece, text, at)) return at;
    return -1;
  };
  return (text) => {
    if (last === undefined) return text.length === first.length && stands(first, text, 0);
    const end = text.length - last.length;
    if (end < first.length || !stands(first, text, 0) || !stands(last, text, end)) return false;
    let at = first.length;
    for (const piece of pieces) {
      const found = find(piece, text, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return at <= end;
  };
}
