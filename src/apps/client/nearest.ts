/** "Did you mean": the known name that a typed one probably was. */

const MAX_SUGGESTIONS = 3

/** At most three of `names`, nearest first: those within a third of their length, or that contain what was typed. */
export function nearest(typed: string, names: readonly string[]): string[] {
  const wanted = typed.toLowerCase()
  const rated = names.map((name): [string, number] => {
    const lower = name.toLowerCase()
    const edits = distance(wanted, lower)
    const holds = wanted.length >= 3 && (lower.includes(wanted) || (lower.length >= 3 && wanted.includes(lower)))
    return [name, holds ? Math.min(edits, 1.5) : edits <= Math.max(1, Math.ceil(Math.max(wanted.length, lower.length) / 3)) ? edits : Number.POSITIVE_INFINITY]
  })
  return rated.filter(([, rate]) => rate < Number.POSITIVE_INFINITY).sort(([, a], [, b]) => a - b).slice(0, MAX_SUGGESTIONS).map(([name]) => name)
}

/** Edits from one text to another: insertion, deletion, replacement, and the swap of neighbours. */
export function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const line = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1]
      let least = Math.min((above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1, (above[column - 1] ?? 0) + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) least = Math.min(least, (before[column - 2] ?? 0) + 1)
      line.push(least)
    }
    before = above
    above = line
  }
  return above[b.length] ?? 0
}
