/** Headers of a request on its way out. */

export type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** `fixed` with `own` after it; a name that `own` has is taken from there alone. Names are in lower case. */
export function mergeHeaders(fixed: HeaderPairs, own: HeaderPairs): HeaderPairs {
  if (own.length === 0) return fixed
  for (const ours of own) {
    for (const pair of fixed) {
      if (pair[0] === ours[0]) return [...fixed.filter((one) => !own.some((other) => other[0] === one[0])), ...own]
    }
  }
  return fixed.concat(own)
}
