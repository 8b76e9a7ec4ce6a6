/** What tells whether a text fits a pattern: `*` is any text, `?` any character. Takes at most the product of their lengths. */
export function glob(pattern: string): (text: string) => boolean {
  return (text) => {
    let at = 0;
    let p = 0;
    // Where to go on when the latest star has to take one character more.
    let star = -1;
    let taken = 0;
    while (at < text.length) {
      if (p < pattern.length && pattern[p] === '*') {
        star = p++;
        taken = at;
      } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[at])) {
        p++;
        at++;
      } else if (star >= 0) {
        p = star + 1;
        at = ++taken;
      } else return false;
    }
    while (pattern[p] === '*') p++;
    return p === pattern.length;
  };
}
