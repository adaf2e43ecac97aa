/** Which names a list of globs picks: `*` any run of characters, `?` any one, `!` before a glob excludes what it matches. */

/** Undefined picks all, an empty list nothing, a list of nothing but exclusions all else. Exclusions win wherever they stand. */
export function picks(patterns: readonly string[] | undefined, text: string): boolean {
  if (patterns === undefined) return true
  const including = patterns.filter((pattern) => !isExclusion(pattern))
  const isIncluded = including.length === 0 ? patterns.length > 0 : including.some((pattern) => matchesGlob(pattern, text))
  return isIncluded && !excludes(patterns, text)
}

/** Whether the list says outright that this is not to be seen. */
export function excludes(patterns: readonly string[] | undefined, text: string): boolean {
  return patterns?.some((pattern) => isExclusion(pattern) && matchesGlob(pattern.slice(1), text)) ?? false
}

export function isExclusion(pattern: string): boolean {
  return pattern.startsWith('!')
}

/** Never backtracks further than to the last `*`: names come from servers, and must not be able to make this slow. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0
  let star = -1
  let restart = 0
  let from = 0
  while (at < text.length) {
    const sign = pattern[from]
    if (sign === '*') {
      star = from
      restart = at
      from += 1
    } else if (sign !== undefined && (sign === '?' || sign === text[at])) {
      from += 1
      at += 1
    } else if (star >= 0) {
      restart += 1
      at = restart
      from = star + 1
    } else return false
  }
  while (pattern[from] === '*') from += 1
  return from === pattern.length
}
